"""What the tasks of the DAGs do, without Airflow: each a plain function of names."""

from collections.abc import Sequence

from common.core.errors import ConfigError, TerminalError, WatershedError
from common.core.faults import breakable, fault_point
from common.core.settings import settings
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.rings import Ring, due, mark_rung, newest, outstanding, to_ring
from common.notify.alerts import announce_incidents
from common.pipelines.domain import STAGES, Hop, hops
from common.pipelines.hop import Drained, drain
from common.pipelines.look import look
from common.pipelines.steps import step_of


def work(hop: Hop, owner: str, run_id: str) -> tuple[Drained, Ring | None]:
    """Drain one consumer, tell of its incidents, and give what is to be rung."""
    step = step_of(hop)
    try:
        done = drain(step, owner, run_id)
    finally:
        announce_incidents(hop.consumer)
    with breakable(step.consumer.kind, "ring"), transaction() as connection:
        ring = to_ring(connection, hop.consumer)
    return done, ring


def rung(consumer: str, numbers: list[int]) -> None:
    """Remember that the event of these hops is stored."""
    with transaction() as connection:
        kind = lock(connection, consumer).kind
        fault_point(kind, "rung.before")
        mark_rung(connection, consumer, numbers)
    fault_point(kind, "rung.after")


def due_tasks(domain: str, stage: str) -> list[str]:
    """Name the tasks of a stage that have something to do; landing looks at the raw prefix first."""
    if stage == "bronze":
        look(domain)
    known = {hop.consumer: hop.task_id for hop in hops(domain, stage)}
    with transaction() as connection:
        return [known[name] for name in due(connection, known)]


def sweep(domain: str, owner: str, stages: Sequence[str] = STAGES) -> tuple[list[Drained], list[WatershedError]]:
    """Do every due hop of a domain here and now, stage by stage, as Airflow would; one that fails stops no other.

    Nothing is rung: the next run of each DAG rings what it finds published.
    """
    done, failed = [], []
    for stage in check_stages(list(stages)):
        due_here = due_tasks(domain, stage)
        for hop in (hop for hop in hops(domain, stage) if hop.task_id in due_here):
            try:
                done.append(work(hop, owner, owner)[0])
            except WatershedError as error:
                failed.append(error)
    return done, failed


def check_stages(wanted: list[str]) -> list[str]:
    """Give the wanted stages in their order; raises ConfigError for an unknown one or none at all."""
    if unknown := sorted(set(wanted) - set(STAGES)):
        raise ConfigError(f"No stage {', '.join(map(repr, unknown))}. Known: {', '.join(STAGES)}.")
    if not wanted:
        raise ConfigError(f"No stage was asked for. Known: {', '.join(STAGES)}.")
    return [stage for stage in STAGES if stage in wanted]


def check_configuration(domain: str, wanted: list[str]) -> dict[str, object]:
    """Check settings, stages, ledger and consumers before anything is started, and give them for the tasks after.

    Raises ConfigError, NotApplied, TargetUnavailable.
    """
    stages, config = check_stages(wanted), settings()
    with transaction() as connection:
        for stage in stages:
            for hop in hops(domain, stage):
                lock(connection, hop.consumer)
    return {
        "domain": domain,
        "stages": stages,
        "bucket": config.bucket,
        "warehouse_conn": config.warehouse_conn,
        "duckdb_conn": config.duckdb_conn,
        "slack_conn": config.slack_conn,
        "sweep_cron": config.sweep_cron,
    }


def mark(domain: str, stage: str) -> int:
    """Remember what is known at the start of a stage: the newest batch's number."""
    if stage == "bronze":
        look(domain)
    with transaction() as connection:
        return newest(connection)


def drained(domain: str, stage: str, upto: int) -> bool:
    """Tell whether a stage has taken every batch known at its start; raises TerminalError naming parked ones."""
    waiting, parked = 0, []
    with transaction() as connection:
        for hop in hops(domain, stage):
            count, names = outstanding(connection, hop.consumer, upto)
            waiting += count
            parked += [f"{name} of {hop.consumer}" for name in names]
    if parked:
        raise TerminalError(
            f"Stage '{stage}' of {domain} cannot be completed: parked batches {', '.join(parked)}. "
            "See `watershed status` for the reason; mend source or contract."
        )
    return waiting == 0
