"""What may be declared about a file, and what has been found out about one."""

from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "json", "ndjson", "parquet"]
Compression = Literal["none", "gzip", "zip"]


@dataclass(frozen=True)
class Dialect:
    """What a contract may declare about its files; what is None is found out from their content."""

    format: str | None = None  # csv is any delimited text
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None


@dataclass(frozen=True)
class Shape:
    """What a file is: enough to read it without looking at its name again.

    It is written into the places of batches for ever: a field is only added, with a default.
    """

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
