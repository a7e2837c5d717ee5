"""Which columns of a task Spark types by itself, and which its reader has to; the names that they travel under."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from common.contracts.contract import Column, Contract, Kind, Numbers
from common.contracts.patterns import ascii_classes
from common.contracts.times import pattern_of
from common.core.shape import Shape
from common.refine.match import of_shape

PLACES = "kind int, batch string, record bigint, line bigint, offset bigint, text binary"
REASONS = "rule string, column string, value string, key string"
ROW, REFUSED, TALLY, FAULT = range(4)  # what a row of the reader's is
NUMERIC = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
FIXED = {"m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "Y": 4}  # the words of formats that are digits and nothing else
# Of a pattern of these pieces every engine says alike whether it fits a whole text: no class or dot of all letters,
# no border of a word, no letter that has two cases.
SAFE = re.compile(
    r"(?:[A-Za-z0-9 _@:/#%=,;~-]|\\[./+*?()|$^-]|\[[A-Za-z0-9_ -]+\]|\(\?:|[()|?*+]|\{[0-9]+(?:,[0-9]*)?\})*"
)


@dataclass(frozen=True)
class Routed:
    """A column that the reader types, by the very expressions of one machine, and why Spark does not."""

    column: str
    why: str


# Where engines disagree by nature nobody but the reader of one machine decides.
DISAGREEMENTS: tuple[tuple[Callable[[Column], bool], str], ...] = (
    (
        lambda column: bool(column.normalise or column.case or column.mail_domains),
        "Unicode forms, letters' case, addresses and telephone numbers differ between libraries",
    ),
    (
        lambda column: column.form == "email" or not SAFE.fullmatch(ascii_classes(column.pattern or "")),
        "regular expressions differ between engines",
    ),
    (lambda column: column.kind is Kind.DOUBLE, "engines read and write doubles otherwise"),
    (
        lambda column: column.kind in NUMERIC and column.numbers != Numbers(),
        "its numbers are written with signs of their own",
    ),
    (
        lambda column: column.kind is Kind.DECIMAL and column.precision == column.scale,
        "it has no digits before the point",
    ),
    (
        lambda column: (
            column.multiple_of is not None and not (column.kind is Kind.INTEGER and column.multiple_of % 1 == 0)
        ),
        "remainders of decimals are of the engine's own precision",
    ),
    (
        lambda column: column.kind is Kind.TIMESTAMP and column.clock.zone != "UTC",
        "engines have time zones of their own",
    ),
    (
        lambda column: bool(column.formats) and plain_format(column) is None,
        "its format has words, zones or short years or no day, or there are several",
    ),
    (
        lambda column: not all(text.isascii() for text in (*column.true_values, *column.false_values)),
        "letters' case differs between libraries",
    ),
)


def routed(contract: Contract, shapes: Sequence[Shape]) -> tuple[Routed, ...]:
    """Name the columns of which no expression is exact on every Spark, for files of these shapes."""
    found = ((column.name, next(_reasons(column, contract, shapes), None)) for column in contract.columns)
    return tuple(Routed(name, why) for name, why in found if why)


def _reasons(column: Column, contract: Contract, shapes: Sequence[Shape]) -> Iterator[str]:
    if any(_typed(column, contract, shape) for shape in shapes):
        yield "its files hold values that are no texts"
    if column.name in contract.files.told:
        yield "its values are compared with the file's key"
    yield from (why for disagree, why in DISAGREEMENTS if disagree(column))


def _typed(column: Column, contract: Contract, shape: Shape) -> bool:
    """Return whether a file may hold what is no text, where the column's meaning depends on that."""
    if shape.format == "parquet":
        return True
    name = of_shape(shape, contract).files.get(column.name, column.source)
    json = shape.format in ("json", "ndjson") and not {name, column.source} <= set(shape.strings)
    return column.kind in NUMERIC and (json or bool({name, column.source} & set(shape.typed)))


def plain_format(column: Column) -> str | None:
    """Return the one format of a column, in strftime's words, where it is of digits and signs alone."""
    if len(column.formats) != 1:
        return None
    pattern = pattern_of(column.formats[0], clock=column.kind is Kind.TIMESTAMP)
    text = pattern.strptime
    words = [text[at + 1] for at in range(len(text) - 1) if text[at] == "%"]
    usual = {"Y", "m", "d"} <= set(words) <= FIXED.keys()
    return text if usual and not pattern.wary and not pattern.zoned else None


def value(number: int) -> str:
    """Name the column that holds the typed values of a contract's column, in their physical type."""
    return f"v{number}"


def given(number: int) -> str:
    """Name the column that holds the texts of a contract's column as they stand in the file."""
    return f"i{number}"


def sure(number: int) -> str:
    """Name the column that says of which values it is sure that they are good."""
    return f"s{number}"


def physical(column: Column) -> str:
    """Return the type of Spark that a column's values travel in: no calendar or zone of an engine touches them."""
    types = {
        Kind.STRING: "string",
        Kind.INTEGER: "bigint",
        Kind.DOUBLE: "double",
        Kind.BOOLEAN: "boolean",
        Kind.DATE: "int",
        Kind.TIMESTAMP: "bigint",
    }
    return types.get(column.kind) or f"decimal({column.precision},{column.scale})"


def carried(column: Column) -> pl.Expr:
    """Return the values of a typed column as they travel."""
    values = pl.col(column.name)
    return values if column.kind is Kind.DECIMAL else values.to_physical()
