"""Refusals: what was refused by cause, and how each ends: redriven, discarded, or still open."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from common.core.errors import ConfigError
from common.core.nouns import Refusal
from common.core.places import RefusedRows
from common.ledger.incidents import REFUSED
from common.ledger.places import ARRIVAL, KEY, RAW_KEY
from common.ledger.tables import audit_log, batch, refusal

OPEN, REDRIVEN, DISCARDED = "open", "redriven", "discarded"
WAITING = "waiting"  # rule of a row that a delivery has not sent, as an earlier one is refused


@dataclass(frozen=True)
class Filter:
    """Which refusals are meant: ids, or the beginning of a consumer's name and any of the others."""

    ids: tuple[str, ...] = ()
    consumer: str = ""
    reason: str = ""
    column: str = ""
    batch: str = ""
    state: str = ""


def refusal_id(consumer: str, hop: int, item: Refusal) -> str:
    """Name a refusal after what it is, so that a rebuilt ledger has the same names; 16 hexadecimal digits."""
    identity = "\x1f".join([consumer, str(hop), item.batch, item.reason, item.rule, item.column])
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def refused_rows_of(row: Mapping[Any, Any]) -> RefusedRows:
    """Return where the rows of a refusal lie, from its row in the ledger."""
    return RefusedRows(*(row[name] for name in ("place", "batch", "reason", "rule", "column")))


def refused_twins(connection: Connection, asset: str, checksums: Iterable[str]) -> dict[tuple[str, str | None], str]:
    """Return the batches of an asset with one of these checksums that a person refused unread, by content.

    The content is the checksum and the partition; it is left out where another batch with it was not refused.
    """
    refused = exists().where(refusal.c.batch == batch.c.id, refusal.c.reason == REFUSED, refusal.c.state != REDRIVEN)
    rows = connection.execute(
        select(batch.c.checksum, batch.c.partition, batch.c.id, refused.label("refused"))
        .where(batch.c.asset == asset, batch.c.checksum.in_(set(checksums)))
        .order_by(batch.c.number)
    ).all()
    passed = {(row.checksum, row.partition) for row in rows if not row.refused}
    twins = {(row.checksum, row.partition): row.id for row in rows if row.refused}
    return {content: twin for content, twin in twins.items() if content not in passed}


def record_refusals(connection: Connection, consumer: str, hop: int, items: Sequence[Refusal]) -> None:
    """Record what a hop refused; what is known already stays as it is."""
    rows = [
        {
            "id": refusal_id(consumer, hop, item),
            "consumer": consumer,
            "hop": hop,
            "batch": item.batch,
            "reason": item.reason,
            "rule": item.rule,
            "column": item.column,
            "count": item.count,
            "place": item.place,
            "of": item.of,
        }
        for item in items
    ]
    if rows:
        connection.execute(insert(refusal).on_conflict_do_nothing(), rows)


def matching(connection: Connection, wanted: Filter, limit: int | None = None) -> list[dict[str, Any]]:
    """List refusals, the newest first, with the file each came from and who ended it."""
    rows = connection.execute(
        _filtered(_listed(), wanted).order_by(refusal.c.refused_at.desc(), refusal.c.id).limit(limit)
    )
    return [dict(row) for row in rows.mappings()]


def _listed() -> Select[Any]:
    return (
        select(
            refusal.c.id,
            refusal.c.consumer,
            refusal.c.hop,
            refusal.c.reason,
            refusal.c.rule,
            refusal.c["column"],
            refusal.c["count"],
            RAW_KEY.label("origin"),
            refusal.c.place,
            refusal.c["of"],
            refusal.c.batch,
            refusal.c.state,
            refusal.c.refused_at.label("refused"),
            refusal.c.redriven_as,
            refusal.c.waived,
            audit_log.c.who,
            audit_log.c.detail["why"].astext.label("why"),
        )
        .join(batch, batch.c.id == refusal.c.batch)
        .outerjoin(audit_log, audit_log.c.n == refusal.c.decision)
    )


