"""In what a table of a warehouse is not as a load asks for it, and by which statements it could become so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from sqlglot import exp

from common.warehouses import sql
from common.warehouses.dialect import Dialect, Widening
from common.warehouses.warehouse import Warehouse

MOST_DIGITS = 38
INTEGERS = {exp.DType.TINYINT: 3, exp.DType.SMALLINT: 5, exp.DType.INT: 10}
INTEGER = (19, 0)  # digits that hold 64 bits


@dataclass(frozen=True)
class Difference:
    """One way in which a table is not as asked for, and the statements that mend it without a change of any value.

    `column` is as the load calls it; a difference of the table or of its key has none. `room` are the digits (all, and
    after the point) of numbers that fit as the column is. An `extra` column is one that nobody asked for.
    """

    text: str
    column: str = ""
    mends: tuple[exp.Expr, ...] = ()
    room: tuple[int, int] | None = None
    extra: bool = False
    absent: bool = False  # there is no such table at all

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class _Kind:
    """A column's type as engines compare it; of decimals and whole numbers the digits, and those after the point."""

    name: exp.DType
    digits: tuple[int, int] | None = None

    def __str__(self) -> str:
        digits = "({}, {})".format(*self.digits) if self.name == exp.DType.DECIMAL and self.digits else ""
        return f"{self.name.value}{digits}"

    @property
    def whole(self) -> bool:
        """Whether it is a type of whole numbers."""
        return self.digits is not None and self.name != exp.DType.DECIMAL

    @property
    def room(self) -> tuple[int, int] | None:
        """Return the digits of which any number fits."""
        return (self.digits[0] - 1, 0) if self.digits and self.whole else self.digits


def differences(
    warehouse: Warehouse, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]
) -> list[Difference]:
    """Compare a table with columns and key; raises ConfigError for names that the engine would change."""
    dialect = warehouse.dialect
    for part in table.split("."):
        dialect.check_name(part)
    dialect.check_columns(schema)
    known = {name: _found(dialect, *facts) for name, *facts in warehouse.query(sql.columns_of(dialect, table))}
    if not known:
        made = (sql.create_schema(table), sql.create_table(dialect, table, schema, key))
        return [Difference(f"there is no table {table}", mends=made, absent=True)]
    asked = {dialect.spelling(name) for name in schema}
    extra = [
        Difference(f"{n} {kind} is no column of the load", n, extra=True) for n, kind in known.items() if n not in asked
    ]
    columns = _columns(dialect, table, known, schema)
    return [*_other_key(warehouse, table, key), *columns, *extra]


def _columns(
    dialect: Dialect, table: str, known: Mapping[str, _Kind], schema: Mapping[str, pl.DataType]
) -> Iterator[Difference]:
    """Compare column by column: those that are missing first."""
    there = {name: dialect.spelling(name) for name in schema if dialect.spelling(name) in known}
    for name, dtype in schema.items():
        if name not in there:
            kind = _wanted(dialect, dtype)
            added = sql.add_column(dialect, table, dialect.spelling(name), dtype)
            yield Difference(f"{dialect.spelling(name)} is missing, asked for is {kind}", name, (added,))
    for name, spelled in there.items():
        yield from _type(dialect, table, (name, spelled), known[spelled], _wanted(dialect, schema[name]))


def _type(dialect: Dialect, table: str, names: tuple[str, str], found: _Kind, wanted: _Kind) -> Iterator[Difference]:
    """Compare two types: the same, one that holds more, one that can be widened, or another."""
    name, spelled = names
    digits = _union(found, wanted)
    if digits is None or digits[0] > MOST_DIGITS:
        if digits or found.name != wanted.name:
            yield Difference(f"{spelled} is {found}, asked for is {wanted}", name, room=digits and found.room)
        return
    if digits == found.digits:
        return
    whole = found.whole and wanted.whole
    wider = pl.Int64() if whole else pl.Decimal(*digits)
    asked = wanted if whole else _Kind(exp.DType.DECIMAL, digits)
    text = f"{spelled} is {found}, asked for is {asked}"
    same_scale = found.digits is not None and found.digits[1] == digits[1]
    if dialect.widens == Widening.ANY or (dialect.widens == Widening.BEFORE_THE_POINT and same_scale):
        yield Difference(text, name, (sql.widen_column(dialect, table, spelled, wider),), found.room)
    else:
        yield Difference(f"{text}, and {dialect.sql} cannot widen it", name, room=found.room)


def _found(dialect: Dialect, name: str, precision: int | None, scale: int | None) -> _Kind:
    kind = exp.DataType.build(name, dialect=dialect.sql, udt=True).this  # strangers may have types of their own
    return _kind(kind, (precision, scale or 0) if precision else None)


def _wanted(dialect: Dialect, dtype: pl.DataType) -> _Kind:
    written = dialect.column_type(dtype).sql(dialect=dialect.sql)
    digits = (dtype.precision or MOST_DIGITS, dtype.scale) if isinstance(dtype, pl.Decimal) else None
    return _kind(exp.DataType.build(written, dialect=dialect.sql).this, digits)


def _kind(name: exp.DType, digits: tuple[int, int] | None) -> _Kind:
    if name in exp.DataType.TEXT_TYPES:
        return _Kind(exp.DType.VARCHAR)
    if name in INTEGERS:
        return _Kind(name, (INTEGERS[name], 0))
    if name in exp.DataType.INTEGER_TYPES:
        return _Kind(exp.DType.BIGINT, INTEGER)
    return _Kind(name, digits if name == exp.DType.DECIMAL else None)


def _union(one: _Kind, other: _Kind) -> tuple[int, int] | None:
    """Return the digits that hold all values of both, where both are exact numbers."""
    if not (one.digits and other.digits):
        return None
    before = max(digits - scale for digits, scale in (one.digits, other.digits))
    scale = max(one.digits[1], other.digits[1])
    return before + scale, scale


def _other_key(warehouse: Warehouse, table: str, key: Sequence[str]) -> Iterator[Difference]:
    if not warehouse.dialect.keys:
        return
    found = [column for (column,) in warehouse.query(sql.key_of(warehouse.dialect, table))]
    if found and set(found) != set(key):
        yield Difference(f"its key is {', '.join(found)}, asked for is {', '.join(key)}")
