"""Rows on their way to a warehouse that reads files: Parquet parts of an attempt, in the form that the engine takes."""

from collections.abc import Iterator
from io import BytesIO

import polars as pl
import polars.selectors as cs

from common.core.errors import DataError
from common.warehouses.dialect import Dialect
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows

PART_BYTES = 128 * 1024 * 1024  # of a frame in memory; what Redshift and Snowflake advise for a compressed file is less
NUL = "\0"


def folder(token: Token) -> str:
    """Return the folder of an attempt's parts; retention removes what is left of it."""
    return f"{token.consumer}/{token.hop}/{token.attempt:x}"


def plain(schema: dict[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return the types that parts have: moments are UTC without a zone, as not every reader of Parquet knows zones."""
    return {name: pl.Datetime("us") if isinstance(dtype, pl.Datetime) else dtype for name, dtype in schema.items()}


def parts(dialect: Dialect, rows: Rows) -> Iterator[BytesIO]:
    """Write the rows as Parquet files of a bounded size; raises DataError where the engine cannot hold a value."""
    held: list[pl.DataFrame] = []
    for frame in rows.frames():
        checked = _fitting(dialect, frame.select(list(rows.schema)))
        held.append(checked.rename(dialect.spelling))
        if sum(one.estimated_size() for one in held) >= PART_BYTES:
            yield _written(held)
            held = []
    if any(one.height for one in held):
        yield _written(held)


def _written(frames: list[pl.DataFrame]) -> BytesIO:
    file = BytesIO()
    pl.concat(frames).write_parquet(file, compression="snappy")
    file.seek(0)
    return file


def _fitting(dialect: Dialect, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the values as they are written; raises DataError naming a column with one that would be changed."""
    for name in frame.select(cs.string()).columns:
        _check_text(dialect, frame[name])
    return frame.with_columns(
        cs.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None),
        cs.by_dtype(pl.Int128).cast(pl.Decimal(38, 0)),
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
