"""What people decide about batches and refusals, and what follows in the ledger; each is an entry of the audit log.

Every effect can be done again: a rebuilt ledger does them anew from the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, cast, delete, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, insert

from common.core.errors import ConfigError
from common.core.nouns import Batch, Reason
from common.ledger.batches import record_batches
from common.ledger.consumers import lock
from common.ledger.incidents import (
    PARKED,
    REFUSED,
    RELEASED,
    RESOLVED,
    Incident,
    change_incident,
    close_incidents,
)
from common.ledger.journal import Entry, adopt, decide
from common.ledger.refusals import DISCARDED, OPEN, REDRIVEN, end_refusals
from common.ledger.refusals import waive_refusals as waive_rows
from common.ledger.tables import audit_log, batch, incident, refusal, waiver
from common.ledger.tables import consumer as consumers
from common.ledger.tables import mute as mutes
from common.ledger.untaken import parked, unpark

NAMED = ("$.refusals[*]", "$.carriers[*].refusals[*]")  # where a decision names refusals


@dataclass(frozen=True)
class DerivedBatch:
    """A batch that processes earlier records again, and the refusals that it closes."""

    batch: Batch
    refusals: tuple[str, ...] = ()

    @property
    def json(self) -> dict[str, Any]:
        """The batch and its refusals as a JSON object."""
        return {"batch": self.batch.json, "refusals": list(self.refusals)}


def end_parked(connection: Connection, consumer: str, batch_id: str, resolution: str, by: Reason) -> Entry:
    """Release a parked batch (it is tried again, and batch rules let it pass) or refuse it (it goes to quarantine).

    Raises ConfigError where it is not parked.
    """
    lock(connection, consumer)
    if batch_id not in (waiting := parked(connection, consumer)):
        raise ConfigError(
            f"Batch {batch_id} is not parked for {consumer}. Parked: {', '.join(waiting) or 'none'}. "
            "See `watershed parked ls`."
        )
    what = {RELEASED: "parked.release", REFUSED: "parked.refuse"}[resolution]
    return decide(connection, what, {"consumer": consumer, "batch": batch_id, "why": by.why}, by.who, EFFECTS)


def discard(connection: Connection, refusals: Sequence[str], by: Reason, derived: Sequence[DerivedBatch] = ()) -> Entry:
    """End open refusals for good; the derived batches let rows that wait for them go on."""
    return decide(connection, "quarantine.discard", _about(refusals, derived, by), by.who, EFFECTS)


def waive_refusals(
    connection: Connection, refusals: Sequence[str], by: Reason, derived: Sequence[DerivedBatch]
) -> Entry:
    """Let nothing wait for open refusals, which stay open; the derived batches let what waits go on."""
    return decide(connection, "quarantine.waive", _about(refusals, derived, by), by.who, EFFECTS)


def _about(refusals: Sequence[str], derived: Sequence[DerivedBatch], by: Reason) -> dict[str, Any]:
    carriers = {"carriers": [one.json for one in derived]} if derived else {}
    return {"refusals": list(refusals), **carriers, "why": by.why}


def acknowledge(connection: Connection, those: Sequence[Incident], by: Reason) -> Entry:
    """Let somebody answer for open incidents: nobody is told of them again until they are over."""
    return decide(connection, "incident.ack", {"incidents": list(map(list, those)), "why": by.why}, by.who, EFFECTS)


def resolve(connection: Connection, those: Sequence[Incident], by: Reason) -> Entry:
    """End open incidents by a person's word; what is still wrong opens new ones."""
    return decide(connection, "incident.resolve", {"incidents": list(map(list, those)), "why": by.why}, by.who, EFFECTS)


def mute(connection: Connection, beginning: str, kind: str, until: datetime, by: Reason) -> Entry:
    """Tell nobody of incidents of a kind, or of all, of consumers whose name begins so, until then."""
    detail = {"consumer": beginning, "kind": kind, "until": until.isoformat(), "why": by.why}
    return decide(connection, "incident.mute", detail, by.who, EFFECTS)


def send_again(connection: Connection, what: str, derived: Sequence[DerivedBatch], by: Reason) -> Entry:
    """Record batches that carry records again (`quarantine.redrive`, `replay`), and end the refusals they stand for."""
    detail = {"carriers": [one.json for one in derived], "why": by.why}
    return decide(connection, what, detail, by.who, EFFECTS)


def waive(connection: Connection, dataset: str, partition: str, derived: Sequence[DerivedBatch], by: Reason) -> Entry:
    """Let gold go on without a partition of a dataset; the derived batches make the waiting models look at it."""
    detail = {"dataset": dataset, "partition": partition, "carriers": [one.json for one in derived], "why": by.why}
    return decide(connection, "waive", detail, by.who, EFFECTS)


