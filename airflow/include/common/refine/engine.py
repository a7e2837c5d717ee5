"""The seam of refining: an engine reads files by a contract and writes rows where no reader looks.

Facts and places cross it, never frames: so it may be a thread, or a cluster on other machines.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from common.contracts.contract import Contract
from common.core.nouns import Batch, Counts, Refusal
from common.lake.publish import Part
from common.quality.batch import BatchFacts


@dataclass(frozen=True)
class Task:
    """What a hop gives to an engine.

    `version` is that of the silver table which the rows are compared with. Where `again` is set the one batch replaces
    the rows that its file gave before. `under` is hop and attempt, below which parts may be written.
    """

    consumer: str
    kind: str
    contract: Contract
    batches: tuple[Batch, ...]
    version: int
    again: bool
    under: str


@dataclass(frozen=True)
class Written:
    """What an engine has written: parts to append or the address of rows to merge, and what it refused.

    `records` counts the rows that change, `partitions` names those of the table that they touch, `refused` is the
    address of the refused rows in quarantine.
    """

    records: int
    append: tuple[Part, ...] = ()
    merge: str = ""
    partitions: frozenset[str] = frozenset()
    refusals: tuple[Refusal, ...] = ()
    refused: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The objects that belong to the attempt."""
        return (*(part.path for part in self.append), *([self.refused] if self.refused else []))


class Reading(Protocol):
    """Files that were read and judged record by record; nothing of it is written yet."""

    @property
    def facts(self) -> tuple[BatchFacts, ...]:
        """What was found in each batch, in the task's order."""
        ...

    def counts(self) -> Counts:
        """Count the records: good ones give the table a new key."""
        ...

    def write(self) -> Written:
        """Write rows and refused rows; raises ConservationError where other rows come out than were counted."""
        ...


class Engine(Protocol):
    """Where refining is done."""

    def read(self, task: Task) -> AbstractContextManager[Reading]:
        """Read the files of a task; what is held open lives until the block ends.

        Raises UnreadableFile, QualityError, StoreUnavailable.
        """
        ...
