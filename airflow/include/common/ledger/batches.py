"""Batches: record them, find them."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import insert

from common.core.nouns import Batch
from common.core.places import Place, from_json, to_json
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


def known_checksums(connection: Connection, asset: str, checksums: Iterable[str]) -> set[tuple[str, str | None]]:
    """Return which of the checksums an asset has recorded, each with its partition."""
    rows = connection.execute(
        select(batch.c.checksum, batch.c.partition).where(batch.c.asset == asset, batch.c.checksum.in_(set(checksums)))
    )
    return {(row.checksum, row.partition) for row in rows}
