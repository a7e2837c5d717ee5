"""A bounded part of a file: its good records as a frame, and every malformed one with its place and bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from common.formats.names import RECORD

_PLACE = {RECORD: pl.Int64, "_line": pl.Int64, "_offset": pl.Int64, "_text": pl.Binary}
_MALFORMED = {**_PLACE, "reason": pl.String}


class Spot(NamedTuple):
    """Where a record stands in the decompressed file; a Parquet file has neither lines nor texts."""

    record: int
    line: int | None
    offset: int | None
    text: bytes | None


@dataclass
class Chunk:
    """Some records of a file, in order: `frame` holds the good ones, `malformed` the others."""

    frame: pl.DataFrame
    malformed: pl.DataFrame
    _spots: Callable[[Sequence[int]], list[Spot]] = field(repr=False)

    def locate(self, records: Sequence[int]) -> pl.DataFrame:
        """Return _record, _line, _offset and _text of these records of the frame."""
        wanted = sorted(set(records))
        spots = self._spots(wanted) if wanted else []
        return pl.DataFrame(spots, schema=_PLACE, orient="row")


def malformed(spots: Sequence[tuple[Spot, str]]) -> pl.DataFrame:
    """Return refused records as a frame: their places and the reason of each."""
    return pl.DataFrame([(*spot, reason) for spot, reason in spots], schema=_MALFORMED, orient="row")


def numbered(frames: Sequence[pl.DataFrame], columns: Sequence[str], numbers: pl.Series) -> pl.DataFrame:
    """Return frames as one, with the number of each record in its file."""
    empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    rows = pl.concat(frames or [empty]).with_columns(numbers.alias(RECORD))
    return rows.rechunk()  # expressions over columns in several pieces would put them together again and again


def good_numbers(first: int, records: int, refused: Sequence[int]) -> pl.Series:
    """Return the numbers from `first` on of the records that were not refused."""
    numbers = pl.int_range(first, first + records, dtype=pl.Int64, eager=True)
    return numbers.filter(~numbers.is_in(refused)) if refused else numbers
