"""Failures of tasks and DAG runs as incidents: opened by their callbacks, over when the task does its work again."""

from collections.abc import Mapping
from typing import Any

from common.core.errors import WatershedError
from common.core.masks import said, without_values
from common.ledger.database import transaction
from common.ledger.incidents import (
    CHANGED,
    FAILED,
    OVERDUE,
    Incident,
    change_incident,
    close_incidents,
    open_incident,
    open_of,
    remember_failure,
    task_reported,
    told_elsewhere,
)
from common.ledger.outbox import hold, members, say_again
from common.notify.direct import Unwritten, tell_without_ledger
from common.notify.kinds import cause_of
from common.notify.outbox import tell
from common.observe.log import logger

log = logger(__name__)


def alert_failure(context: Mapping[str, Any]) -> None:
    """Open an incident for a failure, whoever reports it first: the task, or the DAG when the task was killed.

    Never raises. One that an open incident tells of already opens none. Where the ledger cannot be written, people are
    told without it.
    """
    try:
        name, detail, facts = what_failed(context)
    except Exception:
        log.exception("alert could not be made")
        return
    try:
        _open(name, detail, facts, context.get("exception"))
    except WatershedError as error:
        log.warning("the ledger cannot be written; people are told without it", error=str(error))
        tell_without_ledger(FAILED, name, detail, facts)
    except Exception:
        log.exception("alert could not be made")
    else:
        tell()


def what_failed(context: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Return the name of what failed, why, and the facts, from the context of a task's callback or of a DAG's.

    A DAG's has a reason and no exception; the task that it names is the last, and need not be the one that failed.
    """
    run, error = context["dag_run"], context.get("exception") or context.get("reason") or "no exception was handed over"
    task = None if "reason" in context and not context.get("exception") else context.get("task_instance")
    facts = {"DAG": run.dag_id} | ({"Task": labelled(task)} if task else {}) | {"Run": run.run_id}
    if task:
        facts |= {"Try": str(task.try_number), "link": getattr(task, "log_url", "") or ""}
    facts |= _whose(context)
    name = f"{run.dag_id}.{labelled(task)}" if task else run.dag_id
    return name, said(error), facts


def labelled(task: Any) -> str:
    """Return the id of a task; of a mapped one that names what it does (`map_index_template`) with that name."""
    label = getattr(task, "rendered_map_index", None)
    return f"{task.task_id}[{label}]" if label else str(task.task_id)


def _whose(context: Mapping[str, Any]) -> dict[str, str]:
    """Return the owner that the task names and the domain that the DAG's tags name, where there are any."""
    from common.contracts.catalogue import domains

    owner = getattr(context.get("task"), "owner", "") or ""
    tags = set(getattr(context.get("dag"), "tags", None) or ())
    domain = next((name for name in domains() if name in tags), "")
    return {name: value for name, value in (("owner", owner), ("domain", domain)) if value}


def _open(name: str, detail: str, facts: dict[str, str], error: object) -> None:
    with transaction() as connection:
        if "Task" not in facts:
            if task_reported(connection, facts["DAG"], facts["Run"]):
                return
        elif _told(connection, error):
            remember_failure(connection, name, detail, facts)
            return
        hold(connection)
        before = next((row for row in open_of(connection, [FAILED], name) if row.consumer == name), None)
        cause = cause_of(Unwritten(FAILED, name, detail, facts))
        if before is not None and cause_of(before) != cause:
            if before.episode is None or len(members(connection, before.episode, still_open=True)) == 1:
                change_incident(connection, Incident(FAILED, name), detail=detail, facts=facts, cause=cause)
                say_again(connection, before.episode)
            else:  # it was one of several for a reason that is not its own any more
                close_incidents(connection, FAILED, name, resolution=CHANGED)
        open_incident(connection, FAILED, name, detail, facts=facts)


def _told(connection: Any, error: object) -> bool:
    if not isinstance(error, Exception):
        return False
    known = isinstance(error, WatershedError)
    unknown = "" if known else f"{type(error).__module__}.{type(error).__name__}: {without_values(error)}"
    return told_elsewhere(connection, str(error), unknown)


def recovered(dag_id: str, *tasks: str) -> None:
    """Close the failures of tasks that have done their work, and tell what is to be told; never raises."""
    try:
        with transaction() as connection:
            for task in tasks:
                close_incidents(connection, FAILED, f"{dag_id}.{task}")
    except WatershedError as error:
        log.warning("the ledger does not know that the task did its work", error=str(error))
        return
    tell()


def overdue(dag_id: str, run_id: str, detail: str) -> None:
    """Open an incident for a run that is not done by its deadline; never raises."""
    facts = {"DAG": dag_id, "Run": run_id}
    try:
        with transaction() as connection:
            open_incident(connection, OVERDUE, dag_id, detail, run_id, facts)
    except WatershedError:
        tell_without_ledger(OVERDUE, dag_id, detail, facts)
    else:
        tell()
