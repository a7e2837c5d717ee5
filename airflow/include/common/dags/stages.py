"""The DAGs of a domain, made from its contracts and models; a domain's DAG file calls `domain_dags`."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    Param,
    PokeReturnValue,
    chain,
    dag,
    get_parsing_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from common.contracts.catalogue import contract_of, contracts
from common.contracts.sources import SourceSpec
from common.core.nouns import Consumer
from common.core.settings import settings
from common.dags.assets import bells, doorbell, landing_asset
from common.dags.hops import HANDED_OVER, hop_task, stage_tasks, study_params, study_tasks
from common.dags.policy import policy, start_run
from common.pipelines.kinds import KINDS, consumers, dag_id, stages_of

STUDIES_EVERY = "*/30 * * * *"  # what delivers looks so often, whatever rings
LOOK_EVERY, LOOK_FOR = 15, 3600  # seconds: how often a sensor looks at raw, and how long a run of it waits


def domain_dags(domain: str) -> list[DAG]:
    """Make every DAG that a domain's contracts and models call for, its sweep (where there are any) and its master.

    Those with a fault have none, and hold up no other: `dags/upkeep/contracts.py` shows what is wrong with them.
    """
    found: dict[str, list[Consumer]] = {}
    for consumer in consumers(domain):
        found.setdefault(dag_id(consumer), []).append(consumer)
    makers: dict[str, Callable[[], DAG]] = {name: partial(hops_dag, those) for name, those in found.items()}
    if settings().senses_raw:
        makers[f"{domain}_raw_sensor"] = partial(raw_sensor, domain)
    if settings().sweeps:
        makers[f"{domain}_sweep"] = partial(sweep, domain)
    makers[f"{domain}_master"] = partial(master, domain)
    asked = get_parsing_context().dag_id  # of the process of a task, which needs no other
    return [make() for name, make in makers.items() if asked in (None, name)]


def hops_dag(those: list[Consumer]) -> DAG:
    """Make the DAG of a consumer that is alone, or of all consumers of a stage."""
    kind, first = KINDS[those[0].kind], those[0]
    domain, alone, studies = first.dataset.domain, "{name}" in kind.dag, {consumer.part for consumer in those} - {""}
    doc = f"# {first.dataset if alone else domain}\n\n{kind.doc}{_about_source(those)}"
    owner = contract_of(first.dataset).owner if alone else _owner(domain)
    arguments = policy(domain, kind.stage, owner, doc)
    if studies:  # each may hold up a run of its own, and one more is for the others
        arguments |= dict.fromkeys(("max_active_runs", "max_active_tasks"), len(studies) + 1)
        arguments["params"] = study_params(those)

    @dag(dag_id=dag_id(first), schedule=_schedule(those), **arguments)
    def build() -> None:
        if alone:
            hop_task(first)
        elif studies:
            study_tasks(domain, kind.stage, those)
        else:
            stage_tasks(domain, kind.stage, those)

    return build()


def _source(those: list[Consumer]) -> SourceSpec | None:
    """Return the source that a consumer fetches from."""
    return contract_of(those[0].dataset).source if KINDS[those[0].kind].look else None


def _about_source(those: list[Consumer]) -> str:
    source = _source(those)
    if source is None:
        return ""
    what = f"{source.kind} `{source.what}` by Airflow Connection `{source.conn}`"
    return f"\n\n**Source**: {what}, at `{source.schedule}` ({source.zone})."


def _schedule(those: list[Consumer]) -> Any:
    """Return what wakes some consumers: the cron of the source that one fetches from, or else their inputs.

    What is done study by study is woken every so often, too.
    """
    source = _source(those)
    if source:
        # Else a new DAG runs at once if the last tick is less than a tenth of the interval ago: by the hour of day.
        return CronTriggerTimetable(source.schedule, timezone=source.zone, run_immediately=timedelta())
    rings = doorbell(bells(those))
    if not (those[0].part and settings().sweeps):
        return rings
    # The sweep leaves alone a DAG that has a run, and here one may be at work on another study alone.
    timed = CronTriggerTimetable(STUDIES_EVERY, timezone="UTC")
    return AssetOrTimeSchedule(timetable=timed, assets=rings) if rings else timed


def sweep(domain: str) -> DAG:
    """Start the DAGs of the domain that have something to do although nobody rang.

    **What**: looks at the list of the raw prefix and at the ledger, and starts each DAG that has a batch to take, a hop
    to finish or an event to give. One that has a run already, waiting or at work, is not started again.

    **When**: by the cron schedule in `WATERSHED_SWEEP_CRON`, so lost events, killed workers and outages cost the time
    until the next sweep and nothing else. `off` there leaves this DAG out.

    **When it fails**: nothing is lost; bells go on waking the DAGs, and the next sweep looks again.
    """
    schedule = CronTriggerTimetable(settings().sweep_cron, timezone="UTC")

    @dag(dag_id=f"{domain}_sweep", schedule=schedule, **policy(domain, "sweep", _owner(domain), _doc(sweep, domain)))
    def build() -> None:
        @task(task_id="start_what_is_due")
        def start_what_is_due(ti: Any = None) -> list[str]:
            from common.pipelines.work import due_of

            due = dict.fromkeys(map(dag_id, due_of(domain)))
            idle = [name for name in due if not ti.get_dr_count(dag_id=name, states=["queued", "running"])]
            for name in idle:
                start_run(name, f"sweep__{ti.run_id.partition('__')[2]}")
            return idle

        start_what_is_due()

    return build()


def raw_sensor(domain: str) -> DAG:
    """Ring when files lie in raw, where the store tells nobody of them.

    **What**: waits in the triggerer, without a worker's slot, for an object below the raw prefix; then records what
    lies there and, where any of it is new, rings the domain's raw asset, which wakes `raw_to_bronze`.

    **When**: always; a run begins when the one before has ended. `WATERSHED_BELLS=sensor` makes this DAG.

    **When it fails**: nothing is lost; the sweep takes what lies in raw, and the next run looks again.
    """
    from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor
    from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync

    arguments = policy(domain, "bronze", _owner(domain), _doc(raw_sensor, domain))
    raw = landing_asset(domain)
    bucket, _, prefix = raw.uri.removeprefix("s3://").partition("/")

    @dag(dag_id=f"{domain}_raw_sensor", schedule="@continuous", **arguments)
    def build() -> None:
        waited = S3KeySensor(
            task_id="wait_for_files",
            bucket_name=bucket,
            bucket_key=f"{prefix}/*" if prefix else "*",
            wildcard_match=True,
            aws_conn_id="aws_default",
            deferrable=True,
            poke_interval=LOOK_EVERY,
            timeout=LOOK_FOR,
            soft_fail=True,  # nothing came: the next run waits on
        )

        @task(task_id="ring", outlets=[raw])
        def ring() -> None:
            from common.pipelines.work import due_of

            if not due_of(domain, "bronze"):
                raise AirflowSkipException(
                    f"What lies below {raw.uri} is recorded, and waits for a contract or a person."
                )

        # What lies there is taken within seconds, or waits for somebody: it is not looked at again at once.
        later = f"{{{{ macros.datetime.utcnow() + macros.timedelta(seconds={LOOK_EVERY}) }}}}"
        rest = DateTimeSensorAsync(task_id="rest", target_time=later, trigger_rule="none_failed")
        waited >> ring() >> rest

    return build()


def master(domain: str) -> DAG:
    """Run the stages of the domain in strict order, on demand: for recovery and backfill.

    **What**: checks settings and ledger, then starts each wanted stage and waits until everything known at its start
    is taken. Parameter `stages` names the stages, all by default.

    **When**: only when somebody triggers it.

    **When it fails**: the error names the parked batches or the setting at fault; stages before it are complete.
    """
    arguments = policy(domain, "master", _owner(domain), _doc(master, domain))
    known = stages_of(domain)
    wanted = Param(known, type="array", description=f"Which stages to run: {', '.join(known)}.")

    @dag(dag_id=f"{domain}_master", schedule=None, params={"stages": wanted}, **arguments)
    def build() -> None:
        checked = _check(domain)
        chain(checked, *(_stage_group(domain, stage) for stage in known))

    return build()


def upkeep(name: str, cron: str, what: str) -> DAG:
    """Make a DAG that does one kind of upkeep on schedule.

    **What**: `compact` joins small files of the lake's tables, `retain` removes what no reader needs any more.

    **When**: on its schedule, beside running hops.

    **When it fails**: nothing is lost; the next run does the rest.
    """
    arguments = policy("platform", "upkeep", "data-platform", _doc(upkeep, name))

    @dag(dag_id=name, schedule=cron, **arguments)
    def build() -> None:
        @task(task_id=what)
        def keep() -> dict[str, int]:
            from common.upkeep import retain as work

            return {done.where: done.removed for done in getattr(work, what)()}

        keep()

    return build()


def watch() -> DAG:
    """Tell people what did not happen, and what nobody could be told of before.

    **What**: finds work that waits too long, data that is later than its contract promises, silent sources, partitions
    that stay incomplete, sweeps and queues that stand still; sends the messages that are due; closes what is over.

    **When**: by the cron schedule in `WATERSHED_WATCH_CRON`.

    **When it fails**: the next run does the same. `watershed status --check` says from outside that it is silent, and
    `WATERSHED_HEARTBEAT_URL`, where it is set, is not asked any more.
    """
    arguments = policy("platform", "upkeep", "data-platform", _doc(watch, "watershed_watch"))
    schedule = CronTriggerTimetable(settings().watch_cron, timezone="UTC")

    @dag(dag_id="watershed_watch", schedule=schedule, **arguments)
    def build() -> None:
        @task(task_id="watch")
        def look(ti: Any = None) -> dict[str, int]:
            from common.upkeep.watch import watch as look_once

            return look_once(_Runs(ti))

        look()

    return build()


class _Runs:
    """What Airflow tells a task about runs."""

    def __init__(self, ti: Any) -> None:
        self.ti = ti

    def ended(self, dag_id: str, run_id: str) -> bool:
        """Return whether a run has ended."""
        return self.ti.get_dagrun_state(dag_id, run_id) in ("success", "failed")

    def successes(self, dag_id: str) -> int:
        """Count the runs of a DAG that succeeded."""
        return int(self.ti.get_dr_count(dag_id=dag_id, states=["success"]))


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

        @task(task_id="start")
        def start(names: list[str], ti: Any = None) -> None:
            for name in names:
                start_run(name, f"master__{ti.run_id}__{ti.try_number}", {HANDED_OVER: ti.xcom_pull(task_ids="check")})

        known = mark()
        started = start(list(dict.fromkeys(map(dag_id, consumers(domain, stage)))))
        chain(wanted(), known, started, drained(known))  # type: ignore[arg-type]

    return group()


def _owner(domain: str) -> str:
    """Return the owner that most contracts of the domain name."""
    owners = [contract.owner for contract in contracts(domain).values()]
    return max(sorted(set(owners)), key=owners.count, default="data-platform")


def _doc(function: Any, about: str) -> str:
    import inspect

    return f"# {about}\n\n{inspect.getdoc(function)}"
