"""What there is to say of a run of anybody's DAG, from what Airflow hands to a callback."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.core.masks import said
from common.notify.message import Message, Severity, State

Facts = tuple[tuple[str, str], ...]


def message_of(context: Mapping[str, Any], base_url: str = "") -> Message:
    """Return what a callback's context says: of a deadline that was missed, of a failure, or of a success.

    A task's callback has the task and its exception. A DAG's has a reason, and maybe the task that was last. That of a
    deadline has JSON values alone.
    """
    if "deadline" in context:
        return _late(context, base_url)
    if "reason" in context and not context.get("exception"):
        return _of_dag(context, base_url)
    return _of_task(context)


def _late(context: Mapping[str, Any], base_url: str) -> Message:
    run = context["dag_run"]
    dag_id, run_id = run["dag_id"], run.get("dag_run_id") or run.get("run_id") or ""
    return Message(
        title=f"Late: {dag_id}",
        severity=Severity.WARNING,
        facts=_facts({"DAG": dag_id, "Run": run_id, "State": run.get("state"), "Due": _due(context)}),
        link=_run_link(base_url, dag_id, run_id),
        key=f"late/{dag_id}/{run_id}",
    )


def _of_dag(context: Mapping[str, Any], base_url: str) -> Message:
    dag_id, run_id = _dag_id(context), _run_id(context)
    link, facts = _run_link(base_url, dag_id, run_id), _facts({"DAG": dag_id, "Run": run_id})
    reason = str(context["reason"] or "")
    if reason == "success":
        return Message(f"Done: {dag_id}", State.REPORT, Severity.INFO, facts, link=link)
    return Message(f"Failed: {dag_id}", facts=facts, error=said(reason), link=link, key=f"failed/{dag_id}/{run_id}")


def _of_task(context: Mapping[str, Any]) -> Message:
    task = context.get("task_instance") or context.get("ti")
    dag_id, run_id = _dag_id(context), _run_id(context)
    name = f"{dag_id}.{task.task_id}" if task else dag_id
    index = getattr(task, "map_index", None)
    mapped = str(index) if isinstance(index, int) and index >= 0 else ""
    values = {"DAG": dag_id, "Task": getattr(task, "task_id", ""), "Map index": mapped, "Run": run_id}
    values["Try"] = _try(task)
    link, error = getattr(task, "log_url", "") or "", context.get("exception")
    if error is None:
        return Message(f"Done: {name}", State.REPORT, Severity.INFO, _facts(values), link=link)
    return Message(
        title=f"Failed: {name}",
        facts=_facts(values),
        error=said(error),
        link=link,
        key="/".join(filter(None, ("failed", name, run_id, mapped))),
    )


def _due(context: Mapping[str, Any]) -> str:
    """Return the moment of a deadline, which the triggerer has as a moment and a worker as text."""
    due = context["deadline"].get("deadline_time")
    try:
        moment = due if isinstance(due, datetime) else datetime.fromisoformat(str(due))
    except ValueError:
        return str(due or "")
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}".strip()


def _try(task: Any) -> str:
    """Return which try of how many it was: what is tried again has not failed for good."""
    number, most = getattr(task, "try_number", None), getattr(task, "max_tries", None)
    if number is None:
        return ""
    return f"{number} of {most + 1}" if isinstance(most, int) and most + 1 >= number else str(number)


def _dag_id(context: Mapping[str, Any]) -> str:
    for holder in (context.get("dag_run"), context.get("dag"), context.get("task_instance")):
        if dag_id := getattr(holder, "dag_id", ""):
            return str(dag_id)
    return ""


def _run_id(context: Mapping[str, Any]) -> str:
    return str(context.get("run_id") or getattr(context.get("dag_run"), "run_id", ""))


def _facts(values: Mapping[str, Any]) -> Facts:
    return tuple((name, str(value)) for name, value in values.items() if value not in (None, ""))


def _run_link(base_url: str, dag_id: str, run_id: str) -> str:
    from urllib.parse import quote

    return f"{base_url.rstrip('/')}/dags/{dag_id}/runs/{quote(run_id)}" if base_url and run_id else ""
