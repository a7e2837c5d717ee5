"""What people and the command line ask the ledger."""

from typing import Any

from sqlalchemy import Connection, func, select

from common.ledger.claims import parked_for, taken_by
from common.ledger.incidents import FAILED
from common.ledger.tables import batch, consumer, hop, incident, refusal

Rows = list[dict[str, Any]]


def consumers(connection: Connection) -> Rows:
    """Tell of each consumer its hops, counts, and what waits or is parked for it."""
    return [
        _consumer(connection, row.name, row.kind, row.inputs)
        for row in connection.execute(select(consumer).order_by(consumer.c.name))
    ]


def _consumer(connection: Connection, name: str, kind: str, inputs: list[str]) -> dict[str, Any]:
    sums = [func.coalesce(func.sum(hop.c[part]), 0).label(part) for part in ("taken", "good", "merged", "refused")]
    done = connection.execute(
        select(func.count().label("hops"), *sums, func.max(hop.c.published_at).label("last")).where(
            hop.c.consumer == name, hop.c.state == "published"
        )
    ).one()
    untaken = select(func.count()).select_from(batch).where(batch.c.asset.in_(inputs), ~taken_by(name))
    parked = connection.scalar(untaken.where(parked_for(name))) or 0
    return {
        "consumer": name,
        "kind": kind,
        "hops": done.hops,
        **{part: int(getattr(done, part)) for part in ("taken", "good", "merged", "refused")},
        "waiting": (connection.scalar(untaken) or 0) - parked,
        "parked": parked,
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


def refusals(connection: Connection, beginning: str, limit: int) -> Rows:
    """List what was refused, the newest first, with the file it came from."""
    rows = connection.execute(
        select(
            refusal.c.consumer,
            refusal.c.hop,
            refusal.c.reason,
            refusal.c.rule,
            refusal.c["column"],
            refusal.c["count"],
            func.coalesce(batch.c.place["raw"].astext, batch.c.place["key"].astext).label("origin"),
            refusal.c.place,
            refusal.c.batch,
            refusal.c.state,
        )
        .join(batch, batch.c.id == refusal.c.batch)
        .where(refusal.c.consumer.startswith(beginning, autoescape=True))
        .order_by(refusal.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in rows.mappings()]
