"""Models are read with clear errors, computed by slice, and held to their control totals."""

from pathlib import Path

import polars as pl
import pytest

from common.core.errors import ConservationError, ModelError
from common.core.nouns import Dataset
from common.models.model import Model, read_model
from common.models.run import run, schema_of, slices, within

ORDERS = Dataset("shop", "orders")
ROWS = pl.DataFrame({"day": ["1", "1", "2"], "amount": [1, 2, 3]})
GOOD = """/*
description: Totals.
key: [day]
slice: day
inputs: {shop.orders: day}
controls: [{result: sum(total), input: shop.orders, equals: sum(amount)}]
*/
SELECT day, CAST(sum(amount) AS BIGINT) AS total FROM shop.orders GROUP BY day;
"""


def model(folder: Path, text: str = GOOD) -> Model:
    path = folder / "totals.sql"
    path.write_text(text)
    return read_model(path, "shop")


def test_a_model_is_computed_over_its_inputs(tmp_path: Path) -> None:
    made = model(tmp_path)
    assert sorted(run(made, {ORDERS: ROWS}).rows()) == [("1", 3), ("2", 3)]
    assert schema_of(made, {ORDERS: dict(ROWS.schema)}) == {"day": pl.String(), "total": pl.Int64()}


def test_changed_rows_name_the_slices_they_touch(tmp_path: Path) -> None:
    made = model(tmp_path)
    assert slices(made, ORDERS, ROWS.head(2)) == {"1"}
    assert within(made, ORDERS, ROWS, {"2"}).rows() == [("2", 3)]
    assert slices(made, ORDERS, ROWS.head(0)) == set()
    with pytest.raises(ModelError, match="is null in a changed row"):
        slices(made, ORDERS, pl.DataFrame({"day": [None], "amount": [1]}, schema=ROWS.schema))


def test_totals_that_differ_stop_publication(tmp_path: Path) -> None:
    made = model(tmp_path, GOOD.replace("FROM shop.orders GROUP", "FROM shop.orders WHERE amount < 3 GROUP"))
    with pytest.raises(ConservationError, match=r"sum\(total\) is 3, but sum\(amount\) of shop\.orders is 6"):
        run(made, {ORDERS: ROWS})


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("sum(amount) AS", "sum(amounts) AS", "amounts"),
        ("GROUP BY day", "GROUP BY day UNION ALL SELECT '1', 0", "share a key"),
        ("SELECT day,", "SELECT nullif(day, '1') AS day,", "would belong to no slice"),
    ],
)
def test_a_model_that_cannot_be_right_is_refused(tmp_path: Path, old: str, new: str, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        run(model(tmp_path, GOOD.replace(old, new)), {ORDERS: ROWS})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1", "must begin with a"),
        ("/*\nkey: [a]\n*/ SELECT 1", "no 'description' in the header; no 'slice' in the header; no 'inputs'"),
        (GOOD.replace("slice: day", "slice: day\ncolour: red"), r"unknown \['colour'\]\. Known: complete, controls"),
        (GOOD.replace("slice: day", "slice: day\npartition: [total]"), "partitioned by its slice"),
        (GOOD.replace("equals: sum(amount)", "equal: 1"), "A control needs result, input and equals"),
        (
            GOOD.replace("*/", "load: [{to: warehose, strategy: full}]\n*/"),
            r"no warehouse 'warehose'\. Known: warehouse, ",
        ),
        (GOOD.replace("*/", "load: [{to: duckdb, strategy: upsert}]\n*/"), r"no strategy 'upsert'\. Known: full, "),
    ],
)
def test_a_header_is_checked(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        model(tmp_path, text)
