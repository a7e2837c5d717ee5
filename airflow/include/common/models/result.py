"""What the rows of a model must be like before they are published: columns that a table holds, keys that name a row."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import polars as pl

from common.core.errors import ModelError
from common.models.model import Model

HOLDS = "VARCHAR, whole numbers up to BIGINT, DECIMAL, DOUBLE, BOOLEAN, DATE and TIMESTAMP"
# What DuckDB calls a type, up to its parameters, and what it becomes where a table has no such type but a wider one.
STORED: dict[str, pl.DataType | None] = {
    **dict.fromkeys(("VARCHAR", "UUID", "BOOLEAN", "DATE", "FLOAT", "DOUBLE", "DECIMAL", "HUGEINT")),
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT")),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), pl.Int64()),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"), pl.Datetime("us")),
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "UTC"),
    "ENUM": pl.String(),
}
NUL = "\0"
SAFE = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"  # of a value that stands in a path
DAYS = pl.lit(date(1, 1, 1)), pl.lit(date(9999, 12, 31))
MOMENTS = pl.lit(datetime(1, 1, 1, tzinfo=UTC)), pl.lit(datetime(9999, 12, 31, 23, 59, 59, 999999, UTC))


def require_columns(model: Model, types: Mapping[str, str]) -> None:
    """Refuse a result that no table can hold, or without its key or slice; raises ModelError naming every column.

    `types` are DuckDB's words for the columns' types.
    """
    if faults := [*_missing(model, types), *_unstorable(types)]:
        raise ModelError(f"Model {model.dataset}: {'; '.join(faults)}.")


def _missing(model: Model, types: Mapping[str, str]) -> Iterator[str]:
    for word, names in (("key", model.key), ("slice", (model.slice,) if model.slice else ())):
        if absent := [name for name in names if name not in types]:
            yield f"{word}: the SQL gives no column {', '.join(absent)}; it gives {', '.join(types)}"


def _unstorable(types: Mapping[str, str]) -> Iterator[str]:
    for name, kind in types.items():
        if _bare(kind) not in STORED:
            yield f"column '{name}' is {kind}; a table holds {HOLDS}: cast it"


def _bare(kind: str) -> str:
    """Return a type without its parameters; that of a list ends with brackets, and is none."""
    return kind if kind.endswith("]") else kind.partition("(")[0]


def widened(rows: pl.DataFrame, types: Mapping[str, str]) -> pl.DataFrame:
    """Give columns of a type that tables lack the wider one that they have; times are UTC."""
    wider = {name: STORED[_bare(kind)] for name, kind in types.items()}
    return rows.with_columns(pl.col(name).cast(kind) for name, kind in wider.items() if kind is not None)


def require_rows(model: Model, rows: pl.DataFrame) -> None:
    """Refuse rows that share a key, lack a part of it or the slice, or hold a value that no warehouse can.

    Raises ModelError.
    """
    if doubled := rows.height - rows.select(model.key).unique().height:
        raise ModelError(f"Model {model.dataset}: {doubled} rows share a key ({', '.join(model.key)}) with another.")
    for name in model.key:
        if lacking := rows[name].null_count():
            raise ModelError(f"Model {model.dataset}: {lacking} rows have no '{name}', which is part of the key.")
    if model.slice and rows[model.slice].null_count():
        raise ModelError(f"Model {model.dataset}: rows without '{model.slice}' would belong to no slice.")
    if model.partition:
        _require_safe(model, rows[model.slice])
    for name, bad, why in _values(rows):
        if count := rows.select(bad.fill_null(value=False).sum()).item():
            raise ModelError(f"Model {model.dataset}: column '{name}' has {count} values {why}.")


def _require_safe(model: Model, slices: pl.Series) -> None:
    """Refuse values of a partition that would stand in paths, which engines quote in different ways."""
    if slices.dtype != pl.String:
        return
    unsafe = slices.unique().filter(~slices.unique().str.contains(SAFE)).sort().to_list()
    if unsafe:
        raise ModelError(
            f"Model {model.dataset}: the partition '{model.slice}' would have {len(unsafe)} values, such as "
            f"{unsafe[0]!r}, that engines disagree about in paths; allowed are letters, digits, and . _ - between "
            "them. Leave out `partition`, or slice by a column without such values."
        )


def _values(rows: pl.DataFrame) -> Iterator[tuple[str, pl.Expr, str]]:
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if dtype == pl.String:
            yield name, column.str.contains(NUL, literal=True), "with a NUL, which no warehouse stores in text"
        elif dtype == pl.Date:
            yield name, ~column.is_between(*DAYS), "outside of the years 1 to 9999"
        elif isinstance(dtype, pl.Datetime):
            yield name, ~column.is_between(*MOMENTS), "outside of the years 1 to 9999"
