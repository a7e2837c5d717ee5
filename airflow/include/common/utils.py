"""The public home of the callback that DAGs of any team can use."""

from collections.abc import Mapping
from typing import Any


def task_failure_alert(context: Mapping[str, Any]) -> None:
    """Alert about a failed task or DAG run: use it as `on_failure_callback` of tasks and of DAGs.

    Set both: a task killed on its last try calls only the DAG's. One failure gives one message.
    """
    from common.notify.alerts import alert_failure  # loaded when something fails, not when a DAG is parsed

    alert_failure(context)
