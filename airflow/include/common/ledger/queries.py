"""What people and the command line ask the ledger."""

from typing import Any

from sqlalchemy import Connection, func, select

from common.ledger.incidents import FAILED
from common.ledger.tables import batch, consumer, hop, incident
from common.ledger.untaken import parked, untaken

Rows = list[dict[str, Any]]


def consumers(connection: Connection) -> Rows:
    """Tell of each consumer its hops, counts, and what waits or is parked for it."""
    return [
        _consumer(connection, row.name, row.kind)
        for row in connection.execute(select(consumer).order_by(consumer.c.name))
    ]


def _consumer(connection: Connection, name: str, kind: str) -> dict[str, Any]:
    sums = [func.coalesce(func.sum(hop.c[part]), 0).label(part) for part in ("taken", "good", "merged", "refused")]
    done = connection.execute(
        select(func.count().label("hops"), *sums, func.max(hop.c.published_at).label("last")).where(
            hop.c.consumer == name, hop.c.state == "published"
        )
    ).one()
    return {
        "consumer": name,
        "kind": kind,
        "hops": done.hops,
        **{part: int(getattr(done, part)) for part in ("taken", "good", "merged", "refused")},
        "waiting": sum(1 for _ in untaken(connection, name)),
        "parked": len(parked(connection, name)),
        "last": done.last,
    }


def incidents(connection: Connection) -> Rows:
    """List the open incidents."""
    rows = connection.execute(
        select(
            incident.c.kind,
            incident.c.consumer,
            incident.c.batch,
            incident.c.opened_at.label("opened"),
            incident.c.detail,
        )
        .where(incident.c.closed_at.is_(None), incident.c.kind != FAILED)
        .order_by(incident.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def batches(connection: Connection, asset: str, limit: int) -> Rows:
    """List batches of an asset, or of all, the newest first."""
    query = select(
        batch.c.id,
        batch.c.asset,
        batch.c.partition,
        batch.c.records,
        batch.c.bytes,
        batch.c.created_at.label("created"),
        batch.c.place,
    )
    if asset:
        query = query.where(batch.c.asset == asset)
    return [dict(row) for row in connection.execute(query.order_by(batch.c.number.desc()).limit(limit)).mappings()]


def recent_sizes(connection: Connection, name: str, hops: int = 20) -> list[float]:
    """Tell how many records a batch of each recent hop held, the newest first."""
    done = select(hop.c.taken / func.jsonb_array_length(hop.c.batches)).where(
        hop.c.consumer == name, hop.c.state == "published", hop.c.taken > 0
    )
    return [float(size) for size in connection.scalars(done.order_by(hop.c.n.desc()).limit(hops))]
