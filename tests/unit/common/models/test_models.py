"""Models are read with clear errors, computed by slice, and held to their control totals."""

from pathlib import Path

import polars as pl
import pytest

from common.core.errors import ConservationError, ModelError
from common.core.nouns import Dataset
from common.models.model import Model, model_faults, models, placed_model, read_model
from common.models.run import run, schema_of, slices, within

ORDERS = Dataset("shop", "orders")
ORDERS_CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:test
name: orders
version: 1.0.0
status: active
domain: shop
schema: [{name: orders, properties: [{name: day}, {name: amount, logicalType: integer}]}]
"""
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
        ("SELECT day,", "SELECT nullif(day, '1') AS day,", "1 rows have no 'day', which is part of the key"),
    ],
)
def test_a_model_that_cannot_be_right_is_refused(tmp_path: Path, old: str, new: str, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        run(model(tmp_path, GOOD.replace(old, new)), {ORDERS: ROWS})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1", "must begin with a"),
        ("/*\n\n*/ SELECT 1", "must begin with a"),
        ("/*\nkey: [a\n*/ SELECT 1", r"totals\.sql: is not YAML: (?s:.*)line 3"),
        ("/*\nday\n*/ SELECT 1", "its header is a str; expected a mapping"),
        ("/*\nkey: [a]\n*/ SELECT 1", "line 2: /: lacks 'description'.*lacks 'inputs'.*lacks 'slice'"),
        (GOOD.replace("slice: day", "slcie: day"), "line 4: /slcie: no word 'slcie' here. Is 'slice' meant?"),
        (
            GOOD.replace("slice: day", "slice: day\ncolour: red"),
            "line 5: /colour: no word 'colour' here. Known: complete,",
        ),
        (GOOD.replace("slice: day", "slice: day\nslice: amount"), "line 5: /slice: 'slice' stands more than once"),
        (GOOD.replace("slice: day", "slice: 12"), "line 4: /slice: found 12; expected a text: write '12' in quotes"),
        (GOOD.replace("key: [day]", "key: day"), "line 3: /key: found 'day'; expected a list"),
        (GOOD.replace("key: [day]", "key: []"), "line 3: /key: is empty"),
        (GOOD.replace("key: [day]", "key: [day, day]"), "line 3: /key: names day twice"),
        (
            GOOD.replace("slice: day", "slice: day\npartition: [total]"),
            "line 5: /partition: .*partitioned by its slice",
        ),
        (GOOD.replace("orders: day", "orders: {slcie: day}"), "/inputs/shop.orders/slcie: no word .* Is 'slice' meant"),
        (
            GOOD.replace("orders: day", "orders: {slice: day, history: maybe}"),
            "history: found 'maybe'; expected true or",
        ),
        (
            GOOD.replace("orders: day", "orders: {slice: day, by: {a: [b]}}"),
            "/by: follows the changes of an input that is",
        ),
        (GOOD.replace("orders: day", "orders: {slice: day, all: true}"), "is either read by slice or whole"),
        (GOOD.replace("shop.orders: day", "orders: day"), "/inputs/orders: 'orders' is not a dataset"),
        (
            GOOD.replace("equals: sum(amount)", "equal: 1"),
            "line 6: /controls/0/equal: no word 'equal' here. Is 'equals'",
        ),
        (GOOD.replace("input: shop.orders", "input: shop.order"), "line 6: /controls/0/input: shop.order is no input"),
        (GOOD.replace("*/", "complete: [shop.users]\n*/"), "line 7: /complete/0: shop.users is no input of the model"),
        (
            GOOD.replace("*/", "load: [{to: duckdb, strategy: full, history: true}]\n*/"),
            "line 7: /load/0/history: no word",
        ),
        (GOOD.partition("SELECT")[0], "there is no SELECT below the header"),
        ("\n\n" + GOOD.replace("description", "discription"), "line 4: /discription: no word"),
        (
            GOOD.replace("*/", "load: [{to: warehose, strategy: full}]\n*/"),
            r"no warehouse 'warehose'\. Known: warehouse, ",
        ),
        (
            GOOD.replace("*/", "load: [{to: duckdb, strategy: scd2}]\n*/"),
            "line 7: /load/0/strategy: 'scd2' .*a model keeps none. Load the dataset itself",
        ),
        (GOOD.replace("*/", "load: [{to: duckdb, strategy: upsert}]\n*/"), r"no strategy 'upsert'\. Known: full, "),
    ],
)
def test_a_header_is_checked(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        model(tmp_path, text)


def test_all_faults_of_a_header_are_told_at_once(tmp_path: Path) -> None:
    wrong = GOOD.replace("orders: day}", "order: day, shop.orders: all}").replace(
        "[day]\n", "[day, day]\nload: [{to: here, strategy: full}]\npartiton: [day]\n"
    )
    (tmp_path / "totals.sql").write_text(wrong)
    with pytest.raises(ModelError) as caught:
        read_model(tmp_path / "totals.sql", "shop", lambda _: {ORDERS, Dataset("shop", "totals")})
    for place in ("line 3: /key:", "line 4: /load:", "line 5: /partiton: no word",
                  "line 7: /inputs/shop.order: no dataset 'shop.order'. Is 'shop.orders' meant?",
                  "line 8: /controls/0/input: shop.orders is read whole", "line 2: /: shop.totals is a dataset"):  # fmt: skip
        assert place in str(caught.value)


def test_a_model_at_fault_hides_no_other(tmp_path: Path) -> None:
    for folder in ("contracts", "gold"):
        (tmp_path / "shop" / folder).mkdir(parents=True)
    (tmp_path / "shop" / "contracts" / "orders.yaml").write_text(ORDERS_CONTRACT)
    (tmp_path / "shop" / "gold" / "good.sql").write_text(GOOD)
    (tmp_path / "shop" / "gold" / "latin.sql").write_bytes(GOOD.replace("Totals", "Überschuß").encode("latin-1"))
    (tmp_path / "shop" / "gold" / "odd.sql").write_text(GOOD.replace("shop.orders: day", "shop.odders: day"))
    assert list(models("shop", tmp_path)) == ["good"]
    found = {path.name: fault for path, fault in model_faults("shop", tmp_path).items()}
    assert list(found) == ["latin.sql", "odd.sql"]
    assert "cannot be read as UTF-8" in found["latin.sql"]
    assert "no dataset 'shop.odders'. Is 'shop.orders' meant?" in found["odd.sql"]


def test_a_model_waits_for_a_contract_that_has_a_fault(tmp_path: Path) -> None:
    for folder in ("contracts", "gold"):
        (tmp_path / "shop" / folder).mkdir(parents=True)
    (tmp_path / "shop" / "contracts" / "orders.yaml").write_text("a: [")
    (tmp_path / "shop" / "gold" / "good.sql").write_text(GOOD)
    assert models("shop", tmp_path) == {}
    (fault,) = model_faults("shop", tmp_path).values()
    assert "good.sql: waits for shop.orders, whose contract has a fault." in fault
    assert placed_model(tmp_path / "shop" / "gold" / "good.sql").key == ("day",)  # its own header has none


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("list(amount)", r"HUGEINT\[\]|BIGINT\[\]"),
        ("{'a': 1}", "STRUCT"),
        ("map {1: 2}", "MAP"),
        ("hash(day)", "UBIGINT"),
        ("interval 1 day", "INTERVAL"),
        ("'x'::BLOB", "BLOB"),
        ("time '10:00'", "TIME"),
        ("1::UHUGEINT", "UHUGEINT"),
        ("'1'::BIT", "BIT"),
        ("timestamp_ns '2024-01-01'", "TIMESTAMP_NS"),
    ],
)
def test_a_column_that_no_table_holds_is_named_with_what_one_holds(tmp_path: Path, expression: str, kind: str) -> None:
    made = model(tmp_path, GOOD.replace("AS total", f"AS total, {expression} AS odd"))
    with pytest.raises(ModelError, match=rf"column 'odd' is ({kind}).*; a table holds VARCHAR.*: cast it"):
        schema_of(made, {ORDERS: dict(ROWS.schema)})


def test_narrow_and_named_types_become_the_next_that_a_table_has(tmp_path: Path) -> None:
    narrow = "1::UTINYINT AS u, 'a'::ENUM('a') AS e, timestamp_s '2024-01-01' AS s, uuid() AS i, now() AS n"
    made = schema_of(model(tmp_path, GOOD.replace("AS total", f"AS total, {narrow}")), {ORDERS: dict(ROWS.schema)})
    moment = pl.Datetime("us", "UTC")
    assert (made["u"], made["e"], made["s"], made["i"], made["n"]) == (pl.Int64, pl.String, moment, pl.String, moment)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("key: [day]", "key: [dya]", "key: the SQL gives no column dya; it gives day, total"),
        ("key: [day]", "key: [day, part]", "gives no column part"),
        ("slice: day", "slice: month", "slice: the SQL gives no column month"),
    ],
)
def test_key_and_slice_are_columns_of_the_result(tmp_path: Path, old: str, new: str, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        schema_of(model(tmp_path, GOOD.replace(old, new)), {ORDERS: dict(ROWS.schema)})


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("'infinity'::DATE", "outside of the years 1 to 9999"),
        ("'-infinity'::TIMESTAMP", "outside of the years 1 to 9999"),
        ("'290000-01-01'::DATE", "outside of the years 1 to 9999"),
        ("'44-03-15 (BC)'::DATE", "outside of the years 1 to 9999"),
        ("'a' || chr(0)", "with a NUL"),
    ],
)
def test_a_value_that_no_warehouse_holds_stops_publication(tmp_path: Path, expression: str, found: str) -> None:
    made = model(tmp_path, GOOD.replace("AS total", f"AS total, {expression} AS odd"))
    with pytest.raises(ModelError, match=f"column 'odd' has 2 values {found}"):
        run(made, {ORDERS: ROWS})


def test_a_part_of_a_key_is_never_null(tmp_path: Path) -> None:
    text = GOOD.replace("key: [day]", "key: [day, total]").replace(
        "CAST(sum(amount) AS BIGINT)", "nullif(sum(amount), 3)"
    )
    made = model(tmp_path, "".join(line for line in text.splitlines(keepends=True) if "controls" not in line))
    with pytest.raises(ModelError, match="2 rows have no 'total', which is part of the key"):
        run(made, {ORDERS: ROWS})


@pytest.mark.parametrize("value", ["a/b", "a b", "c'", "50%", "..", "é", "", "a=b"])
def test_a_partition_has_values_that_are_safe_in_a_path(tmp_path: Path, value: str) -> None:
    made = model(tmp_path, GOOD.replace("slice: day", "slice: day\npartition: [day]"))
    assert run(made, {ORDERS: ROWS}).height == 2
    with pytest.raises(ModelError, match="that engines disagree about in paths"):
        run(made, {ORDERS: pl.DataFrame({"day": [value], "amount": [1]})})


def test_a_partition_has_a_name_that_is_safe_in_a_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="engines disagree about paths with 'the day'"):
        model(tmp_path, GOOD.replace("slice: day", "slice: the day\npartition: [the day]"))
