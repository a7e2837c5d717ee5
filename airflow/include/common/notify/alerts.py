"""What the platform alerts about: failed tasks and runs, each once, and the ledger's incidents."""

from collections.abc import Mapping
from typing import Any

from common.core.errors import WatershedError
from common.ledger.database import transaction
from common.ledger.incidents import (
    LEDGER_AHEAD,
    PARKED,
    STOPPED,
    SUPERSEDED,
    announced_before,
    mark_announced,
    unannounced,
)
from common.notify.deliver import deliver
from common.notify.message import Message
from common.observe.log import logger

log = logger(__name__)
ADVICE = {
    PARKED: "`watershed parked show {batch}`, then release or refuse it; its neighbours have arrived",
    STOPPED: "mend the model, its contract or the warehouse; the next run goes on from there, nothing was published",
    SUPERSEDED: "nothing: the newer version of the file is a batch of its own",
    LEDGER_AHEAD: "restore the target, or see 'The ledger is lost, or old' in docs/operations.md",
}


def failure_message(context: Mapping[str, Any]) -> Message:
    """Return what failed, from the context of a task callback or of a DAG callback (which has no task)."""
    task, run = context.get("task_instance"), context["dag_run"]
    facts = [("DAG", run.dag_id)]
    if task:
        facts.append(("Task", task.task_id))
    facts.append(("Run", run.run_id))
    if task:
        facts.append(("Try", str(task.try_number)))
    error = context.get("exception") or context.get("reason") or "no exception was handed over"
    name = f"{run.dag_id}.{task.task_id}" if task else run.dag_id
    return Message(
        title=f"Failed: {name}",
        facts=tuple(facts),
        error=f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error),
        link=getattr(task, "log_url", "") or "",
    )


def alert_failure(context: Mapping[str, Any]) -> None:
    """Send one message for a failure, whoever reports it first: the task, or the DAG when the task was killed.

    Never raises. Where the ledger cannot say whether it was sent already, it is sent.
    """
    try:
        message, task, run = failure_message(context), context.get("task_instance"), context["dag_run"]
        about = f"{task.task_id}/{task.try_number}" if task else ""
        if _already_sent(run.dag_id, run.run_id, about):
            return
        deliver(message)
    except Exception:
        log.exception("alert could not be made")


def _already_sent(dag_id: str, run_id: str, task: str) -> bool:
    try:
        with transaction() as connection:
            return announced_before(connection, dag_id, run_id, task)
    except WatershedError:
        return False


def announce_incidents(consumer: str) -> None:
    """Tell of the incidents of a consumer that nobody was told of; those not delivered stay for the next run."""
    with transaction() as connection:
        waiting = unannounced(connection, consumer)
    delivered = [
        item.id
        for item in waiting
        if deliver(
            Message(
                title=f"Incident: {item.kind} in {item.consumer}",
                facts=(
                    ("Consumer", item.consumer),
                    ("Batch", item.batch or "-"),
                    ("What to do", ADVICE.get(item.kind, "`watershed status`").format(batch=item.batch)),
                ),
                error=item.detail,
            )
        )
    ]
    with transaction() as connection:
        mark_announced(connection, delivered)
