"""What every kind of hop offers to the grammar: how it stages, what one commit publishes, what its target says."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from common.core.nouns import Batch, Consumer, Counts, Head, Refusal
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest

if TYPE_CHECKING:
    from common.lake.table import LakeTable


@dataclass(frozen=True)
class Staged:
    """What an attempt has made where no reader looks, its facts, and the one commit that publishes it.

    `commit` writes data, hop number and attempt to the target at once, where the target's head is the hop before. It
    raises CommitConflict where another attempt was first. `ended` names open refusals of earlier hops whose rows this
    one has taken again.
    """

    counts: Counts
    commit: Callable[[], None]
    outputs: tuple[Batch, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    parts: tuple[str, ...] = ()
    bytes: int = 0
    ended: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """What the ledger has of one consumer, read at one moment with its target's head."""

    head: Head
    known: Head
    hops: list[Any]
    receipts: dict[int, set[str]]
    refusals: set[str]


class Step(Protocol):
    """One kind of hop, of one consumer."""

    @property
    def consumer(self) -> Consumer:
        """The consumer whose hops it does."""
        ...

    @property
    def table(self) -> "LakeTable | None":
        """The lake table that it writes, if it writes one."""
        ...

    def apply(self) -> None:
        """Make what the hops publish into, again and again without harm."""
        ...

    def head(self) -> Head:
        """Read number and attempt of the target's last commit."""
        ...

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Complete what is known of an output only after its commit, such as the Delta version."""
        ...

    def stage(self, held: Claim) -> AbstractContextManager[Staged]:
        """Do the work; what it holds open (files, a transaction) lives until the block ends."""
        ...

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to, and write nothing."""
        ...

    def settle(self, done: Manifest) -> None:
        """Do what may be done only after the hop is recorded.

        A crash may cut it off, and it is not done again: a step that needs it finds what is left at its next look.
        """
        ...

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the target with what the ledger and the winning manifests say of it."""
        ...
