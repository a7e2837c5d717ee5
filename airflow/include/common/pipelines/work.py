"""What the tasks of the DAGs do, without Airflow: each a plain function of names."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import make_url

from common.core.errors import ConfigError, LeaseLost, TerminalError, WatershedError
from common.core.masks import without_values
from common.core.nouns import Consumer
from common.core.settings import settings
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.failures import keep_failure
from common.ledger.heartbeats import SWEEP, beat
from common.ledger.rings import Ring, due, mark_rung, newest, outstanding, to_ring
from common.observe.verbs import passed, verb
from common.pipelines.hop import Drained, drain
from common.pipelines.kinds import KINDS, consumers, look_of, stages, stages_of, step_of
from common.pipelines.look import look


def work(consumer: Consumer, owner: str, run_id: str) -> tuple[Drained, Ring | None]:
    """Drain one consumer, and give what is to be rung."""
    with _remembered(consumer.name):
        step = step_of(consumer)
        done = drain(step, owner, run_id)
        look_at = look_of(consumer)
        if look_at and not done.leased_by:  # what is known comes first: only then the ledger has what the target has
            done.why = look_at(consumer)
            drain(step, owner, run_id, done)
    with verb(step.consumer.kind, "ring"), transaction() as connection:
        ring = to_ring(connection, consumer.name)
    if ring and KINDS[consumer.kind].quiet and not ring.counts["good"]:
        rung(consumer.name, list(ring.hops))
        done.why = done.why or f"what there was to take is {KINDS[consumer.kind].merged} or gone"
        return done, None
    return done, ring


@contextmanager
def _remembered(name: str) -> Iterator[None]:
    """Keep in the ledger what a run ends with, so that `watershed status` can say why something waits."""
    try:
        yield
    except LeaseLost:  # another attempt is at work, and its end counts
        raise
    except Exception as error:
        detail = str(error) if isinstance(error, WatershedError) else without_values(error)
        with suppress(WatershedError), transaction() as connection:  # the ledger itself may be what is away
            keep_failure(connection, name, type(error).__name__, detail)
        raise


def rung(name: str, numbers: list[int]) -> None:
    """Remember that the event of a consumer's hops is stored."""
    with transaction() as connection:
        kind = lock(connection, name).kind
        passed(kind, "rung.before")
        mark_rung(connection, name, numbers)
    passed(kind, "rung.after")


def due_of(domain: str, stage: str = "") -> list[Consumer]:
    """Record what lies in raw, if that is asked about, then return the consumers that have something to do.

    Without a stage all of the domain are meant, as by a sweep, whose coming is noted. A stage that is asked about and
    has looks of its own is due, for only they know: a sweep leaves them to their schedules.
    """
    if stage in ("", "bronze"):
        look(domain)
    known = {consumer.name: consumer for consumer in consumers(domain, stage)}
    if stage and known and all(look_of(consumer) for consumer in known.values()):
        return list(known.values())
    with transaction() as connection:
        if not stage:
            beat(connection, SWEEP.format(domain=domain))
        return [known[name] for name in due(connection, known)]


def sweep(domain: str, owner: str) -> tuple[list[Drained], list[WatershedError]]:
    """Do every due hop of a domain here and now, stage by stage, as Airflow would; one that fails stops no other.

    Nothing is rung: the next run of each DAG rings what it finds published.
    """
    from common.notify.outbox import tell  # channels and templates, which no task needs

    done, failed = [], []
    for stage in stages():
        for consumer in due_of(domain, stage):
            try:
                done.append(work(consumer, owner, owner)[0])
            except WatershedError as error:
                failed.append(error)
    tell()
    return done, failed


def check_stages(domain: str, wanted: list[str]) -> list[str]:
    """Return the wanted stages in their order; raises ConfigError for one that the domain lacks, or none at all."""
    known = stages_of(domain)
    if unknown := sorted(set(wanted) - set(known)):
        raise ConfigError(f"No stage {', '.join(map(repr, unknown))} in {domain}. Known: {', '.join(known)}.")
    if not wanted:
        raise ConfigError(f"No stage was asked for. Known: {', '.join(known)}.")
    return [stage for stage in known if stage in wanted]


def check_configuration(domain: str, wanted: list[str]) -> dict[str, object]:
    """Check settings, stages, ledger and consumers before anything is started, and return what was checked.

    Every run that the master starts compares it with what its worker has (`require_same`). Raises ConfigError,
    NotApplied, TargetUnavailable.
    """
    chosen = check_stages(domain, wanted)
    those = [consumer for stage in chosen for consumer in consumers(domain, stage)]
    with transaction() as connection:
        for consumer in those:
            lock(connection, consumer.name)
    contracts = {consumer.name: consumer.contract for consumer in those}
    return {"domain": domain, "stages": chosen, "settings": _settings(), "contracts": contracts}


def _settings() -> dict[str, object]:
    """Return the settings that say which data a run works on."""
    config = settings()
    return {
        "bucket": config.bucket,
        "zone_buckets": dict(config.zone_buckets),
        "ledger": make_url(config.ledger_url).database,  # hosts may have several names
        **{f"warehouse {word}": at.conn for word, at in config.all_warehouses.items()},
    }


def require_same(checked: Mapping[str, Any], those: Sequence[Consumer]) -> None:
    """Compare what a master checked with what this process has for some consumers.

    Raises ConfigError naming what differs: then worker and master do not run the same configuration.
    """
    here = {**_settings(), **{consumer.name: consumer.contract for consumer in those}}
    expected = {**checked["settings"], **checked["contracts"]}
    for name, value in here.items():
        if expected.get(name) != value:
            raise ConfigError(
                f"The master that started this run checked {name} = {expected.get(name)!r}, this worker has {value!r}. "
                "Nothing was done. Give both the same settings and contracts, then start the master again."
            )


def mark(domain: str, stage: str) -> int:
    """Remember what is known at the start of a stage: the newest batch's number."""
    if stage == "bronze":
        look(domain)
    for consumer in consumers(domain, stage):
        if look_at := look_of(consumer):
            look_at(consumer)
    with transaction() as connection:
        return newest(connection)


def drained(domain: str, stage: str, upto: int) -> bool:
    """Return whether a stage has taken every batch known at its start; raises TerminalError naming parked ones."""
    waiting, parked = 0, []
    with transaction() as connection:
        for consumer in consumers(domain, stage):
            count, names = outstanding(connection, consumer.name, upto)
            waiting += count
            parked += [f"{batch} of {consumer.name}" for batch in names]
    if parked:
        raise TerminalError(
            f"Stage '{stage}' of {domain} cannot be completed: parked batches {', '.join(parked)}. "
            "See `watershed status` for the reason; mend source or contract."
        )
    return waiting == 0
