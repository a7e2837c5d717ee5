"""What may be declared about a file, and what has been found out about one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "json", "ndjson", "parquet"]
Compression = Literal["none", "gzip", "zip"]

RECORD = "_record"  # the number of a record in its file; no column of a file may be called so
BLANKS = " "  # the delimiter that stands for any run of blanks and tabs


@dataclass(frozen=True)
class Dialect:
    """What a contract may declare about its files; what is None is found out."""

    format: str | None = None  # csv is any delimited text
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Shape:
    """What a file is: enough to read it without looking at its name again."""

    format: Format
    compression: Compression
    encoding: str
    delimiter: str | None
    quote: str | None
    header: bool
    columns: tuple[str, ...]
    skip: int = 0  # physical lines above the first record: the header's, and blank ones
    absent: tuple[str, ...] = ()  # expected columns that were not seen; JSON reads them all the same
    newline: str = "\n"  # "\r" where nothing else ends a line
    strings: tuple[str, ...] = ()  # JSON columns that held nothing but strings where it was sniffed


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return column names that are neither empty, repeated nor reserved, in order."""
    taken = {RECORD}
    unique: list[str] = []
    for place, name in enumerate(names, start=1):
        wanted = name.strip() or f"column_{place}"
        candidate, copy = wanted, 1
        while candidate in taken:
            copy += 1
            candidate = f"{wanted}_{copy}"
        taken.add(candidate)
        unique.append(candidate)
    return tuple(unique)
