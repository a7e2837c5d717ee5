"""The tasks that do hops and ring their assets: one for a consumer that is alone in its DAG, two for all of a stage."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from common.core.nouns import Consumer
from common.dags.assets import output_asset
from common.utils import task_recovered

HANDED_OVER = "master"  # the key under which a run's configuration has what its master checked
RINGS = "rings"  # the key under which a task's context has what it rang
TOGETHER = """Does the hops of those consumers that have little to do, one after the other, and rings their assets: a
process for each would cost more than its hop, and who waits for several of them is woken once. The others are handed on
to `apart`, and so is one that fails here. Its log has a line for each hop, `watershed hops` all of them."""
APART = """Does the hops of one consumer that has more to do, that failed beside the others or that somebody has left
open: each in a process of its own, at the same time. Skipped where there is none."""


def hop_task(consumer: Consumer) -> None:
    """Make the task of a consumer that is alone: it does its hops, then rings its asset, or is skipped."""
    asset = output_asset(consumer)
    doc = f"Works for consumer `{consumer.name}`; rings `{asset.name}`."

    @task(task_id=consumer.dataset.name, outlets=[asset], on_success_callback=AT_ITS_END, doc_md=doc)
    def hop() -> Any:
        return _work(consumer)

    hop()


def stage_tasks(domain: str, stage: str, those: Sequence[Consumer]) -> None:
    """Make the two tasks of a stage: the small hops together in one process, each other one in a process of its own."""
    known, assets = {consumer.name: consumer for consumer in those}, [output_asset(consumer) for consumer in those]

    @task(task_id="together", outlets=assets, on_success_callback=AT_ITS_END, doc_md=TOGETHER)
    def together() -> list[str]:
        from common.notify.alerts import recovered
        from common.pipelines.together import work_together

        context = get_current_context()
        _validate(context, those)
        ti = context["ti"]
        done = work_together(domain, stage, _owner(ti), ti.run_id)
        _ring(context, {known[ring.consumer]: ring for ring in done.rings})
        recovered(ti.dag_id, *(f"apart[{name}]" for name in done.done))
        return done.apart

    @task(
        task_id="apart",
        outlets=assets,
        on_success_callback=AT_ITS_END,
        map_index_template="{{ consumer }}",
        doc_md=APART,
    )
    def apart(name: str) -> Any:
        get_current_context()["consumer"] = name  # type: ignore[typeddict-unknown-key]
        return _work(known[name])

    apart.expand(name=together())


def _work(consumer: Consumer) -> Any:
    """Do the hops of one consumer and ring; raises AirflowSkipException where there was nothing to do."""
    from common.pipelines.work import work

    context = get_current_context()
    _validate(context, [consumer])
    ti = context["ti"]
    done, ring = work(consumer, f"{_owner(ti)}/{consumer.name}", ti.run_id)
    if ring is None:
        nothing = done.why or "there was nothing to take"
        why = f"{done.leased_by} is at work on it" if done.leased_by else nothing
        raise AirflowSkipException(f"{consumer.name}: {why}.")
    _ring(context, {consumer: ring})
    return ring.extra


def _owner(ti: Any) -> str:
    """Return who works: a run has one task at a time for a consumer, so a retry takes over at once."""
    return f"{ti.dag_id}/{ti.run_id}"


def _ring(context: Any, rings: Mapping[Consumer, Any]) -> None:
    """Have Airflow store an event of each asset that has something new, and of no other that the task may ring."""
    assets = {output_asset(consumer): ring for consumer, ring in rings.items()}
    context["task"].outlets = list(assets)
    for asset, ring in assets.items():
        context["outlet_events"][asset].extra = ring.extra
    context[RINGS] = list(rings.values())


def _are_stored(context: Any) -> None:
    from common.pipelines.work import rung

    for ring in context.get(RINGS, ()):
        rung(ring.consumer, list(ring.hops))


AT_ITS_END = [_are_stored, task_recovered]


def _validate(context: Any, consumers: Sequence[Consumer]) -> None:
    """Compare what the master checked, where one started this run, with what this worker has; raises ConfigError."""
    from common.pipelines.work import require_same

    if checked := (context["dag_run"].conf or {}).get(HANDED_OVER):
        require_same(checked, consumers)
