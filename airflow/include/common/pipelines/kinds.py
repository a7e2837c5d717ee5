"""Every kind of hop in one table: what the platform has to know of each to run, apply, verify and replay it.

It is read when DAG files are parsed, so a step is named here and loaded when a hop is done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from common.contracts.catalogue import contract_faults, domains
from common.core.assets import Zone, asset_name
from common.core.errors import ConfigError, ContractError
from common.core.nouns import Batch, Consumer, Dataset
from common.models.model import model_faults
from common.pipelines import consumers as of_domain

if TYPE_CHECKING:
    from common.pipelines.step import Step


@dataclass(frozen=True)
class Kind:
    """One kind of hop.

    `consumers` lists those of a domain, `step` names the class that does their hops, made from a consumer. `dag` is
    the id of the DAG that runs them, with `domain`, `name` and `part` to be filled in, and `doc` its page. `merged` is
    the word for what was taken and gave no row of its own. A replayed batch of zone `redoes` is done again by this
    kind, which `watershed replay --to` knows as `writes`. `inside` are points of its own at which tests let it fail.
    `look` names the function that records what a consumer's input holds now and says why there is nothing new, where
    nobody else records it. A `quiet` kind rings nobody for hops that gave nothing.
    """

    stage: str
    ordered: bool
    consumers: Callable[[str], list[Consumer]]
    step: str
    dag: str
    doc: str
    merged: str = "updated"
    redoes: Zone | None = None
    writes: str = ""
    inside: tuple[str, ...] = ()
    look: str = ""
    quiet: bool = False


KINDS: dict[str, Kind] = {
    "ingest": Kind(
        stage="ingest",
        ordered=False,
        consumers=of_domain.ingests,
        step="common.pipelines.ingest:IngestStep",
        look="common.pipelines.source_look:look_at_source",
        dag="{domain}_{name}_ingest",
        doc="""Fetch what is new in a source that is no file: a sheet, a table of a database, a folder elsewhere.

**What**: pins in the ledger what is to be fetched (rows up to a watermark, the table of a day, what a sheet holds, a
version of a file), fetches it into one file, and puts that into raw once; there it lands like any other.

**When**: by the cron of the contract's `source`, in its zone.

**When it fails**: nothing is lost or doubled; the next run fetches what was pinned, and goes on from there. A source
that is missing or denied is named with what to do; one that has nothing new skips the run and says so.""",
        merged="empty",
        quiet=True,
        inside=("look.before", "look.after", "stage.fetched", "settle.read", "settle.put"),
    ),
    "landing": Kind(
        stage="bronze",
        ordered=False,
        consumers=of_domain.landing,
        step="common.pipelines.landing:LandingStep",
        dag="{domain}_raw_to_bronze",
        doc="""Take what landed below `raw/` into bronze, or into quarantine with its reason.

**What**: looks at the list of the raw prefix, then copies every readable file byte for byte, records a file
whose content is known already as a duplicate, and quarantines what cannot be read. The raw copy is deleted only
after the copy is verified and recorded.

**When**: as soon as something lands (queue of object notifications), or when the sweep finds it.

**When it fails**: nothing is lost; raw files stay until they are recorded. See `watershed status` and
`watershed quarantine ls`.""",
        merged="repeated",
        inside=("look.before", "look.after", "look.deleted", "stage.copied", "settle.deleted"),
    ),
    "silver": Kind(
        stage="silver",
        ordered=False,
        consumers=of_domain.silver,
        step="common.pipelines.silver:SilverStep",
        dag="{domain}_{name}_to_silver",
        doc="""Refine the files of one dataset into typed, clean rows, the latest of each key.

**What**: types, normalises and checks every record by the contract; malformed lines and rows that break a rule go
to quarantine with file, line, original text, rule, column and value; the others are published in one commit.

**When**: when bronze of the dataset rings, or when the sweep finds something due.

**When it fails**: nothing was published. A batch that cannot be refined is parked with an incident while its
neighbours arrive.""",
        redoes=Zone.BRONZE,
        writes="silver",
        inside=("stage.part", "stage.parts"),
    ),
    "model": Kind(
        stage="gold",
        ordered=True,
        consumers=of_domain.models_of,
        step="common.pipelines.gold:ModelStep",
        dag="{domain}_gold",
        doc="""Bring every gold table up to date with the silver rows that changed.

**What**: for each model the slices that changed rows touch are recomputed from pinned versions and replaced in
one commit; control totals must agree, or nothing is published.

**When**: when any silver dataset rings, or when the sweep finds something due.

**When it fails**: the table stays as it was and the model stops in order, with an incident. Mend the model's
SQL; the next run goes on from there.""",
        merged="folded",
        redoes=Zone.SILVER,
        writes="gold",
    ),
    "load": Kind(
        stage="load",
        ordered=True,
        consumers=of_domain.loads,
        step="common.pipelines.loading:LoadStep",
        dag="{domain}_load",
        doc="""Carry silver and gold tables into the warehouses: full, incremental or as intervals, as each declares.

**What**: the net change since the last load is staged by bulk copy and applied in one transaction together with
the load token, so that a load happens once or not at all.

**When**: when any of the tables rings, or when the sweep finds something due.

**When it fails**: the warehouse is unchanged; connection errors are retried with backoff. A missing table or token
means that `watershed apply` was not run after a change of contracts; a table that is not what the load asks for is an
incident (`drift`), and the load waits, or sets rows aside, as its `evolution` says.""",
        redoes=Zone.GOLD,
        writes="warehouse",
        inside=("stage.looked", "stage.rows", "publish.token", "publish.commit"),
    ),
    "transform": Kind(
        stage="transform",
        ordered=True,
        consumers=of_domain.transforms,
        step="common.pipelines.transforming:TransformStep",
        dag="{domain}_transform",
        doc="""Compute tables inside the warehouses from what was loaded there.

