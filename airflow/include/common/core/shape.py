"""What may be declared about a file, and what has been found out about one."""

from dataclasses import dataclass
from typing import ClassVar, Literal

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
    skip: int = 0  # physical lines above the header, or above the first record where there is none
    below: int = 0  # physical lines between the header and the first record, such as units
    escape: str | None = None  # what makes a quote, a delimiter or a line end after it a mere character
    trim: bool = False  # blanks around quoted fields are no part of them
    formulas: bool = False  # ="001" is the text 001
    rownames: bool = False  # rows begin with a name of their own, for which the header has none
    trailing: bool = False  # rows end with a delimiter that the header lacks


@dataclass(frozen=True)
class Shape:
    """What a file is: enough to read it without looking at its name again.

    It is written into the places of batches for ever: a field is only added, with a default. Those of `ADDED` are
    written where they differ from it, so that what was written before them stays as it was.
    """

    ADDED: ClassVar = ("escape", "trim", "formulas", "keys", "typed")
    format: Format
    compression: Compression
    encoding: str
    delimiter: str | None
    quote: str | None
    header: bool
    columns: tuple[str, ...]
    skip: int = 0  # physical lines above the first record: the header's, and blank ones
    absent: tuple[str, ...] = ()  # expected columns that were not seen; JSON reads them all the same
    newline: str = "\n"  # "\r" where that ends the header's line, "\r\r\n" where each line has a CR too many
    strings: tuple[str, ...] = ()  # JSON columns that held nothing but strings where it was sniffed
    escape: str | None = None  # this and the next two as the dialect declares them
    trim: bool = False
    formulas: bool = False
    keys: tuple[str, ...] = ()  # what the columns are called in JSON, where that differs
    typed: tuple[str, ...] = ()  # columns of mended rows whose values a typed file gave: its rules hold for them
