"""What the log says of the values in a file: enough to know which files cannot hold a key, and never too little."""

from collections.abc import Iterable
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from typing import Any

import polars as pl

MILLISECOND = timedelta(milliseconds=1)  # to which Spark and delta-rs cut moments, the greatest as well
LONGEST = 256  # characters of a text that is worth a place in the log
# Types whose bounds all writers agree on: delta-rs makes decimals doubles, and NaN is outside of a double's bounds.
ORDERED = (pl.Int32(), pl.Int64(), pl.Date(), pl.Datetime("us", "UTC"))
SURE = (*ORDERED, pl.String())


def statistics(rows: pl.DataFrame, texts: Iterable[str] = ()) -> dict[str, Any]:
    """Describe the rows of a file for the log, as Delta has it; of texts only these columns."""
    named = set(texts)
    bounded = [name for name, kind in rows.schema.items() if kind in ORDERED or (kind == pl.String and name in named)]
    both = {name: _bounds(rows[name].min(), rows[name].max()) for name in bounded}
    known = {name: bounds for name, bounds in both.items() if bounds}
    return {
        "numRecords": rows.height,
        "minValues": {name: low for name, (low, _) in known.items()},
        "maxValues": {name: high for name, (_, high) in known.items()},
        "nullCount": {name: rows[name].null_count() for name in bounded},
    }


def _bounds(low: Any, high: Any) -> tuple[Any, Any] | None:
    """Return the bounds of a column as the log has them; None where it has no values, or too long or late ones."""
    match low, high:
        case str(), str():
            return (low, high) if max(len(low), len(high)) <= LONGEST else None
        case datetime(), datetime():
            return (_moment(low), _moment(high + MILLISECOND)) if high.year < MAXYEAR else None
        case date(), date():
            return low.isoformat(), high.isoformat()
        case _:
            return None if low is None else (low, high)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def holding(files: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Return the files of a table that may hold one of these keys."""
    for values in keys:
        files = files.filter(_may_hold(files, values))
    return files


def _may_hold(files: pl.DataFrame, values: pl.Series) -> pl.Series:
    """Tell of each file whether it may hold one of these values; one of which nothing is known may hold any."""
    low, high, nulls = (_of(files, what, values.name) for what in ("min", "max", "null_count"))
    if values.dtype not in SURE or low.dtype != values.dtype or high.dtype != values.dtype:
        return pl.Series([True]).new_from_index(0, files.height)
    if isinstance(values.dtype, pl.Datetime):
        low, high = low - MILLISECOND, high + MILLISECOND
    known = values.drop_nulls().sort()
    within = known.search_sorted(low, side="left") < known.search_sorted(high, side="right")
    unknown = low.is_null() | high.is_null()
    return within | unknown | (nulls.fill_null(1) > 0) if values.null_count() else within | unknown


def _of(files: pl.DataFrame, what: str, name: str) -> pl.Series:
    """Return what the log says of a column in each file, null where it says nothing."""
    kind = files.schema.get(what)
    known = isinstance(kind, pl.Struct) and name in {field.name for field in kind.fields}
    return files[what].struct.field(name) if known else pl.Series(name, [None] * files.height)


def extremes(keys: pl.DataFrame) -> pl.DataFrame:
    """Return the least and the greatest value of each column by which engines may leave out files, as two rows."""
    sure = keys.select(name for name, kind in keys.schema.items() if kind in SURE and not isinstance(kind, pl.Datetime))
    return pl.concat([sure.select(pl.all().min()), sure.select(pl.all().max())])


def between(ends: pl.DataFrame) -> pl.Expr:
    """Tell the rows whose key lies between such extremes; files in which no value does are not even opened."""
    inside = [pl.col(n).is_between(pl.lit(ends[n].min()), pl.lit(ends[n].max())) for n in ends.columns]
    return pl.all_horizontal(pl.lit(value=True), *inside)