**What**: each model that is `on` a warehouse is computed there into a table of the attempt and audited: keys, control
totals, and that no load came between; then it replaces the model's table in one transaction with the token.

**When**: when a load of one of its inputs is confirmed, or when the sweep finds something due.

**When it fails**: the table stays as it was and the model stops in order, with an incident. Mend the model's SQL; the
next run goes on from there.""",
        merged="replaced",
        inside=("stage.looked", "stage.rows", "publish.token", "publish.commit"),
    ),
    "deliver": Kind(
        stage="deliver",
        ordered=True,
        consumers=of_domain.deliveries,
        step="common.pipelines.delivering:DeliverStep",
        dag="{domain}_to_veeva",
        doc="""Deliver the rows of each study as forms to Veeva CDMS, studies beside one another.

**What**: each row that is new or has changed is a form of a subject. It is read back from CDMS, and the items that are
not as they should be are set; what CDMS refuses goes to quarantine with rule, item and what CDMS said. A run by hand
takes a study and a form, and does what is due of these alone.

**When**: when silver of any form rings, every 30 minutes, and when the sweep finds something due. Several runs may be
at work, each on other studies, so a study that is slow or fails keeps no other waiting.

**When it fails**: what was set stays set, and the next run sets what is still missing. A Vault that is away, or whose
limit is reached, is tried again; a login that is refused or a study that is not there names what to do.""",
        inside=("stage.looked", "stage.sending", "stage.sent"),
    ),
}


def stages() -> list[str]:
    """Return the stages of a domain, in their order."""
    return list(dict.fromkeys(kind.stage for kind in KINDS.values()))


def stages_of(domain: str) -> list[str]:
    """Return the stages in which a domain has anything to do, in their order."""
    return [stage for stage in stages() if consumers(domain, stage)]


def consumers(domain: str, stage: str = "") -> list[Consumer]:
    """Return the consumers of a domain in the order of the stages, or those of one stage.

    Raises ConfigError naming the known stages.
    """
    if stage and stage not in stages():
        raise ConfigError(f"No stage '{stage}'. Known: {', '.join(stages())}.")
    kinds = [kind for kind in KINDS.values() if stage in ("", kind.stage)]
    return [consumer for kind in kinds for consumer in kind.consumers(domain)]


def all_consumers() -> list[Consumer]:
    """Return every consumer of every domain, in the order of the stages."""
    return [consumer for domain in domains() for consumer in consumers(domain)]


def faults() -> dict[Path, str]:
    """Return what is wrong with contracts and models of all domains, by file; these have no consumers."""
    return {
        path: fault
        for domain in domains()
        for found in (contract_faults(domain), model_faults(domain))
        for path, fault in found.items()
    }


def require_sound() -> None:
    """Raise ContractError with every fault of every contract and model."""
    if found := faults():
        raise ContractError("\n".join(found.values()))


def equal_names() -> dict[str, str]:
    """Return the faults of consumers that write one table, by its name in lower case: they would undo each other."""
    seen: dict[str, Consumer] = {}
    found: dict[str, str] = {}
    for consumer in all_consumers():
        name = consumer.name.casefold()
        other = seen.setdefault(name, consumer)
        if other is not consumer:
            found[name] = (
                f"{consumer.dataset} and {other.dataset} both write {consumer.name}: a table has one consumer. "
                "Name another `table` in one of the two loads."
            )
    return found


def consumer_named(name: str) -> Consumer:
    """Return the consumer of a name; raises ConfigError naming the known ones."""
    known = {consumer.name: consumer for consumer in all_consumers()}
    if name not in known:
        faulty = "".join(f" {path} has a fault, so it has no consumers: {fault}" for path, fault in faults().items())
        raise ConfigError(f"No consumer '{name}'. Known: {', '.join(known)}.{faulty}")
    return known[name]


def reader_of(batch: Batch) -> Consumer:
    """Return the consumer that processes a batch again; raises ConfigError where nothing reads it."""
    replay = batch.rerun.replay if batch.rerun else None
    if replay and replay.consumer:
        return consumer_named(replay.consumer)
    readers = [consumer for consumer in all_consumers() if batch.asset in consumer.inputs]
    if not readers:
        raise ConfigError(f"Nothing reads {batch.asset}.")
    return readers[0]


def dag_id(consumer: Consumer) -> str:
    """Return the id of the DAG that runs a consumer."""
    dataset = consumer.dataset
    return KINDS[consumer.kind].dag.format(domain=dataset.domain, name=dataset.name, part=consumer.part)


def step_of(consumer: Consumer) -> "Step":
    """Load and make the step that does the hops of a consumer."""
    make: Callable[[Consumer], Step] = resolve_name(KINDS[consumer.kind].step)
    return make(consumer)


def look_of(consumer: Consumer) -> Callable[[Consumer], str] | None:
    """Load the look of a consumer's kind; None where it has none of its own."""
    name = KINDS[consumer.kind].look
    return resolve_name(name) if name else None


def depends_on(consumer: Consumer, dataset: Dataset) -> bool:
    """Return whether what a consumer writes is made from a dataset, directly or by way of others."""
    made_of = {asset_name(dataset, zone) for zone in Zone}
    for other in consumers(dataset.domain):
        if made_of.intersection(other.inputs):
            made_of.add(other.output)
    return not made_of.isdisjoint(consumer.inputs)
