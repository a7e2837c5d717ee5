"""Which values every warehouse gives back as they went, and which it refuses."""

import itertools
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from sqlglot import exp

from common.core.errors import (
    DataError,
)
from common.core.nouns import Head
from common.warehouses import sql
from common.warehouses.definition import create
from common.warehouses.warehouse import Warehouse, head
from tests.engines import (
    CONSUMER,
    contents,
    load,
    rows_of,
)

MOMENT = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
VALUES: list[tuple[pl.DataType, list[Any]]] = [
    (pl.String(), ["", " ", 'say "no"', "it's", "a,b", "a\nb", "\\N", "NULL", "é漢😀", "%s {} --"]),
    (pl.Boolean(), [True, False]),
    (pl.Date(), [date(1, 1, 1), date(1970, 1, 1), date(9999, 12, 31)]),
    (pl.Float64(), [0.1, -1e300, 5e-324, float("inf"), float("-inf")]),
    (pl.Float32(), [0.5, -2.25]),
    (pl.Int8(), [-128, 127]),
    (pl.Int16(), [-(2**15), 2**15 - 1]),
    (pl.Int32(), [-(2**31), 2**31 - 1]),
    (pl.Int64(), [-(2**63), 2**63 - 1]),
    (pl.Int128(), [-(10**37), 10**37]),
    (pl.Decimal(18, 2), [Decimal("-0.01"), Decimal("9999999999999999.99")]),
    (pl.Decimal(38, 10), [Decimal("1234567890123456789012345678.0123456789")]),
    (pl.Datetime("us"), [MOMENT.replace(tzinfo=None), datetime(1, 1, 1)]),  # noqa: DTZ001
    (pl.Datetime("us", "UTC"), [MOMENT, datetime(1970, 1, 1, tzinfo=UTC)]),
]
# What a stand-in refuses that the engine holds: fakesnow has 64 bits for every whole number.
NOT_OF_STANDINS = {("suite_snowflake", pl.Int128)}


def test_values_come_back_as_they_went_null_included(target: Warehouse) -> None:
    conn = getattr(target, "conn_id", "")
    held = [(dtype, values) for dtype, values in VALUES if (conn, type(dtype)) not in NOT_OF_STANDINS]
    schema: dict[str, pl.DataType] = {"id": pl.Int32(), **{f"v{n}": dtype for n, (dtype, _) in enumerate(held)}}
    create(target, "shop.typed", schema, ["id"])
    sent = [(n, *row) for n, row in enumerate(itertools.zip_longest(*(values for _, values in held)))]
    load(target, 1, rows_of(*sent, schema=schema), schema=schema, table="shop.typed")
    for name, dtype in schema.items():
        value: exp.Expr = sql.column(name)
        expected = [row[list(schema).index(name)] for row in sent]
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:  # DuckDB gives these out with pytz alone
            value, expected = exp.cast(value, "TIMESTAMP"), [v and v.replace(tzinfo=None) for v in expected]
        asked = exp.select(value).from_(sql.table("shop.typed")).order_by(sql.column("id"))
        assert [found for (found,) in target.query(asked)] == expected, dtype


LONG: dict[str, pl.DataType] = {"id": pl.String(), "text": pl.String()}


def test_a_text_is_held_whole_or_refused(target: Warehouse) -> None:
    create(target, "shop.long", LONG, ["id"])
    limit = target.dialect.longest_text
    holds = limit if limit and limit < 100_000 else 70_000
    text = "é" * (holds // 2) + "x" * (holds % 2)
    load(target, 1, rows_of(("a", text), schema=LONG), schema=LONG, table="shop.long")
    if holds == limit:
        with pytest.raises(DataError, match=f"Column text has a text of {holds + 1} bytes, .* holds {holds}"):
            load(target, 2, rows_of(("b", f"{text}x"), schema=LONG), schema=LONG, table="shop.long")
    assert (head(target, CONSUMER), contents(target, "shop.long")) == (Head(1, 7), [("a", text)])


def test_the_character_nul_is_held_or_refused(target: Warehouse) -> None:
    create(target, "shop.long", LONG, ["id"])
    rows = rows_of(("a", "x\0y"), schema=LONG)
    if target.dialect.nul:
        load(target, 1, rows, schema=LONG, table="shop.long")
        assert contents(target, "shop.long") == [("a", "x\0y")]
    else:
        with pytest.raises(DataError):
            load(target, 1, rows, schema=LONG, table="shop.long")
        assert (head(target, CONSUMER), contents(target, "shop.long")) == (Head(0, 0), [])


def test_what_is_no_number_stays_none(target: Warehouse) -> None:
    schema: dict[str, pl.DataType] = {"id": pl.String(), "v": pl.Float64()}
    create(target, "shop.floats", schema, ["id"])
    load(target, 1, rows_of(("a", float("nan")), schema=schema), schema=schema, table="shop.floats")
    ((_, found),) = contents(target, "shop.floats")
    assert math.isnan(found)
