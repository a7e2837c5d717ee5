"""The grammar of a hop: claim, stage, audit, publish; ringing is Airflow's part (see `defaults`).

The rules are those of docs/architecture.md; every kind of hop goes through this file, and none around it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from common.core.assets import Asset
from common.core.errors import (
    ConservationError,
    DataError,
    EngineFailed,
    LeaseLost,
    LedgerAhead,
    MachineUnavailable,
    TargetUnavailable,
    TransientError,
    WatershedError,
    is_panic,
)
from common.core.masks import without_values
from common.core.nouns import Counts
from common.core.places import TableVersion
from common.core.settings import settings
from common.ledger.claims import Claim, Leased, claim, heartbeat, narrow, owns, release, store_counts
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.failures import forget_failure
from common.ledger.incidents import HELD, STALE, STOPPED, SUPERSEDED, UNFORESEEN, close_incidents, open_incident
from common.ledger.manifests import Manifest, write_manifest
from common.ledger.reconcile import reconcile, report_ahead
from common.ledger.refusals import rows_waiting
from common.observe.log import bound, logger
from common.observe.verbs import passed, verb
from common.pipelines.step import Staged, Step

log = logger(__name__)
RELEASE_PAUSE = 0.5
ENGINES = ("polars", "_duckdb", "_internal")  # whose own errors, where nothing has translated them, come of data


@dataclass
class Drained:
    """What one run did: the hops it found published, and who holds the consumer if somebody else does.

    `why` says what there was instead, where a look found nothing to take.
    """

    consumer: str
    hops: list[int] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    leased_by: str | None = None
    why: str = ""


def drain(step: Step, owner: str, run_id: str = "", done: Drained | None = None) -> Drained:
    """Take hop after hop until nothing is left to claim or the time budget is over; `done` is what the run did before.

    Raises TransientError (a retry helps), TerminalError (somebody must act; an incident says what).
    """
    done, deadline = done or Drained(step.consumer.name), time.monotonic() + settings().run_budget_seconds
    with bound(consumer=step.consumer.name, run_id=run_id):
        known = False  # whether the ledger has just been told what the target has
        while time.monotonic() < deadline:
            held = _claim(step, owner, done, known=known)
            if isinstance(held, Leased):
                done.leased_by = held.owner
            if not isinstance(held, Claim):
                break
            _attempt(step, held, run_id, done)
            known = True
    return done


def _claim(step: Step, owner: str, done: Drained, *, known: bool) -> Claim | Leased | None:
    """Claim the next hop, once the ledger has what the target has.

    Where another process publishes between a record and this claim, the commit is refused and the ledger told again.
    """
    try:
        with verb(step.consumer.kind, "claim"), transaction() as connection:
            lock(connection, step.consumer.name)
            found = [] if known else _reconciled(connection, step, done)
            held = claim(connection, step.consumer, owner)
            if held is None:
                forget_failure(connection, step.consumer.name)
            passed(step.consumer.kind, "claim.during")
    except LedgerAhead as error:
        with transaction() as connection:
            report_ahead(connection, step.consumer.name, error)
        raise
    _settle(step, found)
    return held


def _reconciled(connection: Connection, step: Step, done: Drained) -> list[Manifest]:
    found = reconcile(connection, step.consumer.name, step)
    for manifest in found:
        superseded = [r for r in manifest.refusals if r.reason == SUPERSEDED]
        for refused in superseded:
            open_incident(connection, SUPERSEDED, step.consumer.name, refused.place, refused.batch)
        close_incidents(connection, UNFORESEEN, manifest.consumer, [batch.id for batch in manifest.inputs])
        done.hops.append(manifest.hop)
        done.counts += manifest.counts
    _report_stale(connection, found)
    if found:
        _report_held(connection, step.consumer.name)
    return found


def _report_held(connection: Connection, name: str) -> None:
    """Let an incident be open for as long as rows wait for refused ones."""
    if rows_waiting(connection, name):
        why = (
            f"Rows of {name} wait, for earlier records of their subjects are refused and open. "
            f"`watershed quarantine show ID` names for each of `watershed quarantine ls {name}` the one it waits for."
        )
        open_incident(connection, HELD, name, why)
    else:
        close_incidents(connection, HELD, name)


def _report_stale(connection: Connection, found: list[Manifest]) -> None:
    """Open an incident where rows may be missing; a table that was made anew since lacks none."""
    remade = max((manifest.hop for manifest in found if manifest.remade), default=0)
    for manifest, output in ((m, output) for m in found if m.hop > remade for output in m.outputs):
        if isinstance(output.place, TableVersion) and output.place.unrestored:
            table = Asset.parse(output.asset).dataset
            why = (
                f"Hop {manifest.hop} withdrew the rows of {output.place.unrestored} keys. What those rows had replaced "
                "is not kept, so an older row that would be the latest now may be missing. Reading all deliveries "
                f"under one contract finds it: `watershed backfill run {table} --all --why ...`."
            )
            open_incident(connection, STALE, manifest.consumer, why, manifest.inputs[0].id)


def _settle(step: Step, found: list[Manifest]) -> None:
    for manifest in found:
        log.info("hop published", hop=manifest.hop, counts=str(manifest.counts))
        with verb(step.consumer.kind, "settle"):
            step.settle(manifest)


def _attempt(step: Step, held: Claim, run_id: str, done: Drained) -> None:
    try:
        with bound(hop=held.hop, attempt=held.attempt), _heart(held), _owned():
            _stage_and_publish(step, held, run_id)
    except DataError as error:
        _after_data_error(step, held, error, done)
        return
    except WatershedError:
        try:
            _record(step, done)  # an error's type is no evidence that nothing happened
        finally:  # an outage is nobody's death, even where it hides the target's head
            _release(step, held)
        raise
    except Exception as error:
        _report_unforeseen(step, held, error)
        _record(step, done)
        raise
    _record(step, done)


@contextmanager
def _owned() -> Iterator[None]:
    """Give failures their owners: a full disk is an outage of the machine, what an engine cannot do comes of the data.

    Raises MachineUnavailable, EngineFailed.
    """
    try:
        yield
    except WatershedError:
        raise
    except (OSError, MemoryError) as error:
        raise MachineUnavailable(f"This machine could not do it: {type(error).__name__} {error}.") from error
    except BaseException as error:
        if type(error).__module__.partition(".")[0] not in ENGINES and not is_panic(error):
            raise
        log.exception("an engine failed")
        raise EngineFailed(_unforeseen(error)) from error


def _unforeseen(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__name__}: {without_values(error)}. The task's log has all of it."


def _report_unforeseen(step: Step, held: Claim, error: Exception) -> None:
    """Open an incident at the first appearance of an error that nobody has classified, until its batches are through.

    It counts as a death: the next attempt takes over, and the fifth begins to look for the batch at fault.
    """
    with suppress(TransientError), transaction() as connection:
        open_incident(connection, UNFORESEEN, step.consumer.name, _unforeseen(error), held.batches[0].id)


def _stage_and_publish(step: Step, held: Claim, run_id: str) -> None:
    kind = step.consumer.kind
    with _staged(step, held) as staged:
        with verb(kind, "audit"):
            _audit(held, staged)
        with verb(kind, "manifest"):
            write_manifest(_manifest(held, staged, run_id))
        with transaction() as connection:
            heartbeat(connection, held)
        with verb(kind, "publish"):
            staged.commit()


@contextmanager
def _staged(step: Step, held: Claim) -> Iterator[Staged]:
    """Stage for the length of a block; the verb ends where the block begins."""
    with ExitStack() as open_until_published:
        with verb(step.consumer.kind, "stage", held.batches):
            staged = open_until_published.enter_context(step.stage(held))
        yield staged


def _audit(held: Claim, staged: Staged) -> None:
    if not staged.counts.balanced:
        raise ConservationError(
            f"Hop {held.hop} of {held.consumer} does not add up: {staged.counts}. Nothing was published."
        )
    with transaction() as connection:
        store_counts(connection, held, staged.counts, staged.bytes)


def _manifest(held: Claim, staged: Staged, run_id: str) -> Manifest:
    return Manifest(
        consumer=held.consumer,
        hop=held.hop,
        attempt=held.attempt,
        previous=held.previous,
        contract=held.contract,
        inputs=held.batches,
        counts=staged.counts,
        outputs=staged.outputs,
        refusals=staged.refusals,
        pins=held.pins,
        parts=staged.parts,
        bytes=staged.bytes,
        run_id=run_id,
        ended=staged.ended,
    )


def _record(step: Step, done: Drained) -> None:
    with verb(step.consumer.kind, "record"), transaction() as connection:
        lock(connection, step.consumer.name)
        found = _reconciled(connection, step, done)
        passed(step.consumer.kind, "record.during")
    _settle(step, found)


def _release(step: Step, held: Claim) -> None:
    """Give the hop back; a ledger that is away is waited for, or its outage would count as a death."""
    patience = retry(
        retry=retry_if_exception_type(TargetUnavailable),
        stop=stop_after_delay(settings().lease_seconds),
        wait=wait_fixed(RELEASE_PAUSE),
        reraise=True,
    )
    with verb(step.consumer.kind, "release"):
        patience(_released)(held)


def _released(held: Claim) -> None:
    with transaction() as connection:
        release(connection, held)


def _after_data_error(step: Step, held: Claim, error: DataError, done: Drained) -> None:
    """Halve the claim, or stop where inputs must be read in order: those were good, so the model is wrong."""
    with verb(step.consumer.kind, "narrow"), transaction() as connection:
        lock(connection, step.consumer.name)
        found = _reconciled(connection, step, done)
        published = any(manifest.hop == held.hop for manifest in found)
        if step.consumer.ordered and owns(connection, held):
            open_incident(connection, STOPPED, step.consumer.name, str(error))
        elif not step.consumer.ordered and not published:
            why = f"{type(error).__name__}: {error}"
            narrow(connection, step.consumer.name, why, held.attempt, error.batches)
    _settle(step, found)
    if not published and step.consumer.ordered:
        _release(step, held)
        raise error


@contextmanager
def _heart(held: Claim) -> Iterator[None]:
    """Renew the lease in the background for as long as the block runs."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(settings().lease_seconds / 3):
            with suppress(TransientError):  # publishing is conditional on the attempt: a lost lease shows there
                try:
                    with transaction() as connection:
                        heartbeat(connection, held)
                except LeaseLost:
                    return

    thread = threading.Thread(target=beat, name=f"heart of {held.consumer}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
