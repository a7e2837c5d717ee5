"""Which batches a consumer has still to take: those above its marks that have no receipt and are not parked.

A mark is the number of a batch of an input up to which all are taken or parked, so that a consumer of a million batches
looks at the newest few. Numbers of an asset become visible in their order (see `record_batches`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update

from common.core.nouns import Batch, Consumer
from common.core.settings import settings
from common.ledger.batches import batches_by_id
from common.ledger.incidents import PARKED
from common.ledger.tables import batch, consumer, incident

FIRST_WINDOW, WIDEST_WINDOW = 64, 16_384
# Each row of the window costs an index look-up or two, whatever the planner believes: a subquery that is limited cannot
# be turned into a join over the whole ledger.
SETTLED = """coalesce(
    (SELECT true FROM receipt WHERE receipt.consumer = {consumer} AND receipt.batch = above.id LIMIT 1),
    (SELECT true FROM incident WHERE incident.kind = :parked AND incident.consumer = {consumer}
        AND incident.batch = above.id AND incident.closed_at IS NULL LIMIT 1),
    false)"""
WINDOW = text(f"""
WITH above AS MATERIALIZED (
    SELECT id, number FROM batch WHERE asset = :asset AND number > :after ORDER BY number LIMIT :size)
SELECT id, number, {SETTLED.format(consumer=":consumer")} AS settled
FROM above ORDER BY number""")  # noqa: S608
FIRST_WINDOWS = text(f"""
SELECT consumer.name, input.asset, count(*) AS seen,
    count(*) FILTER (WHERE NOT {SETTLED.format(consumer="consumer.name")}) AS untaken
FROM consumer, jsonb_array_elements_text(consumer.inputs) AS input (asset), LATERAL (
    SELECT id FROM batch
    WHERE batch.asset = input.asset AND number > coalesce((consumer.marks ->> input.asset)::bigint, 0)
    ORDER BY number LIMIT :size) AS above
WHERE consumer.name = ANY(:names) GROUP BY consumer.name, input.asset""")  # noqa: S608
WHOLE = text("""
SELECT id FROM batch WHERE asset = ANY(:assets) AND place -> 'replay' ? 'whole'
    AND NOT EXISTS (SELECT FROM receipt WHERE receipt.consumer = :consumer AND receipt.batch = batch.id)
    AND NOT EXISTS (SELECT FROM incident WHERE incident.kind = :parked AND incident.consumer = :consumer
        AND incident.batch = batch.id AND incident.closed_at IS NULL)
