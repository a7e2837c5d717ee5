"""What people and the command line ask the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, exists, func, select, union_all

from common.core.ids import batch_id
from common.ledger.incidents import PARKED
from common.ledger.outbox import SENT, is_muted
from common.ledger.places import (
    IS_WHOLE,
    ORIGIN,
    RAW_KEY,
    TIED,
    UNKNOWN,
    touches,
)
from common.ledger.rings import COUNTS
from common.ledger.tables import audit_log, batch, consumer, hop, incident, outbox, receipt
from common.ledger.untaken import count_untaken

Rows = list[dict[str, Any]]
NOTHING_DONE = {"hops": 0, **dict.fromkeys(COUNTS, 0), "last": None}


@dataclass(frozen=True)
class BatchFilter:
    """Which batches are meant: of assets whose name begins so, of a partition, with a file whose key ends so."""

    asset: str = ""
    partition: str = ""
    file: str = ""


def consumers(connection: Connection, beginning: str = "") -> Rows:
    """Return of each consumer its hops, counts, and what waits or is parked for it."""
    named = select(consumer.c.name, consumer.c.kind).where(consumer.c.name.startswith(beginning, autoescape=True))
    rows = connection.execute(named.order_by(consumer.c.name)).all()
    names = [row.name for row in rows]
    done, waiting, parked = _done(connection, names), count_untaken(connection, names), _parked(connection)
    return [
        {
            "consumer": row.name,
            "kind": row.kind,
            **done.get(row.name, NOTHING_DONE),
            "waiting": waiting[row.name],
            "parked": parked.get(row.name, 0),
        }
        for row in rows
    ]


def _done(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    sums = [func.sum(hop.c[part]).cast(BigInteger).label(part) for part in COUNTS]
    columns = (func.count().label("hops"), *sums, func.max(hop.c.published_at).label("last"))
    published = select(hop.c.consumer, *columns).where(hop.c.consumer.in_(names), hop.c.state == "published")
    rows = connection.execute(published.group_by(hop.c.consumer)).mappings()
    return {row["consumer"]: {name: row[name] for name in NOTHING_DONE} for row in rows}


def _parked(connection: Connection) -> dict[str, int]:
    kept = select(incident.c.consumer, func.count()).where(incident.c.kind == PARKED, incident.c.closed_at.is_(None))
    return dict(connection.execute(kept.group_by(incident.c.consumer)).tuples().all())


def incidents(connection: Connection, beginning: str = "", ended: int = 0) -> Rows:
    """List the open incidents of consumers whose name begins so, after the newest of those that are over."""
    named = select(incident.c.id).where(incident.c.consumer.startswith(beginning, autoescape=True))
    newest = named.where(incident.c.closed_at.is_not(None)).order_by(incident.c.id.desc()).limit(ended)
    return _incidents(connection, union_all(named.where(incident.c.closed_at.is_(None)), newest))


def incident_numbered(connection: Connection, number: int) -> Rows:
    """List the incident of a number, open or over, if there is one."""
    return _incidents(connection, select(incident.c.id).where(incident.c.id == number))


def _incidents(connection: Connection, which: Any) -> Rows:
    """List some incidents: `told` says whether a message has arrived, `acknowledged` who answers for it."""
    arrived = exists().where(outbox.c.episode == incident.c.episode, outbox.c.outcome == SENT)
    columns = (incident.c.id, incident.c.kind, incident.c.consumer, incident.c.batch, incident.c.detail)
    rows = connection.execute(
        select(
            *columns,
            incident.c.opened_at.label("opened"),
            arrived.label("told"),
            func.coalesce(audit_log.c.who, "").label("acknowledged"),
            is_muted().label("muted"),
            incident.c.episode,
            incident.c.closed_at.label("closed"),
            incident.c.resolution,
        )
        .outerjoin(audit_log, audit_log.c.n == incident.c.acknowledged)
        .where(incident.c.id.in_(which))
        .order_by(incident.c.closed_at.is_(None), incident.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def incident_messages(connection: Connection, episode: int | None) -> Rows:
    """List the messages of an episode: who was told of what and when, or why not yet; none of what is in none."""
    if episode is None:
        return []
    columns = (outbox.c.event, outbox.c.channel, outbox.c.recipient, outbox.c.tries, outbox.c.outcome, outbox.c.error)
    rows = connection.execute(
        select(*columns, outbox.c.queued_at.label("queued"), outbox.c.ended_at.label("ended"), outbox.c.id)
        .where(outbox.c.episode == episode)
        .order_by(outbox.c.queued_at)
    )
    return [dict(row) for row in rows.mappings()]


def batches(connection: Connection, wanted: BatchFilter, limit: int) -> Rows:
    """List batches, the newest first."""
    query = select(
        batch.c.id,
        batch.c.asset,
        batch.c.partition,
        batch.c.records,
        batch.c.bytes,
        ORIGIN.label("origin"),
        batch.c.created_at.label("created"),
        batch.c.place,
    )
    if wanted.asset:
        query = query.where(batch.c.asset.startswith(wanted.asset, autoescape=True))
    if wanted.partition:
        query = query.where((batch.c.partition == wanted.partition) | touches(wanted.partition))
    if wanted.file:
        query = query.where(ORIGIN.endswith(wanted.file, autoescape=True))
    return [dict(row) for row in connection.execute(query.order_by(batch.c.number.desc()).limit(limit)).mappings()]


def hops(connection: Connection, beginning: str, state: str, limit: int) -> Rows:
    """List hops of consumers whose name begins so, the newest first.

    `tied` counts the keys of which several different rows had the latest version, `unknown` the columns of the hop's
    files that the contract lacks.
    """
    query = select(
        hop.c.consumer,
        hop.c.n,
        hop.c.state,
        hop.c.taken,
        hop.c.good,
        hop.c.merged,
        hop.c.refused,
        func.jsonb_array_length(hop.c.batches).label("batches"),
        hop.c.contract,
        hop.c.attempt,
        hop.c.owner,
        hop.c.deaths,
        hop.c.rung,
        hop.c.run_id,
        hop.c.opened_at.label("opened"),
        hop.c.published_at.label("published"),
        consumer.c.kind,
    ).where(hop.c.consumer.startswith(beginning, autoescape=True), consumer.c.name == hop.c.consumer)
    if state:
        query = query.where(hop.c.state == state)
    rows = connection.execute(query.order_by(hop.c.opened_at.desc()).limit(limit)).mappings().all()
    outputs = {batch_id(row["consumer"], row["n"]): row for row in rows}
    counted = select(batch.c.id, func.coalesce(TIED, 0), func.coalesce(UNKNOWN, 0)).where(batch.c.id.in_(outputs))
    found = {id_: {"tied": tied, "unknown": unknown} for id_, tied, unknown in connection.execute(counted)}
    return [{**row, **found.get(id_, {"tied": 0, "unknown": 0})} for id_, row in outputs.items()]


def parked_batches(connection: Connection) -> Rows:
    """List parked batches with their file, the oldest first."""
    rows = connection.execute(
        select(
            incident.c.batch,
            incident.c.consumer,
            RAW_KEY.label("origin"),
            batch.c.asset,
            batch.c.bytes,
            batch.c.partition,
            incident.c.opened_at.label("opened"),
            incident.c.detail,
        )
        .join(batch, batch.c.id == incident.c.batch)
        .where(incident.c.kind == PARKED, incident.c.closed_at.is_(None))
        .order_by(incident.c.id)
    )
    return [dict(row) for row in rows.mappings()]


def recent_sizes(connection: Connection, name: str, hops: int = 20) -> list[float]:
    """Return how many records a batch of each recent hop held, the newest first; a replay of all is like none."""
    of_hop = (receipt.c.consumer == hop.c.consumer) & (receipt.c.hop == hop.c.n)
    whole = exists().where(of_hop, batch.c.id == receipt.c.batch, IS_WHOLE)
    done = select(hop.c.taken / func.jsonb_array_length(hop.c.batches)).where(
        hop.c.consumer == name, hop.c.state == "published", hop.c.taken > 0, ~whole
    )
    return [float(size) for size in connection.scalars(done.order_by(hop.c.n.desc()).limit(hops))]
