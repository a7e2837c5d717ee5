"""Which rows a table cannot take as it is: those with a value for which it has no column, or none of that type."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from common.lake.changes import GONE
from common.lake.schema import KEY, key_text
from common.warehouses.differences import Difference

REASON = "drift"
UNDELIVERED = "undelivered"  # of rows that a target refuses
NO_COLUMN, NO_ROOM = "no_column", "no_room"  # rules: the table lacks the column, or the value does not fit its type


@dataclass(frozen=True)
class SetAside:
    """Rows that were set aside for one column, or without one as they are."""

    rule: str
    column: str
    rows: pl.DataFrame


def fitting(rows: pl.DataFrame, unfit: Sequence[Difference]) -> tuple[pl.DataFrame, list[SetAside]]:
    """Split rows into those that a table takes as it is, without the columns that it lacks, and those to set aside.

    A row that only takes another away fits always.
    """
    aside = []
    for one in unfit:
        fits = pl.col(GONE) | _fits(one, rows)
        aside.append(SetAside(NO_ROOM if one.room else NO_COLUMN, one.column, rows.filter(~fits)))
        rows = rows.filter(fits)
    lacking = [one.column for one in unfit if one.room is None]
    return rows.drop(lacking), [one for one in aside if one.rows.height]


def _fits(one: Difference, rows: pl.DataFrame) -> pl.Expr:
    value = pl.col(one.column)
    if one.room is None or not rows.schema[one.column].is_numeric():
        return value.is_null()
    digits, scale = one.room
    there = value.cast(pl.Decimal(38, scale), strict=False)
    limit = pl.lit(10 ** (digits - scale)).cast(pl.Decimal(38, scale))
    return value.is_null() | ((there == value) & (there.abs() < limit)).fill_null(value=False)


def kept(aside: SetAside, batch: str, contract: str, reason: str = REASON, key: Sequence[str] = ()) -> pl.DataFrame:
    """Return rows that were set aside as quarantine keeps them: where each came from, what it was, and why.

    With `key` they say whose they are to those that may have to wait for them.
    """
    rows, known = aside.rows, set(aside.rows.columns)
    text = [json.dumps(row, default=str, ensure_ascii=False).encode() for row in rows.drop(GONE).to_dicts()]
    return rows.select(
        (pl.col("_file") if "_file" in known else pl.lit(None, pl.String)).alias("file"),
        (pl.col("_record") if "_record" in known else pl.lit(None, pl.Int64)).cast(pl.Int64).alias("record"),
        pl.lit(None, pl.Int64).alias("line"),
        pl.lit(None, pl.Int64).alias("offset"),
        pl.Series("text", text, pl.Binary),
        pl.lit(reason).alias("reason"),
        pl.lit(aside.rule).alias("rule"),
        pl.lit(aside.column).alias("column"),
        (pl.col(aside.column) if aside.column else pl.lit(None)).cast(pl.String).alias("value"),
        pl.lit(batch).alias("batch"),
        pl.lit(contract).alias("contract"),
        key_text(key) if key else pl.lit(None, pl.String).alias(KEY),
    )