def note(connection: Connection, what: str, detail: dict[str, Any], who: str) -> Entry:
    """Enter what somebody did that changes nothing in the ledger."""
    return decide(connection, what, detail, who, EFFECTS)


def recover(connection: Connection) -> int:
    """Take over the decisions that the object store has and this ledger lacks; return how many there were."""
    return adopt(connection, EFFECTS)


def end_as_decided(connection: Connection, consumer: str, hop: int) -> None:
    """End the refusals of a hop as people decided, where this ledger knew of the decision before it knew of the hop.

    So it is after a loss of the ledger, when somebody decides before a consumer has caught up with its target.
    """
    still = select(refusal.c.id).where(refusal.c.consumer == consumer, refusal.c.hop == hop, refusal.c.state == OPEN)
    if not (ids := list(connection.scalars(still))):
        return
    named = [func.jsonb_path_query_array(audit_log.c.detail, cast(path, JSONPATH), type_=JSONB) for path in NAMED]
    query = (
        select(audit_log)
        .where(or_(*(found.has_any(cast(ids, ARRAY(Text))) for found in named)))
        .order_by(audit_log.c.n)
    )
    for row in connection.execute(query).mappings().all():
        if effect := EFFECTS.get(row["what"]):
            effect(connection, Entry(**dict(row) | {"at": row["at"].isoformat()}))


def _end_parked(connection: Connection, entry: Entry) -> None:
    consumer, batch_id = entry.detail["consumer"], entry.detail["batch"]
    resolution = RELEASED if entry.what == "parked.release" else REFUSED
    known = connection.scalar(select(consumers.c.name).where(consumers.c.name == consumer).with_for_update())
    if not close_incidents(connection, PARKED, consumer, [batch_id], resolution):
        _remember(connection, consumer, batch_id, resolution, entry)
    if known and connection.scalar(select(batch.c.id).where(batch.c.id == batch_id)):
        unpark(connection, consumer, batch_id)


def _remember(connection: Connection, consumer: str, batch_id: str, resolution: str, entry: Entry) -> None:
    """Keep the decision in a rebuilt ledger, which does not know that the batch was parked."""
    values = {"kind": PARKED, "consumer": consumer, "batch": batch_id, "detail": entry.detail["why"]}
    closed = {"resolution": resolution, "closed_at": entry.at, "opened_at": entry.at}
    connection.execute(insert(incident).values(**values, **closed))


def _acknowledge(connection: Connection, entry: Entry) -> None:
    for one in entry.detail["incidents"]:
        change_incident(connection, Incident(*one), acknowledged=entry.n)


def _resolve(connection: Connection, entry: Entry) -> None:
    for one in entry.detail["incidents"]:
        ended = {"closed_at": func.clock_timestamp(), "resolution": RESOLVED, "acknowledged": entry.n}
        change_incident(connection, Incident(*one), **ended)


def _mute(connection: Connection, entry: Entry) -> None:
    about = {name: entry.detail[name] for name in ("consumer", "kind")}
    until = datetime.fromisoformat(entry.detail["until"])
    connection.execute(delete(mutes).filter_by(**about))  # the last word counts
    connection.execute(insert(mutes).values(decision=entry.n, until=until, **about).on_conflict_do_nothing())


def _discard(connection: Connection, entry: Entry) -> None:
    end_refusals(connection, entry.detail["refusals"], DISCARDED, entry.n)
    _send_again(connection, entry)


def _waive_refusals(connection: Connection, entry: Entry) -> None:
    waive_rows(connection, entry.detail["refusals"], entry.n)
    _send_again(connection, entry)


def _send_again(connection: Connection, entry: Entry) -> None:
    for carrier in entry.detail.get("carriers", []):
        derived = Batch.from_json(carrier["batch"])
        parents = tuple(p for p in derived.parents if connection.scalar(select(batch.c.id).where(batch.c.id == p)))
        record_batches(connection, [replace(derived, parents=parents)])
        end_refusals(connection, carrier["refusals"], REDRIVEN, entry.n, derived.id)


def _waive(connection: Connection, entry: Entry) -> None:
    values = {"dataset": entry.detail["dataset"], "partition": entry.detail["partition"], "decision": entry.n}
    connection.execute(insert(waiver).values(**values).on_conflict_do_nothing())
    _send_again(connection, entry)


EFFECTS = {
    "parked.release": _end_parked,
    "parked.refuse": _end_parked,
    "incident.ack": _acknowledge,
    "incident.resolve": _resolve,
    "incident.mute": _mute,
    "quarantine.discard": _discard,
    "quarantine.waive": _waive_refusals,
    "quarantine.redrive": _send_again,
    "replay": _send_again,
    "waive": _waive,
}
