"""Claim a hop, keep its lease, store its counts, give it back: each under the consumer's lock."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from common.core.errors import ConservationError, LeaseLost
from common.core.ids import attempt_id
from common.core.nouns import Batch, Counts
from common.core.settings import settings
from common.ledger.batches import batch_of, batches_by_id
from common.ledger.consumers import Consumer, lock
from common.ledger.incidents import PARKED, open_incident
from common.ledger.tables import batch, consumer, hop, incident, receipt

DEATHS_BEFORE_NARROWING = 5


@dataclass(frozen=True)
class Claim:
    """One attempt at one hop: what it takes, and at which versions it reads."""

    consumer: str
    hop: int
    attempt: int
    previous: int
    batches: tuple[Batch, ...]
    contract: str
    owner: str
    pins: dict[str, tuple[int, int]] = field(default_factory=dict)
    redefined: bool = False  # whether the last published hop was of another contract or model


@dataclass(frozen=True)
class Leased:
    """Somebody else is at work on the open hop."""

    owner: str


def claim(connection: Connection, item: Consumer, owner: str) -> Claim | Leased | None:
    """Take over the open hop, or open the next one with the oldest untaken batches.

    The caller holds the consumer's lock and has reconciled. None means there is nothing to do.
    """
    current = open_hop(connection, item.name)
    if current is None:
        return _open(connection, item, owner)
    if current.leased and current.owner != owner:
        return Leased(current.owner)
    died = current.deaths + (1 if current.attempt is not None else 0)
    if died >= DEATHS_BEFORE_NARROWING and not item.ordered:
        narrow(connection, item.name, f"{died} attempts died or raised an unknown error")
        return _open(connection, item, owner)
    return _take_over(connection, item, current, owner, died)


def open_hop(connection: Connection, name: str) -> Row[Any] | None:
    """Read the consumer's open hop, with `leased` by the database's clock."""
    leased = func.coalesce(hop.c.lease_until > func.clock_timestamp(), False).label("leased")
    return connection.execute(select(hop, leased).where(hop.c.consumer == name, hop.c.state == "open")).first()


def _lease() -> Any:
    return func.clock_timestamp() + text(f"interval '{settings().lease_seconds} seconds'")


def _last(connection: Connection, name: str) -> Row[Any] | None:
    published = select(hop).where(hop.c.consumer == name, hop.c.state == "published")
    return connection.execute(published.order_by(hop.c.n.desc()).limit(1)).first()


def _open(connection: Connection, item: Consumer, owner: str) -> Claim | None:
    batches = untaken(connection, item)
    if not batches:
        return None
    last = _last(connection, item.name)
    fresh = Claim(
        consumer=item.name,
        hop=last.n + 1 if last else 1,
        attempt=attempt_id(),
        previous=last.attempt if last else 0,
        batches=tuple(batches),
        contract=item.contract,
        owner=owner,
        pins=_pins(item, last, batches),
        redefined=last is not None and last.contract != item.contract,
    )
    connection.execute(
        insert(hop).values(
            consumer=fresh.consumer,
            n=fresh.hop,
            state="open",
            batches=[b.id for b in batches],
            pins=fresh.pins,
            contract=fresh.contract,
            attempt=fresh.attempt,
            owner=owner,
            lease_until=_lease(),
        )
    )
    return fresh


def _pins(item: Consumer, last: Row[Any] | None, batches: list[Batch]) -> dict[str, tuple[int, int]]:
    """Pin for every input the version read before and the one read now; empty for inputs that are files."""
    before = {asset: pin[1] for asset, pin in last.pins.items()} if last else {}
    pins = {asset: (before.get(asset, 0), before.get(asset, 0)) for asset in item.inputs}
    for taken in batches:
        if (version := taken.place.get("version")) is not None:
            low, high = pins[taken.asset]
            pins[taken.asset] = (low, max(high, version))
    return pins if item.ordered else {}


def _take_over(connection: Connection, item: Consumer, current: Row[Any], owner: str, died: int) -> Claim:
    last = _last(connection, item.name)
    taken = Claim(
        consumer=item.name,
        hop=current.n,
        attempt=attempt_id(),
        previous=last.attempt if last else 0,
        batches=tuple(batches_by_id(connection, current.batches)),
        contract=item.contract,
        owner=owner,
        pins=_pins(item, last, []) | {a: (low, high) for a, (low, high) in current.pins.items() if a in item.inputs},
        redefined=last is not None and last.contract != item.contract,
    )
    connection.execute(
        update(hop)
        .where(hop.c.consumer == item.name, hop.c.n == current.n)
        .values(
            attempt=taken.attempt,
            owner=owner,
            lease_until=_lease(),
            deaths=died,
            contract=item.contract,
            pins=taken.pins,
            taken=None,
            good=None,
            merged=None,
            refused=None,
        )
    )
    return taken


def untaken(connection: Connection, item: Consumer) -> list[Batch]:
    """List the oldest batches that the consumer has neither taken nor parked, up to its width and size."""
    width = connection.scalar(select(consumer.c.width).where(consumer.c.name == item.name))
    rows = connection.execute(
        select(batch)
        .where(batch.c.asset.in_(item.inputs), ~taken_by(item.name), ~parked_for(item.name))
        .order_by(batch.c.number)
        .limit(width)
    )
    chosen: list[Batch] = []
    room = settings().hop_max_bytes
    for found in map(batch_of, rows):
        if chosen and found.bytes > room:
            break
        chosen.append(found)
        room -= found.bytes
    return chosen


def taken_by(name: str) -> Any:
    """Say in SQL that the consumer has a receipt for the batch."""
    return exists().where(receipt.c.consumer == name, receipt.c.batch == batch.c.id)


def parked_for(name: str) -> Any:
    """Say in SQL that the batch is parked for the consumer."""
    return exists().where(
        incident.c.kind == PARKED,
        incident.c.consumer == name,
        incident.c.batch == batch.c.id,
        incident.c.closed_at.is_(None),
    )


def _mine(held: Claim) -> Any:
    return (
        (hop.c.consumer == held.consumer)
        & (hop.c.n == held.hop)
        & (hop.c.attempt == held.attempt)
        & (hop.c.state == "open")
    )


def _change(connection: Connection, held: Claim, **values: Any) -> None:
    lock(connection, held.consumer)
    if connection.execute(update(hop).where(_mine(held)).values(**values)).rowcount != 1:
        raise LeaseLost(
            f"Hop {held.hop} of {held.consumer} belongs to another attempt now; this one published nothing."
        )


def heartbeat(connection: Connection, held: Claim) -> None:
    """Renew the lease; raises LeaseLost where another attempt owns the hop."""
    _change(connection, held, lease_until=_lease())


def store_counts(connection: Connection, held: Claim, counts: Counts, size: int) -> None:
    """Store the counts of an attempt; the database refuses those that do not add up.

    Raises ConservationError, LeaseLost.
    """
    values = {"taken": counts.taken, "good": counts.good, "merged": counts.merged, "refused": counts.refused}
    try:
        _change(connection, held, **values, bytes=size, lease_until=_lease())
    except IntegrityError as error:
        raise ConservationError(
            f"Hop {held.hop} of {held.consumer} does not add up: {counts}. Nothing was published."
        ) from error


def release(connection: Connection, held: Claim) -> None:
    """Give the hop back after an error that is nobody's death, so that anyone may take it over at once."""
    lock(connection, held.consumer)
    connection.execute(update(hop).where(_mine(held)).values(attempt=None, owner=None, lease_until=None))


def narrow(connection: Connection, name: str, why: str, attempt: int | None = None) -> str | None:
    """Drop the open hop so that its number goes to a smaller claim; a batch that is alone is parked.

    The caller holds the consumer's lock and has reconciled. With `attempt`, only that attempt's hop is dropped:
    one that lost its lease has nothing to say any more. Returns the parked batch.
    """
    current = open_hop(connection, name)
    if current is None or (attempt is not None and current.attempt != attempt):
        return None
    connection.execute(delete(hop).where(hop.c.consumer == name, hop.c.n == current.n, hop.c.state == "open"))
    if len(current.batches) == 1:
        open_incident(connection, PARKED, name, why, current.batches[0])
        return str(current.batches[0])
    half = max(1, len(current.batches) // 2)
    connection.execute(update(consumer).where(consumer.c.name == name).values(width=half))
    return None