ORDER BY number LIMIT 1""")


def oldest_untaken(connection: Connection, item: Consumer) -> list[Batch]:
    """List the oldest untaken batches, up to the consumer's width and a hop's size, and move its marks.

    The caller holds the consumer's lock. A replay is claimed alone: its rows replace what they replaced before. One of
    all deliveries goes first: what is older may wait for the table that it makes.
    """
    if whole := waiting_whole(connection, item):
        return [whole]
    row = connection.execute(select(consumer).where(consumer.c.name == item.name)).one()
    found, marks = [], dict(row.marks)
    for asset in item.inputs:
        first, marks[asset] = first_untaken(connection, row, asset)
        found += first
    if marks != row.marks:
        connection.execute(update(consumer).where(consumer.c.name == item.name).values(marks=marks))
    oldest = sorted(found, key=lambda r: r.number)[: row.width]
    return _fitting(batches_by_id(connection, [one.id for one in oldest]))


def waiting_whole(connection: Connection, item: Consumer) -> Batch | None:
    """Return the replay of all deliveries that waits for a consumer, if there is one that is not parked."""
    values = {"assets": list(item.inputs), "consumer": item.name, "parked": PARKED}
    ids = connection.scalars(WHOLE, values).all()
    return batches_by_id(connection, ids)[0] if ids else None


def first_untaken(connection: Connection, row: Row[Any], asset: str) -> tuple[list[Row[Any]], int]:
    """Find the first batches of an asset that are untaken, and the number up to which all are settled."""
    found: list[Row[Any]] = []
    mark = row.marks.get(asset, 0)
    for window in _windows(connection, row, asset, row.width):
        for one in window:
            if not one.settled:
                found.append(one)
            elif not found:
                mark = one.number
        if len(found) >= row.width:
            break
    return found[: row.width], mark


def _fitting(batches: list[Batch]) -> list[Batch]:
    chosen: list[Batch] = []
    room = settings().hop_max_bytes
    for found in batches:
        if chosen and (found.bytes > room or _is_replay(found) or _is_replay(chosen[0])):
            break
        chosen.append(found)
        room -= found.bytes
    return chosen


def _is_replay(found: Batch) -> bool:
    return found.rerun is not None and found.rerun.replay is not None


def have_untaken(connection: Connection, names: Sequence[str]) -> set[str]:
    """Return which consumers have something to take."""
    first = _first_windows(connection, names)
    found = {one.name for one in first if one.untaken}
    further = {one.name for one in first if one.seen == FIRST_WINDOW} - found
    return found | {name for name in further if next(untaken(connection, name), None)}


def count_untaken(connection: Connection, names: Sequence[str]) -> Counter[str]:
    """Count the batches that each consumer has still to take."""
    first = _first_windows(connection, names)
    further = {one.name for one in first if one.seen == FIRST_WINDOW}
    count = Counter({name: sum(1 for _ in untaken(connection, name)) for name in further})
    for one in first:
        if one.name not in further:
            count[one.name] += one.untaken
    return count


def _first_windows(connection: Connection, names: Sequence[str]) -> Sequence[Row[Any]]:
    """Count what the first window above each mark holds, and what of it is neither taken nor parked."""
    return connection.execute(FIRST_WINDOWS, {"names": list(names), "size": FIRST_WINDOW, "parked": PARKED}).all()


def untaken(connection: Connection, name: str) -> Iterator[Row[Any]]:
    """Walk through id and number of what a consumer has neither taken nor parked, asset by asset in their order."""
    row = connection.execute(select(consumer).where(consumer.c.name == name)).first()
    for asset in row.inputs if row else ():
        for window in _windows(connection, row, asset):  # type: ignore[arg-type]
            yield from (one for one in window if not one.settled)


def _windows(connection: Connection, row: Row[Any], asset: str, width: int = 1) -> Iterator[Sequence[Row[Any]]]:
    """Walk through an asset above a consumer's mark in windows that grow."""
    after, size = row.marks.get(asset, 0), max(FIRST_WINDOW, width)
    while True:
        values = {"asset": asset, "after": after, "size": size, "consumer": row.name, "parked": PARKED}
        window = connection.execute(WINDOW, values).all()
        yield window
        if len(window) < size:
            return
        after, size = window[-1].number, min(size * 4, WIDEST_WINDOW)


def parked(connection: Connection, name: str, ids: Sequence[str] | None = None) -> list[str]:
    """Name the batches that are parked for a consumer, of these or of all."""
    found = select(incident.c.batch).where(
        incident.c.kind == PARKED, incident.c.consumer == name, incident.c.closed_at.is_(None)
    )
    if ids is not None:
        found = found.where(incident.c.batch == func.any(list(ids)))
    return list(connection.scalars(found.order_by(incident.c.id)))


def unpark(connection: Connection, name: str, batch_id: str) -> None:
    """Move a consumer's mark back below a batch that is no longer parked; the caller holds its lock."""
    found = connection.execute(select(batch.c.asset, batch.c.number).where(batch.c.id == batch_id)).one()
    row = connection.execute(select(consumer.c.marks).where(consumer.c.name == name)).one()
    if row.marks.get(found.asset, 0) >= found.number:
        marks = row.marks | {found.asset: found.number - 1}
        connection.execute(update(consumer).where(consumer.c.name == name).values(marks=marks))
