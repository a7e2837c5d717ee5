"""What every DAG of the platform has in common: policies of failure, and how one run starts another."""

import faulthandler
import signal
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowException

from common.core.settings import settings
from common.utils import run_overdue_alert, task_failure_alert, task_recovered

TERMINAL = RetryRule(
    exception="common.core.errors.TerminalError", action=RetryAction.FAIL, reason="a retry cannot help"
)


def defaults(owner: str) -> dict[str, Any]:
    """Return the default arguments of tasks: transient errors are retried with backoff, terminal ones fail at once."""
    return {
        "owner": owner,
        "retries": 4,
        "retry_delay": timedelta(seconds=3),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=2),
        "retry_policy": ExceptionRetryPolicy(rules=[TERMINAL]),
        "on_execute_callback": end_on_crash,
        "on_failure_callback": task_failure_alert,
        "on_success_callback": task_recovered,
        "on_skipped_callback": task_recovered,
        "execution_timeout": timedelta(hours=2),
    }


def end_on_crash(_context: Mapping[str, Any]) -> None:
    """Let a process whose native code crashes end at once, and its log say where.

    Reading a DAG file leaves a handler of SIGSEGV of Airflow's in the process that goes on to do the task. No handler
    in Python can end a crash: the instruction would be repeated until the task's timeout, while its heartbeats go on.
    """
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    faulthandler.enable(file=2)  # what the task writes there goes to its log


def policy(domain: str, stage: str, owner: str, doc: str) -> dict[str, Any]:
    """Return the arguments of a DAG of a domain: one run at a time, because its consumers work in order."""
    return {
        "default_args": defaults(owner),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["watershed", domain, stage],
        "on_failure_callback": task_failure_alert,
        "deadline": DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(minutes=settings().run_deadline_minutes),
            callback=SyncCallback(run_overdue_alert),
        ),
        "doc_md": doc,
        "render_template_as_native_obj": True,
    }


def start_run(dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> None:
    """Start a run of a DAG from inside a task, once for each id.

    It sends what TriggerDagRunOperator has sent for it. That operator takes a task and a process for each DAG, shows
    tasks as skipped where there is nothing to start, and puts a node of its own into the graph of assets. Raises
    AirflowException where Airflow refuses.
    """
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer = SUPERVISOR_COMMS.send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf))
    if isinstance(answer, ErrorResponse) and answer.error is not ErrorType.DAGRUN_ALREADY_EXISTS:
        raise AirflowException(f"{dag_id} could not be started: {answer.error} {answer.detail}.")
