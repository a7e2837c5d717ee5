"""The public home of the callbacks that DAGs of any team can use."""

from collections.abc import Mapping
from typing import Any


def task_failure_alert(context: Mapping[str, Any]) -> None:
    """Alert about a failed task or DAG run: use it as `on_failure_callback` of tasks and of DAGs.

    Set both: a task killed on its last try calls only the DAG's. A failure gives one message, however often it is
    tried, until it is over.
    """
    from common.notify.alerts import alert_failure  # loaded when something fails, not when a DAG is parsed

    alert_failure(context)


def task_recovered(context: Mapping[str, Any]) -> None:
    """Tell that a task does its work again: use it as `on_success_callback` and `on_skipped_callback` of tasks."""
    from common.notify.alerts import labelled, recovered

    recovered(context["dag_run"].dag_id, labelled(context["task_instance"]))


def run_overdue_alert(context: Mapping[str, Any]) -> None:
    """Alert about a run that has missed its deadline: use it in a `SyncCallback` of a `DeadlineAlert`.

    `context` is what Airflow hands to such callbacks: `dag_run` and `deadline` as plain mappings.
    """
    from common.notify.alerts import overdue

    run, due = context["dag_run"], str(context["deadline"]["deadline_time"])[:19].replace("T", " ")
    if run.get("state") not in ("success", "failed"):  # Airflow keeps the deadline of a run that has failed
        overdue(run["dag_id"], run["dag_run_id"], f"The run should have been done by {due} UTC.")
