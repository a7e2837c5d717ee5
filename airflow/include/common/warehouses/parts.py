"""Rows on their way to a warehouse that reads files: Parquet parts of an attempt, in the form that the engine takes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO

import polars as pl
import polars.selectors as cs

from common.core.assets import Zone
from common.core.errors import DataError
from common.warehouses.dialect import Dialect
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows
from common.zones.store import Changed, ZoneStore

PART_BYTES = 128 * 1024 * 1024  # of a frame in memory; what Redshift and Snowflake advise for a compressed file is less
NUL = "\0"


def folder(token: Token) -> str:
    """Return the folder of an attempt's parts; retention removes what is left of it."""
    return f"{token.consumer}/{token.hop}/{token.attempt:x}"


def plain(schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return the types that parts have: moments are UTC without a zone, as not every reader of Parquet knows zones."""
    return {name: pl.Datetime("us") if isinstance(dtype, pl.Datetime) else dtype for name, dtype in schema.items()}


@contextmanager
def written(dialect: Dialect, token: Token, rows: Rows, *, zones: bool = True) -> Iterator[str]:
    """Write an attempt's parts to the staging zone and give their prefix, empty without rows; copied, they go."""
    store, under = ZoneStore(Zone.STAGING), folder(token)
    for number, part in enumerate(parts(dialect, rows, zones=zones)):
        store.write_part(f"{under}/{number:06d}.parquet", part)
    found = list(store.list(f"{under}/"))
    yield store.uri(f"{under}/") if found else ""
    for item in found:
        try:
            store.delete(item.key, item.etag)
        except Changed:  # retention was faster
            continue


def parts(dialect: Dialect, rows: Rows, *, zones: bool = True) -> Iterator[BytesIO]:
    """Write the rows as Parquet files of a bounded size, moments with a zone or, for readers without, in UTC.

    Raises DataError where the engine cannot hold a value.
    """
    held: list[pl.DataFrame] = []
    for frame in rows.frames():
        checked = _fitting(dialect, frame.select(list(rows.schema)), zones=zones)
        held.append(checked.rename(dialect.spelling))
        if sum(one.estimated_size() for one in held) >= PART_BYTES:
            yield _file(held)
            held = []
    if any(one.height for one in held):
        yield _file(held)


def _file(frames: list[pl.DataFrame]) -> BytesIO:
    file = BytesIO()
    pl.concat(frames).write_parquet(file, compression="snappy")
    file.seek(0)
    return file


def _fitting(dialect: Dialect, frame: pl.DataFrame, *, zones: bool) -> pl.DataFrame:
    """Return the values as they are written; raises DataError naming a column with one that would be changed."""
    for name in frame.select(cs.string()).columns:
        _check_text(dialect, frame[name])
    utc = cs.datetime(time_zone="*").dt.convert_time_zone("UTC")
    return frame.with_columns(
        utc if zones else utc.dt.replace_time_zone(None), cs.by_dtype(pl.Int128).cast(pl.Decimal(38, 0))
    )


def _check_text(dialect: Dialect, texts: pl.Series) -> None:
    longest = texts.str.len_bytes().max()
    if dialect.longest_text is not None and isinstance(longest, int) and longest > dialect.longest_text:
        raise DataError(
            f"Column {texts.name} has a text of {longest} bytes, {dialect.sql} holds {dialect.longest_text}. "
            "Nothing was loaded: give the column a maxLength in the contract, or load it elsewhere."
        )
    if not dialect.nul and texts.str.contains(NUL, literal=True).any():
        raise DataError(
            f"Column {texts.name} has a text with the character U+0000, which {dialect.sql} does not hold. "
            "Nothing was loaded: refuse such rows by a pattern in the contract, or load it elsewhere."
        )
