"""A consumer whose target is made for the test, over a real ledger and real manifests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import text

from common.core.errors import CommitConflict, DataError, ModelError
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts, Dataset, Head
from common.core.places import Unnamed
from common.ledger.batches import record_batches
from common.ledger.claims import Claim
from common.ledger.consumers import apply_consumer
from common.ledger.database import transaction
from common.ledger.manifests import Manifest
from common.pipelines.step import Staged
from tests.world import World

IN, OUT = "shop.things.raw", "shop.things.bronze"


@dataclass
class FakeStep:
    """A target in memory that keeps the rule of compare and set; `poison` batches cannot be staged."""

    ordered: bool = False
    poison: set[str] = field(default_factory=set)
    commits: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)
    fault: Any = None
    settled: list[int] = field(default_factory=list)
    off_by: int = 0

    @property
    def consumer(self) -> Consumer:
        return Consumer("shop.things", "fake", (IN,), OUT, "c1", self.ordered, Dataset("shop", "things"))

    def head(self) -> Head:
        return Head(*self.commits[-1][:2]) if self.commits else Head()

    def with_version(self, batch: Batch, hop: int) -> Batch:
        return batch

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        bad = [b.id for b in held.batches if name_of(b) in self.poison]
        if bad:
            raise (ModelError if self.ordered else DataError)(f"cannot take {bad}")
        if self.fault:
            self.fault("stage", held)
        number = len(held.batches)
        output = Batch(batch_id(OUT, held.hop), OUT, number, parents=tuple(b.id for b in held.batches))
        yield Staged(Counts(number, number - self.off_by, 0, 0), partial(self.publish, held), (output,))

    def publish(self, held: Claim) -> None:
        if self.fault:
            self.fault("before", held)
        self.commit(held)
        if self.fault:
            self.fault("after", held)

    def commit(self, held: Claim) -> None:
        if self.head().hop != held.hop - 1:
            raise CommitConflict("moved")
        self.commits.append((held.hop, held.attempt, tuple(name_of(b) for b in held.batches)))

    def settle(self, done: Manifest) -> None:
        self.settled.append(done.hop)

    @property
    def taken(self) -> list[str]:
        return [name for _, _, names in self.commits for name in names]


def name_of(batch: Batch) -> str:
    return str(batch.place.other["name"])


def arrive(step: FakeStep, *names: str, width: int = 8) -> None:
    with transaction() as connection:
        apply_consumer(connection, step.consumer, width)
        record_batches(connection, [Batch(batch_id(IN, n), IN, place=Unnamed({"name": n})) for n in names])


def incidents(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT kind, closed_at IS NULL FROM incident ORDER BY id", "ledger")


def expire(world: World) -> None:
    """Let every lease be over, on the database's clock."""
    with transaction() as connection:
        connection.execute(text("UPDATE hop SET lease_until = now() - interval '1 second' WHERE state = 'open'"))
