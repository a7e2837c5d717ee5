"""The tasks that do hops and ring their assets: one for a consumer that is alone in its DAG, two for all of a stage.

Of a stage that delivers, the second task is mapped over studies.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Param, get_current_context, task
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
CHECK = """Asks the ledger which studies have rows that CDMS has not been given yet; of a run by hand, those that its
parameters name."""
IMPORT = """Delivers every form of one study that is due, one form after the other, in a process of its own: so studies
do not wait for one another. A form that fails holds up no other; the task fails once all of them were tried."""
ALL = "all"  # of a parameter: no choice


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


def study_tasks(domain: str, stage: str, those: Sequence[Consumer]) -> None:
    """Make the two tasks of a stage that delivers: one asks which studies are due, one is mapped over these."""
    known = {consumer.name: consumer for consumer in those}

    @task(task_id="check_for_new_data", doc_md=CHECK)
    def check_for_new_data(params: dict[str, Any] | None = None) -> list[str]:
        from common.pipelines.work import due_of

        return list(dict.fromkeys(consumer.part for consumer in _chosen(due_of(domain, stage), params or {})))

    @task(
        task_id="import_to_veeva",
        outlets=[output_asset(consumer) for consumer in those],
        on_success_callback=AT_ITS_END,
        map_index_template="{{ study }}",
        doc_md=IMPORT,
    )
    def import_to_veeva(study: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        from common.pipelines.together import work_each
        from common.pipelines.work import due_of

        context = get_current_context()
        # A number alone would be rendered as one, and Airflow takes texts only.
        context["study"] = f"study {study}"  # type: ignore[typeddict-unknown-key]
        due = [consumer for consumer in _chosen(due_of(domain, stage), params or {}) if consumer.part == study]
        _validate(context, due)
        ti = context["ti"]
        rings = work_each(due, _owner(ti), ti.run_id)
        if not rings:
            raise AirflowSkipException(f"{study}: there was nothing to take, or another run is at work on it.")
        _ring(context, {known[ring.consumer]: ring for ring in rings})
        return {ring.consumer: ring.counts for ring in rings}

    import_to_veeva.expand(study=check_for_new_data())


def study_params(those: Sequence[Consumer]) -> dict[str, Param]:
    """Return the parameters of a DAG that delivers: which study and which form a run by hand is for."""
    names = {"study": [consumer.part for consumer in those], "form": [consumer.dataset.name for consumer in those]}
    return {
        word: Param(ALL, type="string", enum=list(dict.fromkeys((ALL, *known))), description=f"Only this {word}.")
        for word, known in names.items()
    }


def _chosen(due: Sequence[Consumer], params: Mapping[str, Any]) -> list[Consumer]:
    """Return those consumers that the parameters of a run name."""
    study, form = params["study"], params["form"]
    return [consumer for consumer in due if study in (ALL, consumer.part) and form in (ALL, consumer.dataset.name)]


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
