"""Which batches a consumer has still to take: those above its marks that have no receipt and are not parked.

A mark is the number of a batch of an input up to which all are taken or parked, so that a consumer of a million batches
looks at the newest few. Numbers of an asset become visible in their order (see `record_batches`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from common.core.nouns import Batch
from common.core.settings import settings
from common.ledger.batches import batch_of
from common.ledger.consumers import Consumer
from common.ledger.incidents import PARKED
from common.ledger.tables import batch, consumer, incident, receipt

FIRST_WINDOW, WIDEST_WINDOW = 256, 16_384


def oldest_untaken(connection: Connection, item: Consumer) -> list[Batch]:
    """List the oldest untaken batches, up to the consumer's width and a hop's size, and move its marks.

    The caller holds the consumer's lock. A replay is claimed alone: its rows replace what they replaced before.
    """
    row = connection.execute(select(consumer).where(consumer.c.name == item.name)).one()
    found, marks = [], dict(row.marks)
    for asset in item.inputs:
        newest = _newest(connection, asset)  # asked first: what arrives while we look is not marked as seen
        first = _first(connection, row, asset, row.width)
        found += first
        mark = first[0].number - 1 if first else newest
        marks[asset] = max(mark, marks.get(asset, 0))
    if marks != row.marks:
        connection.execute(update(consumer).where(consumer.c.name == item.name).values(marks=marks))
    ordered = sorted(found, key=lambda r: r.number)[: row.width]
    return _fitting([batch_of(r) for r in ordered])


def _first(connection: Connection, row: Row[Any], asset: str, width: int) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for one in _above(connection, row, asset, width):
        found.append(one)
        if len(found) == width:
            break
    return found


def _fitting(batches: list[Batch]) -> list[Batch]:
    chosen: list[Batch] = []
    room = settings().hop_max_bytes
    for found in batches:
        if chosen and (found.bytes > room or "replay" in found.place or "replay" in chosen[0].place):
            break
        chosen.append(found)
        room -= found.bytes
    return chosen


def _newest(connection: Connection, asset: str) -> int:
    return connection.scalar(select(func.max(batch.c.number)).where(batch.c.asset == asset)) or 0


def untaken(connection: Connection, name: str) -> Iterator[Row[Any]]:
    """Walk through the batches that a consumer has neither taken nor parked, asset by asset in their order."""
    row = connection.execute(select(consumer).where(consumer.c.name == name)).first()
    for asset in row.inputs if row else ():
        yield from _above(connection, row, asset)  # type: ignore[arg-type]


def _above(connection: Connection, row: Row[Any], asset: str, width: int = 1) -> Iterator[Row[Any]]:
    """Walk in windows that grow: each is two plain index scans, whatever the planner believes."""
    after, size = row.marks.get(asset, 0), max(FIRST_WINDOW, width)
    while True:
        above = select(batch).where(batch.c.asset == asset, batch.c.number > after)
        window = connection.execute(above.order_by(batch.c.number).limit(size)).all()
        if not window:
            return
        done = _settled(connection, row.name, [one.id for one in window])
        yield from (one for one in window if one.id not in done)
        if len(window) < size:
            return
        after, size = window[-1].number, min(size * 4, WIDEST_WINDOW)


def _settled(connection: Connection, name: str, ids: Sequence[str]) -> set[str]:
    """Tell which batches a consumer has taken, or has parked."""
    taken = select(receipt.c.batch).where(receipt.c.consumer == name, receipt.c.batch == func.any(list(ids)))
    return set(connection.scalars(taken)) | set(parked(connection, name, ids))


def parked(connection: Connection, name: str, ids: Sequence[str] | None = None) -> list[str]:
    """Name the batches that are parked for a consumer, of these or of all."""
    found = select(incident.c.batch).where(
        incident.c.kind == PARKED, incident.c.consumer == name, incident.c.closed_at.is_(None)
    )
    if ids is not None:
        found = found.where(incident.c.batch == func.any(list(ids)))
    return list(connection.scalars(found.order_by(incident.c.id)))


def look_again(connection: Connection, name: str, batch_id: str) -> None:
    """Move a consumer's mark back below a batch that is no longer parked; the caller holds its lock."""
    found = connection.execute(select(batch.c.asset, batch.c.number).where(batch.c.id == batch_id)).one()
    row = connection.execute(select(consumer.c.marks).where(consumer.c.name == name)).one()
    if row.marks.get(found.asset, 0) >= found.number:
        marks = row.marks | {found.asset: found.number - 1}
        connection.execute(update(consumer).where(consumer.c.name == name).values(marks=marks))
