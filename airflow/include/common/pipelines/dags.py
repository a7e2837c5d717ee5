"""The DAGs of a domain: one function a stage, which a domain's DAG file calls."""

from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, Param, PokeReturnValue, chain, dag, task

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.nouns import Dataset
from common.models.model import models
from common.pipelines.defaults import hop_task, policy
from common.pipelines.domain import STAGES, Hop, datasets, gold_tables, hops, loaded_tables, zone_of
from common.zones.assets import doorbell, landing_asset, zone_asset


def raw_to_bronze(domain: str) -> DAG:
    """Take what landed below `raw/` into bronze, or into quarantine with its reason.

    **What**: looks at the list of the raw prefix, then copies every readable file byte for byte, records a file
    whose content is known already as a duplicate, and quarantines what cannot be read. The raw copy is deleted only
    after the copy is verified and recorded.

    **When**: as soon as something lands (queue of object notifications), and at every sweep even if nothing rang.

    **When it fails**: nothing is lost; raw files stay until they are recorded. See `watershed status` and
    `watershed quarantine ls`.
    """
    owner, doc = _owner(domain), _doc(raw_to_bronze, domain)
    return _stage_dag(
        f"{domain}_raw_to_bronze", (domain, "bronze"), [landing_asset(domain)], policy(domain, "bronze", owner, doc)
    )


def to_silver(dataset: Dataset) -> DAG:
    """Refine the files of one dataset into typed, clean rows, the latest of each key.

    **What**: types, normalises and checks every record by the contract; malformed lines and rows that break a rule go
    to quarantine with file, line, original text, rule, column and value; the others are published in one commit.

    **When**: when bronze of the dataset rings, and at every sweep.

    **When it fails**: nothing was published. A batch that cannot be refined is parked with an incident while its
    neighbours arrive.
    """
    hop = Hop("silver", dataset)
    arguments = policy(dataset.domain, "silver", contract_of(dataset).owner, _doc(to_silver, str(dataset)))
    bells = [zone_asset(dataset, Zone.BRONZE)]

    @dag(dag_id=f"{dataset.domain}_{dataset.name}_to_silver", schedule=doorbell(bells), **arguments)
    def build() -> None:
        hop_task(hop)()

    return build()


def gold(domain: str) -> DAG:
    """Bring every gold table up to date with the silver rows that changed.

    **What**: for each model the slices that changed rows touch are recomputed from pinned versions and replaced in
    one commit; control totals must agree, or nothing is published.

    **When**: when any silver dataset rings, and at every sweep.

    **When it fails**: the table stays as it was and the model stops in order, with an incident. Mend the model's
    SQL; the next run goes on from there.
    """
    owner, doc = _owner(domain), _doc(gold, domain)
    bells = [zone_asset(dataset, Zone.SILVER) for dataset in _model_inputs(domain)]
    return _stage_dag(f"{domain}_gold", (domain, "gold"), bells, policy(domain, "gold", owner, doc))


def load(domain: str) -> DAG:
    """Carry silver and gold tables into the warehouses, full or incremental as each declares.

    **What**: the net change since the last load is staged by bulk copy and applied in one transaction together with
    the load token, so that a load happens once or not at all.

    **When**: when any of the tables rings, and at every sweep.

    **When it fails**: the warehouse is unchanged; connection errors are retried with backoff. A missing table or token
    means that `watershed apply` was not run after a change of contracts.
    """
    owner, doc = _owner(domain), _doc(load, domain)
    tables = {dataset: None for dataset, _ in loaded_tables(domain)}
    bells = [zone_asset(dataset, zone_of(dataset)) for dataset in tables]
    return _stage_dag(f"{domain}_load", (domain, "load"), bells, policy(domain, "load", owner, doc))


def master(domain: str) -> DAG:
    """Run the stages of the domain in strict order, on demand: for recovery and backfill.

    **What**: checks settings and ledger, then starts each wanted stage and waits until everything known at its start
    is taken. Parameter `stages` names the stages, all by default.

    **When**: only when somebody triggers it.

    **When it fails**: the error names the parked batches or the setting at fault; stages before it are complete.
    """
    arguments = policy(domain, "master", _owner(domain), _doc(master, domain))
    stages = Param(list(STAGES), type="array", description=f"Which stages to run: {', '.join(STAGES)}.")

    @dag(dag_id=f"{domain}_master", schedule=None, params={"stages": stages}, **arguments)
    def build() -> None:
        checked = _check(domain)
        chain(checked, *(_stage_group(domain, stage) for stage in STAGES))

    return build()


