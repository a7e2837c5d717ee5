"""What every source offers: say what there is to fetch, and fetch what was pinned into a local file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from common.core.places import SourceRange

ROLE = "which a contract names as `conn` of its source"
CHAINED = ("watermark", "revision")  # ranges that begin where the last one ended


class Gone(Exception):
    """What was pinned is not there any more, or is not what it was: the next look pins what is there then."""


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a source: the last range, and whether it has come; `at` is the ledger's time."""

    at: datetime
    last: SourceRange | None = None
    came: bool = True


@dataclass(frozen=True)
class Found:
    """What a look has found to fetch, and what it has to say where that is nothing."""

    ranges: tuple[SourceRange, ...]
    why: str = ""


class Source(Protocol):
    """One source of one dataset."""

    def look(self, known: Known) -> Found:
        """Say what there is to fetch now; what is recorded already may be named again, unless it is chained.

        Raises ConfigError where there is no such thing, SourceError, SourceUnavailable.
        """
        ...

    def fetch(self, pinned: SourceRange, to: Path) -> int:
        """Write what was pinned to a file and return how many records it holds; none leaves no file that counts.

        A file that is copied as it is counts as one. Raises Gone, SourceError, SourceUnavailable.
        """
        ...

    def suffix(self, pinned: SourceRange) -> str:
        """Return how the name of the file ends, with its dot."""
        ...


def moment_name(at: datetime) -> str:
    """Write a point in time so that names sort as the times do."""
    return f"{at:%Y-%m-%dT%H%M%S.%f}Z"


def joined(problems: Iterator[str], most: int = 5) -> str:
    """List problems, the first few of them in words."""
    every = list(problems)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return "; ".join(every[:most]) + more
