"""Reconcile the ledger with a target: what the target says was committed, is what happened."""

from typing import Protocol

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from common.core.errors import LedgerAhead
from common.core.nouns import Batch, Head
from common.core.settings import settings
from common.ledger.batches import record_batches
from common.ledger.decisions import end_as_decided
from common.ledger.failures import forget_failure
from common.ledger.incidents import LEDGER_AHEAD, PARKED, STALE, STOPPED, close_incidents, open_incident
from common.ledger.manifests import Manifest, read_manifest
from common.ledger.refusals import REDRIVEN, end_refusals, record_refusals
from common.ledger.tables import consumer, hop, receipt


class Target(Protocol):
    """Where a consumer publishes; it knows its own last commit."""

    def head(self) -> Head:
        """Read number and attempt of the last commit."""
        ...

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Complete what is known of an output only after its commit, such as the Delta version."""
        ...


def known_head(connection: Connection, name: str) -> Head:
    """Return the last hop that the ledger has recorded as published."""
    row = connection.execute(
        select(hop.c.n, hop.c.attempt)
        .where(hop.c.consumer == name, hop.c.state == "published")
        .order_by(hop.c.n.desc())
        .limit(1)
    ).first()
    return Head(row.n, row.attempt) if row else Head()


def reconcile(connection: Connection, name: str, target: Target) -> list[Manifest]:
    """Record every hop that the target has committed and the ledger lacks; the caller holds the lock.

    Walks the manifests back from the target's head. Raises LedgerAhead where the target lacks a recorded hop.
    """
    head, known = target.head(), known_head(connection, name)
    if head.hop < known.hop or (head.hop == known.hop and head.attempt != known.attempt):
        raise LedgerAhead(
            f"The ledger has hop {known.hop} (attempt {known.attempt}) of {name}, its target says hop {head.hop} "
            f"(attempt {head.attempt}). Restore the target, or see 'The ledger is lost, or old' in docs/operations.md."
        )
    missing: list[Manifest] = []
    number, attempt = head.hop, head.attempt
    while number > known.hop:
        missing.append(read_manifest(name, number, attempt))
        number, attempt = number - 1, missing[-1].previous
    for manifest in reversed(missing):
        _record(connection, manifest, target)
    return missing[::-1]


def report_ahead(connection: Connection, name: str, error: LedgerAhead) -> None:
    """Open the incident of a ledger that is ahead of its target."""
    open_incident(connection, LEDGER_AHEAD, name, str(error))


def _record(connection: Connection, done: Manifest, target: Target) -> None:
    inputs = [batch.id for batch in done.inputs]
    record_batches(connection, done.inputs)
    _close_hop(connection, done, inputs)
    outputs = [target.with_version(batch, done.hop) for batch in done.outputs]
    record_batches(connection, outputs, done.run_id)
    if inputs:
        rows = [{"consumer": done.consumer, "batch": i, "hop": done.hop} for i in inputs]
        connection.execute(insert(receipt).on_conflict_do_nothing(), rows)
        close_incidents(connection, PARKED, done.consumer, inputs)
    close_incidents(connection, STOPPED, done.consumer)
    forget_failure(connection, done.consumer)
    if done.remade:
        close_incidents(connection, STALE, done.consumer, None)
    end_refusals(connection, done.ended, REDRIVEN, None, done.outputs[0].id if done.outputs else "")
    record_refusals(connection, done.consumer, done.hop, done.refusals)
    if done.refusals:
        end_as_decided(connection, done.consumer, done.hop)
    widest = settings().hop_max_batches
    wider = func.least(consumer.c.width * 2, widest)
    connection.execute(update(consumer).where(consumer.c.name == done.consumer).values(width=wider))


def _close_hop(connection: Connection, done: Manifest, inputs: list[str]) -> None:
    """Turn the open hop into the published one, even where a wider late commit won over a narrowed claim."""
    facts = {
        "state": "published",
        "batches": inputs,
        "pins": done.pins,
        "contract": done.contract,
        "attempt": done.attempt,
        "taken": done.counts.taken,
        "good": done.counts.good,
        "merged": done.counts.merged,
        "refused": done.counts.refused,
        "bytes": done.bytes,
        "run_id": done.run_id,
        "published_at": func.clock_timestamp(),
        "owner": None,
        "lease_until": None,
    }
    connection.execute(
        insert(hop)
        .values(consumer=done.consumer, n=done.hop, **facts)
        .on_conflict_do_update(index_elements=["consumer", "n"], set_=facts)
    )
