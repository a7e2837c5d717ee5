"""Rings: which published hops nobody was told of, and which consumers have something to do."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from common.ledger.consumers import lock
from common.ledger.places import PARTITIONS
from common.ledger.tables import batch, consumer, hop
from common.ledger.untaken import have_untaken, parked, untaken

COUNTS = ("taken", "good", "merged", "refused")
LISTED = 100  # an event lists so many batches at most; the ledger knows the rest


@dataclass(frozen=True)
class Ring:
    """What an asset event says: the hops it announces, and their newest batches. A doorbell, not the truth."""

    consumer: str
    hops: tuple[int, ...]
    batches: tuple[str, ...]
    partitions: tuple[str, ...]
    records: int
    counts: dict[str, int]

    @property
    def extra(self) -> dict[str, Any]:
        """Return the event's extra."""
        return asdict(self)


def to_ring(connection: Connection, name: str) -> Ring | None:
    """Collect every published hop of a consumer that was not rung yet."""
    unrung = (hop.c.consumer == name) & (hop.c.state == "published") & ~hop.c.rung
    rows = connection.execute(select(hop.c.n, *(hop.c[name] for name in COUNTS)).where(unrung)).all()
    if not rows:
        return None
    output = select(consumer.c.output).where(consumer.c.name == name).scalar_subquery()
    newest_first = select(batch.c.id, batch.c.partition, PARTITIONS.label("touched")).where(batch.c.asset == output)
    batches = connection.execute(newest_first.order_by(batch.c.number.desc()).limit(LISTED)).all()
    return Ring(
        consumer=name,
        hops=tuple(sorted(row.n for row in rows)),
        batches=tuple(found.id for found in batches),
        partitions=tuple(sorted({name for found in batches for name in _partitions(found)}))[:LISTED],
        records=sum(row.good + row.merged for row in rows),
        counts={name: sum(getattr(row, name) for row in rows) for name in COUNTS},
    )


def _partitions(found: Any) -> list[str]:
    return [found.partition] if found.partition else list(found.touched or [])


def mark_rung(connection: Connection, name: str, hops: Sequence[int]) -> None:
    """Remember that the event of these hops is stored."""
    lock(connection, name)
    connection.execute(update(hop).where(hop.c.consumer == name, hop.c.n.in_(hops)).values(rung=True))


def due(connection: Connection, names: Iterable[str]) -> list[str]:
    """Name the consumers that have a batch to take, a hop to finish or a hop to ring."""
    names = list(names)
    unfinished = select(hop.c.consumer).where(hop.c.consumer.in_(names), (hop.c.state == "open") | ~hop.c.rung)
    found = {*connection.scalars(unfinished.distinct()), *have_untaken(connection, names)}
    return [name for name in names if name in found]


def newest(connection: Connection) -> int:
    """Return the number of the newest batch in the ledger."""
    return connection.scalar(select(batch.c.number).order_by(batch.c.number.desc()).limit(1)) or 0


def outstanding(connection: Connection, name: str, upto: int) -> tuple[int, list[str]]:
    """Count the batches up to a number that a consumer has still to take, and name those parked for it."""
    numbers = select(batch.c.id).where(batch.c.id.in_(parked(connection, name)), batch.c.number <= upto)
    return sum(one.number <= upto for one in untaken(connection, name)), list(connection.scalars(numbers))
