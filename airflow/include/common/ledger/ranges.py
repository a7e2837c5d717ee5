"""Ranges of a source: the last one, those that are new, and which have been committed but maybe not put into raw."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, exists, select

from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer
from common.ledger.batches import batch_of, record_batches
from common.ledger.consumers import lock
from common.ledger.incidents import SUPERSEDED
from common.ledger.places import IS_REPLAY, KEY
from common.ledger.tables import batch, hop, refusal


def last_range(connection: Connection, item: Consumer) -> tuple[Batch | None, bool]:
    """Return the range that was recorded last, and whether it has come or may come still: not if it was gone."""
    (asset,) = item.inputs
    newest = select(batch).where(batch.c.asset == asset, ~IS_REPLAY).order_by(batch.c.number.desc()).limit(1)
    row = connection.execute(newest).first()
    return (batch_of(row), row.id not in gone(connection, item.name, [row.id])) if row else (None, True)


def gone(connection: Connection, name: str, ids: Sequence[str]) -> set[str]:
    """Return which ranges were not there any more when they were to be fetched."""
    which = (refusal.c.consumer == name) & (refusal.c.batch.in_(ids)) & (refusal.c.reason == SUPERSEDED)
    return set(connection.scalars(select(refusal.c.batch).where(which)))


def record_ranges(connection: Connection, item: Consumer, found: Sequence[Batch], last: Batch | None) -> list[Batch]:
    """Record ranges that a look has found and give those that are new; none where another look was first.

    A range that was gone when it was to be fetched and is there again is a batch of its own.
    """
    lock(connection, item.name)
    newest, _ = last_range(connection, item)
    if (newest and newest.id) != (last and last.id):
        return []
    present = _present(connection, item.name, found)
    known = set(connection.scalars(select(batch.c.id).where(batch.c.id.in_([one.id for one in present]))))
    fresh = [one for one in present if one.id not in known]
    record_batches(connection, fresh)
    return fresh


def _present(connection: Connection, name: str, found: Sequence[Batch]) -> list[Batch]:
    """Give each range the batch that it is now."""
    present, doubtful = list(found), {one.id for one in found}
    while doubtful:
        unread = gone(connection, name, sorted(doubtful))
        again = {old: batch_id(old, "again") for old in unread}
        present = [replace(one, id=again.get(one.id, one.id)) for one in present]
        doubtful = set(again.values())
    return present


def unrung_hops(connection: Connection, name: str) -> list[tuple[int, int]]:
    """Return number and attempt of the published hops that were not rung: what they owe raw may not be there yet."""
    unrung = (hop.c.consumer == name) & (hop.c.state == "published") & ~hop.c.rung
    rows = connection.execute(select(hop.c.n, hop.c.attempt).where(unrung).order_by(hop.c.n))
    return [(row.n, row.attempt) for row in rows]


def delivered(connection: Connection, asset: str, keys: Sequence[str], ranges: Sequence[str]) -> set[str]:
    """Return which keys of raw the ledger knows as deliveries; they were recorded after the ranges they are of."""
    first = select(batch.c.number).where(batch.c.id.in_(ranges)).order_by(batch.c.number).limit(1).scalar_subquery()
    known = select(KEY).where(batch.c.asset == asset, batch.c.number > first, KEY.in_(keys))
    return set(connection.scalars(known))


def recorded_days(connection: Connection, name: str, asset: str) -> set[str]:
    """Return the days of which a table was found, and was there when it was read."""
    lost = exists().where(refusal.c.consumer == name, refusal.c.batch == batch.c.id, refusal.c.reason == SUPERSEDED)
    of_days: Any = batch.c.place["range"].astext == "day"
    return set(connection.scalars(select(batch.c.partition).where(batch.c.asset == asset, of_days, ~lost)))
