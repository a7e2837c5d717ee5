"""Cells of a sheet as NDJSON: each value as the sheet stores it, dates as it shows them, empty cells as null.

Numbers are written with every digit that a double has, never with an exponent; texts stay texts, with their zeros in
front; a row without any value is no record.
"""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from common.core.errors import SourceError

CORNER = re.compile(r"(?:.*!)?\$?([A-Z]{1,3})?\$?([0-9]+)?(?::.*)?")
Rows = Sequence[Sequence[Any]]


def corner(range_: str) -> tuple[int, int]:
    """Return the number of the first column and row of a range in A1 notation, as `Agents!B2:F`; from 1 on."""
    found = CORNER.fullmatch(range_)
    letters, row = (found[1] or "A", found[2] or "1") if found else ("A", "1")
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number, int(row)


def letters_of(number: int) -> str:
    """Return the letters of a column: 1 is A, 27 is AA."""
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def records(rows: Rows, range_: str, what: str) -> Iterator[str]:
    """Write each row below the header as one JSON object; raises SourceError naming column and row."""
    first, top = corner(range_)
    names = _header(rows[0], first, what) if rows else []
    for number, row in enumerate(rows[1:], top + 1):
        if all(cell == "" or cell is None for cell in row):
            continue
        beyond = [place for place, cell in enumerate(row) if place >= len(names) and cell not in ("", None)]
        if beyond:
            raise SourceError(
                f"{what}: row {number} has a value in column {letters_of(first + beyond[0])}, which has no heading."
            )
        cells = [*row, *[None] * (len(names) - len(row))]
        yield "{" + ", ".join(f"{json.dumps(n)}: {_json(c)}" for n, c in zip(names, cells, strict=False)) + "}"


def _header(cells: Sequence[Any], first: int, what: str) -> list[str]:
    names = [str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise SourceError(f"{what}: its first row is empty, so its columns have no names.")
    for place, name in enumerate(names):
        here = letters_of(first + place)
        if not name:
            raise SourceError(f"{what}: column {here} has no heading. Name it, or leave it out of the range.")
        if name in names[:place]:
            there = letters_of(first + names.index(name))
            raise SourceError(f"{what}: columns {there} and {here} are both called '{name}'. Rename one.")
    return names


def _json(cell: Any) -> str:
    if cell == "" or cell is None:
        return "null"
    return _digits(cell) if isinstance(cell, float) else json.dumps(cell, ensure_ascii=False)


def _digits(number: float) -> str:
    """Write the shortest digits that are this double, without an exponent; whole ones without a fraction."""
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")
