"""Claim a hop, keep its lease, store its counts, give it back: each under the consumer's lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from common.core.errors import ConservationError, LeaseLost
from common.core.ids import attempt_id
from common.core.nouns import Batch, Consumer, Counts
from common.core.places import Replay, TableVersion
from common.core.settings import settings
from common.ledger.batches import batches_by_id
from common.ledger.consumers import lock
from common.ledger.incidents import PARKED, REFUSED, RELEASED, open_incident, resolutions
from common.ledger.places import IS_REMADE, VERSION
from common.ledger.tables import batch, consumer, hop
from common.ledger.untaken import oldest_untaken, waiting_whole

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
    released: frozenset[str] = frozenset()  # batches that a person let pass whatever the contract's batch rules say
    refused: frozenset[str] = frozenset()  # parked batches that a person refused: quarantined whole, unread
    remade: frozenset[str] = frozenset()  # inputs whose rows were all replaced between their pins

    @property
    def replay(self) -> Replay | None:
        """What a person asked to be done again, where a batch says so for this consumer or for all."""
        replays = (batch.rerun.replay for batch in self.batches if batch.rerun and batch.rerun.replay)
        return next((replay for replay in replays if replay.consumer in ("", self.consumer)), None)

    @property
    def whole(self) -> Batch | None:
        """The batch that says that every delivery is read again, unless a person refused it; it is claimed alone."""
        return self.batches[0] if self.replay and self.replay.whole and not self.refused else None


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
    whole = waiting_whole(connection, item)
    if whole and whole.id not in current.batches:  # no attempt could do more than wait for the table it makes
        _drop(connection, item.name, current.n)
        return _open(connection, item, owner)
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
    fresh = next_claim(connection, item, owner)
    if fresh is None:
        return None
    connection.execute(
        insert(hop).values(
            consumer=fresh.consumer,
            n=fresh.hop,
            state="open",
            batches=[b.id for b in fresh.batches],
            pins=fresh.pins,
            contract=fresh.contract,
            attempt=fresh.attempt,
            owner=owner,
            lease_until=_lease(),
        )
    )
    return fresh


def next_claim(
    connection: Connection, item: Consumer, owner: str, batches: Sequence[Batch] | None = None
) -> Claim | None:
    """Return what the next hop would take: the oldest untaken batches, or those given; opens nothing."""
    chosen = tuple(oldest_untaken(connection, item) if batches is None else batches)
    return _claim(connection, item, chosen, owner) if chosen else None


def _claim(connection: Connection, item: Consumer, batches: tuple[Batch, ...], owner: str) -> Claim:
    last = _last(connection, item.name)
    decided = {} if item.ordered else resolutions(connection, item.name, [b.id for b in batches])
    remade = _remade(connection, item) if item.ordered else {}
    pins = _pins(item, last, batches, remade)
    return Claim(
        consumer=item.name,
        hop=last.n + 1 if last else 1,
        attempt=attempt_id(),
        previous=last.attempt if last else 0,
        batches=batches,
        contract=item.contract,
        owner=owner,
        pins=pins,
        redefined=last is not None and last.contract != item.contract,
        released=frozenset(b for b, how in decided.items() if how == RELEASED),
        refused=frozenset(b for b, how in decided.items() if how == REFUSED),
        remade=frozenset(asset for asset, version in remade.items() if pins[asset][0] < version),
    )


def _pins(
    item: Consumer, last: Row[Any] | None, batches: Sequence[Batch], remade: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Pin for every input the version read before and the one read now; empty for inputs that are files.

    A table that was remade is read as it was then or later, for what was before may have other types.
    """
    before = {asset: pin[1] for asset, pin in last.pins.items()} if last else {}
    pins = {asset: (before.get(asset, 0), max(before.get(asset, 0), remade.get(asset, 0))) for asset in item.inputs}
    for taken in batches:
        if isinstance(taken.place, TableVersion) and taken.place.version is not None:
            low, high = pins[taken.asset]
            pins[taken.asset] = (low, max(high, taken.place.version))
    return pins if item.ordered else {}


def _remade(connection: Connection, item: Consumer) -> dict[str, int]:
    """Return the version at which each input was last remade, of those that the consumer may not have read yet."""
    mark = consumer.c.marks[batch.c.asset].astext.cast(BigInteger)
    unread = (consumer.c.name == item.name) & (batch.c.number > func.coalesce(mark, 0)) & IS_REMADE
    version = func.max(VERSION.cast(BigInteger))
    found = select(batch.c.asset, version).where(batch.c.asset.in_(item.inputs), unread).group_by(batch.c.asset)
    return {asset: int(at) for asset, at in connection.execute(found)}


def _take_over(connection: Connection, item: Consumer, current: Row[Any], owner: str, died: int) -> Claim:
    batches = tuple(batches_by_id(connection, current.batches))
    pinned = {a: (low, high) for a, (low, high) in current.pins.items() if a in item.inputs}
    fresh = _claim(connection, item, batches, owner)
    taken = replace(fresh, pins={a: _wider(pin, pinned.get(a, pin)) for a, pin in fresh.pins.items()})
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


def _wider(pin: tuple[int, int], pinned: tuple[int, int]) -> tuple[int, int]:
    """Keep what an earlier attempt has pinned, unless the table was remade since."""
    return (pinned[0], max(pin[1], pinned[1]))


def _mine(held: Claim) -> Any:
    return (
        (hop.c.consumer == held.consumer)
        & (hop.c.n == held.hop)
        & (hop.c.attempt == held.attempt)
        & (hop.c.state == "open")
    )


def owns(connection: Connection, held: Claim) -> bool:
    """Return whether this attempt still holds the hop; another may have taken it over."""
    return connection.execute(select(hop.c.n).where(_mine(held))).first() is not None


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


def _drop(connection: Connection, name: str, number: int) -> None:
    """Drop an open hop, so that its number goes to another claim; an attempt that is late may still win it."""
    connection.execute(delete(hop).where(hop.c.consumer == name, hop.c.n == number, hop.c.state == "open"))


def narrow(
    connection: Connection, name: str, why: str, attempt: int | None = None, culprits: Sequence[str] = ()
) -> list[str]:
    """Drop the open hop so that its number goes to a smaller claim; a batch that is alone is parked.

    Where the `culprits` are known they are parked at once, and the next claim takes the others. The caller holds
    the consumer's lock and has reconciled. With `attempt`, only that attempt's hop is dropped: one that lost its
    lease has nothing to say any more. Returns the parked batches.
    """
    current = open_hop(connection, name)
    if current is None or (attempt is not None and current.attempt != attempt):
        return []
    _drop(connection, name, current.n)
    parked = [b for b in current.batches if b in culprits] or (current.batches if len(current.batches) == 1 else [])
    for one in parked:
        open_incident(connection, PARKED, name, why, one)
    if not parked:
        half = max(1, len(current.batches) // 2)
        connection.execute(update(consumer).where(consumer.c.name == name).values(width=half))
    return list(parked)