def upkeep(dag_id: str, cron: str, what: str) -> DAG:
    """Make a DAG that does one kind of upkeep on schedule.

    **What**: `compact` joins small files of the lake's tables, `retain` removes what no reader needs any more.

    **When**: on its schedule, beside running hops.

    **When it fails**: nothing is lost; the next run does the rest.
    """
    arguments = policy("platform", "upkeep", "data-platform", _doc(upkeep, dag_id))

    @dag(dag_id=dag_id, schedule=cron, **arguments)
    def build() -> None:
        @task(task_id=what)
        def keep() -> dict[str, int]:
            from common.pipelines import upkeep as work

            return {done.where: done.removed for done in getattr(work, what)()}

        keep()

    return build()


def _stage_dag(dag_id: str, what: tuple[str, str], bells: Sequence[Asset], arguments: dict[str, Any]) -> DAG:
    """Make a DAG that first asks the ledger which of its hops are due, so that the others cost nothing."""
    domain, stage = what

    @dag(dag_id=dag_id, schedule=doorbell(bells), **arguments)
    def build() -> None:
        @task.branch(task_id="look")
        def look() -> list[str]:
            from common.pipelines.work import due_tasks

            return due_tasks(domain, stage)

        looked = look()
        for hop in hops(domain, stage):
            looked >> hop_task(hop)()

    return build()


def _check(domain: str) -> Any:
    @task(task_id="check")
    def check(params: dict[str, Any] | None = None) -> dict[str, object]:
        from common.pipelines.work import check_configuration

        return check_configuration(domain, (params or {})["stages"])

    return check()


def _stage_group(domain: str, stage: str) -> Any:
    """Make the tasks of one stage of the master: mark what is known, start its DAGs, wait until that is taken."""
    from airflow.sdk import task_group

    @task_group(group_id=stage)
    def group() -> None:
        @task.short_circuit(task_id="wanted", ignore_downstream_trigger_rules=False, trigger_rule="none_failed")
        def wanted(ti: Any = None) -> bool:
            return stage in ti.xcom_pull(task_ids="check")["stages"]

        @task(task_id="mark")
        def mark() -> int:
            from common.pipelines.work import mark as newest

            return newest(domain, stage)

        @task.sensor(task_id="drained", mode="reschedule", poke_interval=5, timeout=6 * 3600)
        def drained(upto: int) -> PokeReturnValue:
            from common.pipelines.work import drained as is_drained

            return PokeReturnValue(is_done=is_drained(domain, stage, upto))

        known = mark()
        starts = [
            TriggerDagRunOperator(
                task_id=f"start_{dag_id}",
                trigger_dag_id=dag_id,
                conf={"master": "{{ ti.xcom_pull(task_ids='check') }}"},
            )
            for dag_id in _stage_dags(domain, stage)
        ]
        chain(wanted(), known, starts, drained(known))  # type: ignore[arg-type]

    return group()


def _stage_dags(domain: str, stage: str) -> list[str]:
    match stage:
        case "bronze":
            return [f"{domain}_raw_to_bronze"]
        case "silver":
            return [f"{domain}_{dataset.name}_to_silver" for dataset in datasets(domain)]
        case _:
            return [f"{domain}_{stage}"]


def _model_inputs(domain: str) -> list[Dataset]:
    return sorted({dataset for model in models(domain).values() for dataset in model.inputs})


def _owner(domain: str) -> str:
    """Give the owner that most contracts of the domain name."""
    owners = [contract_of(dataset).owner for dataset in datasets(domain)]
    return max(sorted(set(owners)), key=owners.count)


def _doc(function: Any, about: str) -> str:
    import inspect

    return f"# {about}\n\n{inspect.getdoc(function)}"


def domain_dags(domain: str) -> list[DAG]:
    """Make every DAG that a domain's contracts and models call for."""
    found = [raw_to_bronze(domain), *(to_silver(dataset) for dataset in datasets(domain))]
    if gold_tables(domain):
        found.append(gold(domain))
    if loaded_tables(domain):
        found.append(load(domain))
    return [*found, master(domain)]
