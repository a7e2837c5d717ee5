"""Make the table that a load fills; one that is there is given what it lacks, as far as no value changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from sqlglot import exp

from common.core.errors import ContractError
from common.warehouses import sql
from common.warehouses.dialect import Dialect, Widening
from common.warehouses.warehouse import Warehouse

MOST_DIGITS = 38
INTEGER = (19, 0)  # digits that hold 64 bits


@dataclass(frozen=True)
class _Kind:
    """A column's type as engines compare it; of decimals and whole numbers the digits, and those after the point."""

    name: exp.DType
    digits: tuple[int, int] | None = None

    def __str__(self) -> str:
        digits = "({}, {})".format(*self.digits) if self.name == exp.DType.DECIMAL and self.digits else ""
        return f"{self.name.value}{digits}"


def create(warehouse: Warehouse, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> None:
    """Make a table, its schema and its columns where they are missing, and give decimals the digits that they lack.

    Raises ContractError as `changes` does.
    """
    if statements := changes(warehouse, table, schema, key):
        warehouse.apply(statements)


def changes(warehouse: Warehouse, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> list[exp.Expr]:
    """Return the statements that give a table what it lacks of a schema; none where it lacks nothing.

    Raises ContractError where a column has another type, or the table another key: only its owner drops a table.
    """
    dialect = warehouse.dialect
    for part in table.split("."):
        dialect.check_name(part)
    dialect.check_columns(schema)
    schema = {dialect.spelling(name): dtype for name, dtype in schema.items()}
    known = {name: _found(dialect, *facts) for name, *facts in warehouse.query(sql.columns_of(dialect, table))}
    if not known:
        return [sql.create_schema(table), sql.create_table(dialect, table, schema, key)]
    wanted = {name: _wanted(dialect, dtype) for name, dtype in schema.items()}
    _refuse(warehouse, table, [*_other_types(known, wanted), *_other_key(warehouse, table, key)])
    grown = dict(_grown(known, wanted))
    _refuse(warehouse, table, list(_too_stiff(dialect, known, grown)))
    missing = [sql.add_column(dialect, table, *column) for column in schema.items() if column[0] not in known]
    return [*missing, *(sql.widen_column(dialect, table, n, pl.Decimal(*d)) for n, d in grown.items())]


def _found(dialect: Dialect, name: str, precision: int | None, scale: int | None) -> _Kind:
    kind = exp.DataType.build(name, dialect=dialect.sql).this
    return _kind(kind, (precision, scale or 0) if precision else None)


def _wanted(dialect: Dialect, dtype: pl.DataType) -> _Kind:
    written = dialect.column_type(dtype).sql(dialect=dialect.sql)
    digits = (dtype.precision or MOST_DIGITS, dtype.scale) if isinstance(dtype, pl.Decimal) else None
    return _kind(exp.DataType.build(written, dialect=dialect.sql).this, digits)


def _kind(name: exp.DType, digits: tuple[int, int] | None) -> _Kind:
    if name in exp.DataType.TEXT_TYPES:
        return _Kind(exp.DType.VARCHAR)
    if name in exp.DataType.INTEGER_TYPES:
        return _Kind(exp.DType.BIGINT, INTEGER)
    return _Kind(name, digits if name == exp.DType.DECIMAL else None)


def _union(one: _Kind, other: _Kind) -> tuple[int, int] | None:
    """Return the digits that hold all values of both, where one of them is a decimal and the other a number, too."""
    if not (one.digits and other.digits and exp.DType.DECIMAL in (one.name, other.name)):
        return None
    before = max(digits - scale for digits, scale in (one.digits, other.digits))
    scale = max(one.digits[1], other.digits[1])
    return before + scale, scale


def _grown(known: Mapping[str, _Kind], wanted: Mapping[str, _Kind]) -> Iterator[tuple[str, tuple[int, int]]]:
    """List the columns whose numbers need more digits than they have."""
    for name in known.keys() & wanted.keys():
        digits = _union(known[name], wanted[name])
        if digits and digits != known[name].digits:
            yield name, digits


def _too_stiff(dialect: Dialect, known: Mapping[str, _Kind], grown: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """List the columns that the engine gives no further digits."""
    for name, (digits, scale) in sorted(grown.items()):
        same_scale = (known[name].digits or INTEGER)[1] == scale
        if dialect.widens == Widening.ANY or (dialect.widens == Widening.BEFORE_THE_POINT and same_scale):
            continue
        asked = f"DECIMAL({digits}, {scale})"
        yield f"{name} is {known[name]}, asked for is {asked}, and {dialect.sql} cannot widen it"


def _other_types(known: Mapping[str, _Kind], wanted: Mapping[str, _Kind]) -> Iterator[str]:
    for name, kind in wanted.items():
        found = known.get(name, kind)
        digits = _union(found, kind)
        if (found.name != kind.name and digits is None) or (digits and digits[0] > MOST_DIGITS):
            yield f"{name} is {found}, asked for is {kind}"


def _other_key(warehouse: Warehouse, table: str, key: Sequence[str]) -> Iterator[str]:
    if not warehouse.dialect.keys:
        return
    found = [column for (column,) in warehouse.query(sql.key_of(warehouse.dialect, table))]
    if found and set(found) != set(key):
        yield f"its key is {', '.join(found)}, asked for is {', '.join(key)}"


def _refuse(warehouse: Warehouse, table: str, reasons: Sequence[str]) -> None:
    if reasons:
        raise ContractError(
            f"{table} in {warehouse} was made otherwise: {'; '.join(reasons)}. A load changes neither type nor key: "
            "drop the table, `watershed apply`, and load all of it by `watershed replay` of a batch of the table in "
            "the lake, with `--to warehouse`; or take the new contract back."
        )
