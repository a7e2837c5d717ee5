"""Lineage: from a batch up to the files it came from, or down to the tables it reached."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, literal, or_, select

from common.core.assets import Asset, Zone, asset_name
from common.core.range_keys import lettered, range_of
from common.ledger.places import KEY, ORIGIN, VERSION, key_ends
from common.ledger.tables import batch, batch_parent, hop, receipt

Direction = Literal["up", "down"]
Row = dict[str, Any]


def related(connection: Connection, starts: Sequence[str], direction: Direction, limit: int = 1000) -> list[Row]:
    """List batches and all that they were made of (up) or that was made of them (down), nearest first.

    Each with its depth and, where it was published by a hop, that hop; beyond `limit` the list is cut.
    """
    if direction == "down":
        starts = [*starts, *_fetched(connection, starts)]
    rows = _tree(connection, starts, direction, limit)
    return [*rows, *_ranges(connection, rows)][:limit] if direction == "up" else rows


def _ranges(connection: Connection, rows: Sequence[Row]) -> list[Row]:
    """List the ranges of sources that files in raw were fetched from: their keys name them."""
    depths = {range_: row["depth"] + 1 for row in rows if (range_ := range_of(row["origin"] or ""))}
    return [found | {"depth": depths[found["id"]]} for found in _tree(connection, list(depths), "up", len(depths))]


def _fetched(connection: Connection, starts: Sequence[str]) -> list[str]:
    """Return the files in raw that ranges of sources were put into."""
    ranges = select(batch.c.id, batch.c.asset).where(batch.c.id.in_(starts), batch.c.place.has_key("range"))
    found: list[str] = []
    for row in connection.execute(ranges):
        raw = asset_name(Asset.parse(row.asset).dataset, Zone.RAW)
        named = select(batch.c.id).where(batch.c.asset == raw, KEY.contains(lettered(row.id)))
        found += connection.scalars(named)
    return found


def _tree(connection: Connection, starts: Sequence[str], direction: Direction, limit: int) -> list[Row]:
    here, beyond = (
        (batch_parent.c.child, batch_parent.c.parent)
        if direction == "up"
        else (batch_parent.c.parent, batch_parent.c.child)
    )
    tree = select(batch.c.id, literal(0).label("depth")).where(batch.c.id.in_(starts)).cte("tree", recursive=True)
    tree = tree.union(select(beyond, tree.c.depth + 1).join(tree, here == tree.c.id).where(tree.c.depth < 20))
    nearest = select(tree.c.id, func.min(tree.c.depth).label("depth")).group_by(tree.c.id).subquery()
    rows = connection.execute(
        select(
            nearest.c.depth,
            batch.c.asset,
            batch.c.id,
            batch.c.partition,
            batch.c.records,
            ORIGIN.label("origin"),
            VERSION.label("version"),
            batch.c.created_at.label("created"),
        )
        .join(batch, batch.c.id == nearest.c.id)
        .order_by(nearest.c.depth, batch.c.number)
        .limit(limit)
    )
    return [dict(row) for row in rows.mappings()]


def find(connection: Connection, what: str, limit: int = 20) -> list[str]:
    """Find batches by id, by the key of a file in raw or bronze (whole, or its end), or by an asset's name.

    Of an asset the newest are meant.
    """
    key = what.split("://", 1)[-1].partition("/")[2] if "://" in what else what
    key = key.split("/", 1)[1] if key.startswith(("raw/", "bronze/", "quarantine/")) else key
    named: list[ColumnElement[bool]] = [batch.c.id == what, batch.c.asset == what]
    if "/" in key or "." in key:
        named += key_ends(key)
    query = select(batch.c.id).where(or_(*named)).order_by(batch.c.number.desc()).limit(limit)
    return list(connection.scalars(query))


def hops_of(connection: Connection, ids: list[str]) -> dict[str, list[str]]:
    """Return which hops took each of these batches, as `consumer #n`."""
    rows = connection.execute(
        select(receipt.c.batch, receipt.c.consumer, receipt.c.hop)
        .join(hop, (hop.c.consumer == receipt.c.consumer) & (hop.c.n == receipt.c.hop))
        .where(receipt.c.batch.in_(ids))
        .order_by(receipt.c.consumer)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.batch, []).append(f"{row.consumer} #{row.hop}")
    return found
