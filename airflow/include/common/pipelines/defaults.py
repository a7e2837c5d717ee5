"""What every DAG of the platform has in common: policies of failure, and the task that does a hop."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, ExceptionRetryPolicy, RetryAction, RetryRule, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from common.core.targets import target
from common.pipelines.domain import Hop
from common.utils import task_failure_alert
from common.zones.assets import zone_asset

TERMINAL = RetryRule(
    exception="common.core.errors.TerminalError", action=RetryAction.FAIL, reason="a retry cannot help"
)


def defaults(owner: str) -> dict[str, Any]:
    """Give the default arguments of tasks: transient errors are retried with backoff, terminal ones fail at once."""
    return {
        "owner": owner,
        "retries": 4,
        "retry_delay": timedelta(seconds=3),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=2),
        "retry_policy": ExceptionRetryPolicy(rules=[TERMINAL]),
        "on_failure_callback": task_failure_alert,
        "execution_timeout": timedelta(hours=2),
    }


def policy(domain: str, stage: str, owner: str, doc: str) -> dict[str, Any]:
    """Give the arguments of a DAG of a domain: one run at a time, because its consumers work in order."""
    return {
        "default_args": defaults(owner),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["watershed", domain, stage],
        "on_failure_callback": task_failure_alert,
        "doc_md": doc,
        "render_template_as_native_obj": True,
    }


def output_asset(hop: Hop) -> Asset:
    """Give the asset that a hop writes: a dataset in a zone, or a warehouse table."""
    if hop.stage != "load":
        return zone_asset(hop.dataset, hop.zone)
    return Asset(name=hop.consumer, uri=f"{target(hop.to).uri}/{hop.table.replace('.', '/')}", group=hop.to)


def hop_task(hop: Hop) -> Callable[[], Any]:
    """Make the task of one hop: it drains its consumer, then rings its one asset, or is skipped."""

    def ring_is_stored(context: Any) -> None:
        from common.pipelines.work import rung

        told = context["ti"].xcom_pull(task_ids=context["ti"].task_id)
        rung(told["consumer"], told["hops"])

    @task(
        task_id=hop.task_id,
        outlets=[output_asset(hop)],
        on_success_callback=ring_is_stored,
        trigger_rule="none_failed",
        doc_md=f"Works for consumer `{hop.consumer}`; rings `{output_asset(hop).name}`.",
    )
    def work_hop() -> Any:
        from common.pipelines.work import work

        context = get_current_context()
        ti = context["ti"]
        done, ring = work(hop, f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{ti.map_index}", ti.run_id)
        if ring is None:
            why = f"{done.leased_by} is at work on it" if done.leased_by else "there was nothing to take"
            raise AirflowSkipException(f"{hop.consumer}: {why}.")
        context["outlet_events"][output_asset(hop)].extra = ring.extra
        return ring.extra

    return work_hop
