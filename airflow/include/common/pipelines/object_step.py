"""What the hops share whose target keeps no token: they are committed by a write-once object."""

from collections.abc import Callable
from functools import partial

from common.core.nouns import Batch, Consumer, Head
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest
from common.pipelines.commit_objects import CommitObjects


class ObjectStep:
    """The part of a step that is about its commits."""

    table = None  # it writes no table of the lake

    def __init__(self, consumer: Consumer) -> None:
        self.consumer, self.commits = consumer, CommitObjects(consumer.name)

    def apply(self) -> None:
        """Nothing is to be made: objects need no place before they are written."""

    def head(self) -> Head:
        """Read the last commit object."""
        return self.commits.head()

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Return the batch as it is: its place is known before the commit."""
        del hop
        return batch

    def commit(self, held: Claim) -> Callable[[], None]:
        """Return what commits the hop of a claim."""
        return partial(self.commits.commit, held)

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do."""
