"""What every DAG of the platform has in common: policies of failure, and the task that does a hop."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, get_current_context, task
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from common.core.nouns import Consumer
from common.core.settings import settings
from common.dags.assets import output_asset
from common.utils import run_overdue_alert, task_failure_alert, task_recovered

TERMINAL = RetryRule(
    exception="common.core.errors.TerminalError", action=RetryAction.FAIL, reason="a retry cannot help"
)
HANDED_OVER = "master"  # the key under which a run's configuration has what its master checked


def defaults(owner: str) -> dict[str, Any]:
    """Return the default arguments of tasks: transient errors are retried with backoff, terminal ones fail at once."""
    return {
        "owner": owner,
        "retries": 4,
        "retry_delay": timedelta(seconds=3),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=2),
        "retry_policy": ExceptionRetryPolicy(rules=[TERMINAL]),
        "on_failure_callback": task_failure_alert,
        "on_success_callback": task_recovered,
        "on_skipped_callback": task_recovered,
        "execution_timeout": timedelta(hours=2),
    }


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


def hop_task(consumer: Consumer) -> Callable[[], Any]:
    """Make the task of one consumer: it does its hops, then rings its one asset, or is skipped."""

    def ring_is_stored(context: Any) -> None:
        from common.pipelines.work import rung

        event = context["ti"].xcom_pull(task_ids=context["ti"].task_id)
        rung(event["consumer"], event["hops"])

    @task(
        task_id=consumer.task_id,
        outlets=[output_asset(consumer)],
        on_success_callback=[ring_is_stored, task_recovered],
        trigger_rule="none_failed",
        doc_md=f"Works for consumer `{consumer.name}`; rings `{output_asset(consumer).name}`.",
    )
    def work_hop() -> Any:
        from common.pipelines.work import work

        context = get_current_context()
        validate(context, [consumer])
        ti = context["ti"]
        done, ring = work(consumer, f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}", ti.run_id)
        if ring is None:
            nothing = done.why or "there was nothing to take"
            why = f"{done.leased_by} is at work on it" if done.leased_by else nothing
            raise AirflowSkipException(f"{consumer.name}: {why}.")
        context["outlet_events"][output_asset(consumer)].extra = ring.extra
        return ring.extra

    return work_hop


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


def validate(context: Mapping[str, Any], consumers: list[Consumer]) -> None:
    """Compare what the master checked, where one started this run, with what this worker has; raises ConfigError."""
    from common.pipelines.work import require_same

    if checked := (context["dag_run"].conf or {}).get(HANDED_OVER):
        require_same(checked, consumers)