def _filtered(query: Select[Any], wanted: Filter) -> Select[Any]:
    if wanted.ids:
        query = query.where(refusal.c.id.in_(wanted.ids))
    if wanted.consumer:
        query = query.where(refusal.c.consumer.startswith(wanted.consumer, autoescape=True))
    for name in ("reason", "column", "batch", "state"):
        if value := getattr(wanted, name):
            query = query.where(refusal.c[name] == value)
    return query


def still_open(connection: Connection, wanted: Filter) -> list[dict[str, Any]]:
    """List the open refusals that are meant.

    Raises ConfigError where nothing is meant, an id is unknown, or a named refusal has ended already.
    """
    if wanted == Filter():
        raise ConfigError("Say which refusals are meant: ids, or a filter. See `watershed quarantine ls --state open`.")
    found = matching(connection, wanted)
    if unknown := sorted(set(wanted.ids) - {row["id"] for row in found}):
        raise ConfigError(f"There is no refusal {', '.join(unknown)}. See `watershed quarantine ls`.")
    ended = [row for row in found if row["state"] != OPEN]
    if wanted.ids and ended:
        first = ended[0]
        raise ConfigError(f"Refusal {first['id']} was {first['state']} by {first['who']} already; nothing was changed.")
    chosen = [row for row in found if row["state"] == OPEN]
    if not chosen:
        raise ConfigError("No open refusal is meant by that. See `watershed quarantine ls --state open`.")
    return chosen


def end_refusals(
    connection: Connection, ids: Sequence[str], state: str, decision: int | None, redriven_as: str = ""
) -> None:
    """End open refusals by a decision of the audit log, or by a hop without one; those that have ended stay so."""
    connection.execute(
        update(refusal)
        .where(refusal.c.id.in_(ids), refusal.c.state == OPEN)
        .values(state=state, decision=decision, redriven_as=redriven_as)
    )


def waive_refusals(connection: Connection, ids: Sequence[str], decision: int) -> None:
    """Let nothing wait for open refusals any more; the first decision about each counts."""
    chosen = refusal.c.id.in_(ids) & (refusal.c.state == OPEN) & refusal.c.waived.is_(None)
    connection.execute(update(refusal).where(chosen).values(waived=decision))


def not_waived(connection: Connection, wanted: Filter) -> list[dict[str, Any]]:
    """List the open refusals that are meant and not waived; raises ConfigError as `still_open` does, or for none."""
    found = still_open(connection, wanted)
    chosen = [row for row in found if row["waived"] is None]
    if not chosen or (wanted.ids and len(chosen) < len(found)):
        named = next(row["id"] for row in found if row["waived"] is not None)
        raise ConfigError(f"Refusal {named} is waived already; nothing was changed. See `watershed audit ls`.")
    return chosen


def open_rows(connection: Connection, consumers: Sequence[str]) -> Sequence[Row[Any]]:
    """List the open refusals of rows that some consumers have made, each with the `arrival` of its batch."""
    which = refusal.c.consumer.in_(consumers) & (refusal.c.state == OPEN) & (refusal.c["of"] == "row")
    joined = select(refusal, ARRIVAL.label("arrival")).join(batch, batch.c.id == refusal.c.batch)
    return connection.execute(joined.where(which).order_by(refusal.c.hop, refusal.c.id)).all()


def rows_withheld(connection: Connection, consumer: str) -> int:
    """Count the rows that a consumer has refused and that were not sent again."""
    return _count(connection, (refusal.c.consumer == consumer) & (refusal.c.state != REDRIVEN))


def rows_waiting(connection: Connection, consumer: str) -> int:
    """Count the rows of a consumer that wait for refused ones."""
    waiting = (refusal.c.rule == WAITING) & (refusal.c.state == OPEN)
    return _count(connection, (refusal.c.consumer == consumer) & waiting)


def _count(connection: Connection, which: ColumnElement[bool]) -> int:
    return int(connection.scalar(select(func.coalesce(func.sum(refusal.c["count"]), 0)).where(which)) or 0)


def refusals_of_file(connection: Connection, consumer: str, key: str) -> Sequence[Row[Any]]:
    """List the refusals that a consumer made of one file, whichever batch carried it."""
    return connection.execute(
        select(refusal).join(batch, batch.c.id == refusal.c.batch).where(refusal.c.consumer == consumer, key == KEY)
    ).all()
