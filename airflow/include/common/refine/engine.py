"""The seam of refining: an engine reads files by a contract and writes rows where no reader looks.

Facts and places cross it, never frames: so it may be a thread, or a cluster on other machines.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from common.contracts.contract import Contract
from common.core.nouns import Batch, Counts, Refusal
from common.lake.parts import Part
from common.quality.batch import BatchFacts


@dataclass(frozen=True)
class Task:
    """What a hop gives to an engine.

    `version` is that of the silver table which the rows are compared with. Where `withdraw` is set the rows that the
    file of the one batch gave before are taken out first, and those of the files `replaced`; what an `outdated` batch
    gives is judged and counted, and not kept. Where the task is `whole` its rows are all that the table will have: they
    are compared with the table to be counted, and not folded into it. `under` is hop and attempt, below which parts may
    be written. `arrivals` are those of the files whose rows in the table have none.
    """

    consumer: str
    kind: str
    contract: Contract
    batches: tuple[Batch, ...]
    version: int
    withdraw: bool
    under: str
    arrivals: Mapping[str, int] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    outdated: frozenset[str] = frozenset()
    whole: bool = False


@dataclass(frozen=True)
class Written:
    """What an engine has written: parts to append or the address of rows to merge, and what it refused.

    `records` counts the rows that change, `partitions` names those of the table that they touch, `refused` is the
    address of the refused rows in quarantine. `unrestored` counts the keys whose row was withdrawn, and may have
    replaced another that would be the latest now; `tied` those of which several rows have the latest version.
    `unknown` counts the columns of the files that the contract lacks.
    """

    records: int
    append: tuple[Part, ...] = ()
    merge: str = ""
    partitions: frozenset[str] = frozenset()
    refusals: tuple[Refusal, ...] = ()
    refused: str = ""
    unrestored: int = 0
    tied: int = 0
    unknown: int = 0

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
