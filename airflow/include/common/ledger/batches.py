"""Batches: record them, find them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import insert

from common.core.arrivals import microseconds, raised
from common.core.nouns import Batch
from common.core.places import Place, from_json, to_json
from common.ledger.places import ARRIVAL, IS_DELIVERY, IS_IN_BRONZE, IS_UNDATED, KEY
from common.ledger.tables import batch, batch_parent

ASSET_LOCK = 0x57A7E2542


def record_batches(connection: Connection, batches: Iterable[Batch], run_id: str = "") -> None:
    """Record batches that may be known already; an id is made of what the batch is, so equal means same.

    The order of the call becomes the order of arrival; parents must be known. Whoever records into an asset keeps
    others from it until the transaction ends, so that its numbers become visible in their order: the marks of
    consumers rely on it.
    """
    rows = list(batches)
    if not rows:
        return
    known = set(connection.scalars(select(batch.c.id).where(batch.c.id.in_([row.id for row in rows]))))
    fresh = [row for row in rows if row.id not in known]
    if fresh:
        for asset in sorted({row.asset for row in fresh}):
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(asset, ASSET_LOCK))))
        connection.execute(insert(batch).on_conflict_do_nothing(), [_row(b, run_id) for b in fresh])
    if parents := [{"child": b.id, "parent": p} for b in rows for p in b.parents]:
        connection.execute(insert(batch_parent).on_conflict_do_nothing(), parents)


def _row(item: Batch, run_id: str) -> dict[str, Any]:
    return {
        "id": item.id,
        "asset": item.asset,
        "partition": item.partition,
        "records": item.records,
        "bytes": item.bytes,
        "checksum": item.checksum,
        "contract": item.contract,
        "place": to_json(item.place, item.rerun),
        "run_id": run_id,
    }


def batch_of(row: Row[Any]) -> Batch:
    """Return the batch of a row of table `batch`, without its parents."""
    place, rerun = from_json(row.place)
    return Batch(
        id=row.id,
        asset=row.asset,
        records=row.records,
        bytes=row.bytes,
        checksum=row.checksum,
        partition=row.partition,
        contract=row.contract,
        place=place,
        rerun=rerun,
    )


def batches_by_id(connection: Connection, ids: Sequence[str]) -> list[Batch]:
    """Read batches in the order of the ids; an unknown id is a KeyError."""
    rows = {row.id: batch_of(row) for row in connection.execute(select(batch).where(batch.c.id.in_(ids)))}
    return [rows[i] for i in ids]


def places_of(connection: Connection, asset: str) -> list[Place]:
    """Return where the batches of an asset lie."""
    return [from_json(stored)[0] for stored in connection.scalars(select(batch.c.place).where(batch.c.asset == asset))]


def with_arrivals(connection: Connection, asset: str, batches: Sequence[Batch]) -> list[Batch]:
    """Return the deliveries of an asset with their arrivals; one that is recorded already keeps what it has.

    The caller keeps others from recording deliveries of the asset, and gives them in the order in which they were seen.
    """
    ids = [item.id for item in batches]
    known = {row.id: batch_of(row) for row in connection.execute(select(batch).where(batch.c.id.in_(ids)))}
    moments = [microseconds(item.raw.modified) for item in batches if item.id not in known]
    if not moments:
        return [known[item.id] for item in batches]
    taken = select(ARRIVAL).where(batch.c.asset == asset, IS_DELIVERY, min(moments) <= ARRIVAL)
    arrivals = raised(moments, connection.scalars(taken).all())
    return [known.get(item.id) or _arrived(item, next(arrivals)) for item in batches]


def _arrived(item: Batch, arrival: int) -> Batch:
    return replace(item, place=replace(item.raw, arrival=arrival))


def undated_files(connection: Connection, asset: str) -> dict[str, int]:
    """Return the arrivals of the files in bronze that were recorded without one, by key.

    They are made of when each landed and of the order in which they were recorded, so they are always the same.
    """
    landed = batch.c.place["landed"].astext.label("landed")
    rows = connection.execute(
        select(KEY.label("key"), landed).where(batch.c.asset == asset, IS_UNDATED).order_by(batch.c.number)
    )
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(row.key, microseconds(row.landed))
    ordered = sorted(first, key=lambda key: first[key])
    return dict(zip(ordered, raised(first[key] for key in ordered), strict=True))


def known_deliveries(connection: Connection, asset: str, keys: Iterable[str]) -> set[tuple[str, str]]:
    """Return raw key and checksum of what an asset in bronze has of these keys."""
    raw = batch.c.place["raw"].astext
    wanted = (batch.c.asset == asset) & IS_IN_BRONZE & raw.in_(set(keys))
    rows = connection.execute(select(raw.label("key"), batch.c.checksum).where(wanted))
    return {(row.key, row.checksum) for row in rows}


def known_checksums(connection: Connection, asset: str, checksums: Iterable[str]) -> set[tuple[str, str | None]]:
    """Return which of the checksums an asset has recorded, each with its partition."""
    rows = connection.execute(
        select(batch.c.checksum, batch.c.partition).where(batch.c.asset == asset, batch.c.checksum.in_(set(checksums)))
    )
    return {(row.checksum, row.partition) for row in rows}
