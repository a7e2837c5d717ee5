"""The fast lane calls no row good that cleaning and checks do not make of it, value by value; and it takes what is usual."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts.contract import Contract
from common.contracts.read import parse_contract
from common.core.errors import ContractError
from common.core.shape import Shape
from common.quality.checks import contract_checks
from common.quality.split import apply
from common.refine.clean import clean
from common.refine.fast import FastLane
from common.refine.markers import with_marker, with_versions
from tests.unit.common.contract_text import contract, said
from tests.unit.common.refine.made_up import SERIES, TEXTS, columns

BLANKS = st.sampled_from(["", " ", "\t", "\u00a0", "\n", "\r", "\x0b", "  ", "\u2009", "\ufeff", "\0"])
PADDED = st.tuples(BLANKS, TEXTS, BLANKS).map("".join)
USUAL = st.one_of(
    st.integers().map(str),
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.floats().map(repr),
    st.datetimes().map(lambda at: at.isoformat()),
    st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:60Z")),
    st.dates().map(str),
    st.text("0123456789.+-eE _,", max_size=8),
)
TEXT_SERIES = st.lists(st.one_of(PADDED, USUAL, st.none()), min_size=1, max_size=12).map(
    lambda texts: pl.Series(texts, dtype=pl.String)
)


def shape(form: Any = "csv") -> Shape:
    return Shape(form, "none", "utf-8", None, None, header=True, columns=("x",))


def compare(made: Contract, values: pl.Series, form: Any = "csv") -> pl.DataFrame:
    """Judge values by both lanes, and return those that the fast one has found good."""
    frame = (
        values.alias("x").to_frame().with_columns(pl.int_range(1, values.len() + 1, dtype=pl.Int64).alias("_record"))
    )
    checks = with_versions(contract_checks(made), made)
    good, doubtful = FastLane(made, checks, frame.schema, shape(form)).split(frame)
    slow = apply(with_marker(clean(frame, made, shape(form)), made), checks).good
    assert sorted([*good["_record"], *doubtful["_record"]]) == frame["_record"].to_list()
    assert doubtful.equals(frame.filter(pl.col("_record").is_in(doubtful["_record"].implode())))
    expected = slow.join(good, on="_record", how="semi").select(good.columns)
    assert good.schema == expected.schema
    assert good.equals(expected), f"{good} {expected}"
    return good


@given(columns(), st.one_of(SERIES, TEXT_SERIES, TEXT_SERIES), st.sampled_from(["csv", "ndjson", "parquet"]))
@settings(max_examples=400, deadline=None)
def test_what_the_fast_lane_finds_good_is_what_the_other_makes_of_it(
    column: dict[str, Any], values: pl.Series, form: Any
) -> None:
    document = {
        "apiVersion": "v3.0.2", "kind": "DataContract", "id": "u", "name": "o", "version": "1.0.0", "domain": "shop",
        "schema": [{"name": "o", "properties": [column]}],
    }  # fmt: skip
    try:
        made = parse_contract(json.dumps(document))
        contract_checks(made)
    except ContractError:
        return
    compare(made, values, form)


@pytest.mark.parametrize(
    ("column", "texts", "good"),
    [
        ({"logicalType": "integer"}, ["1", "-20", "", "x", " 3", "1.0"], ["1", "-20", ""]),
        (
            {"logicalType": "number", "physicalType": "decimal(4,2)", "required": True},
            ["1.50", "-2", "100", "1.999", "1e1", "", "+3"],
            ["1.50", "-2"],
        ),
        (
            {"logicalType": "timestamp"},
            ["2024-01-02T03:04:05Z", "2024-01-02T03:04:60Z", ""],
            ["2024-01-02T03:04:05Z", ""],
        ),
        ({"logicalType": "date"}, ["2024-01-02", "2024-02-30", "2024-01-02T00:00:00Z"], ["2024-01-02"]),
        ({"logicalType": "string", "required": True}, ["a", " b", "c\0", "", "d e"], ["a", "d e"]),
        ({"logicalType": "boolean"}, ["true", "No", "perhaps"], ["true", "No"]),
        ({"logicalType": "boolean", **said("x", nulls=["true", ""])}, ["true", "false", ""], ["false", ""]),
        (
            {"logicalType": "number", "physicalType": "decimal(9,0)", **said("x", nulls=["", "1.50", "7", "x"])},
            ["1.50", "7", "7.0", "8", "", "x"],
            ["1.50", "8", "", "x"],
        ),
        ({"logicalType": "number"}, ["1.5", "9007199254740993", "NaN"], ["1.5"]),
    ],
)
def test_usual_values_need_no_second_look(column: dict[str, Any], texts: list[str], good: list[str]) -> None:
    found = compare(contract({"name": "x", **column}), pl.Series(texts))
    assert [texts[record - 1] for record in found["_record"]] == good


def test_numbers_and_times_of_typed_files_need_no_text() -> None:
    amount = {"name": "x", "logicalType": "number", "physicalType": "decimal(6,2)"}
    assert compare(contract(amount), pl.Series(["1.5", "99999.9", None]).cast(pl.Decimal(7, 1)), "parquet").height == 2
    at = {"name": "x", "logicalType": "timestamp"}
    times = pl.Series([0, None, 2**62], dtype=pl.Int64).cast(pl.Datetime("us"))
    assert compare(contract(at), times, "parquet").height == 2


def test_a_marker_is_found_and_what_it_spares_is_left_to_the_other_lane() -> None:
    made = contract(
        {"name": "x", "primaryKey": True}, {"name": "at", "logicalType": "integer"}, {"name": "gone"},
        latest=["at"], deleted={"column": "gone", "values": ["y"]},
    )  # fmt: skip
    frame = pl.DataFrame({"x": ["a", "b", "c"], "at": ["1", "2", "x"], "gone": ["y", None, None], "_record": [1, 2, 3]})
    checks = with_versions(contract_checks(made), made)
    good, doubtful = FastLane(made, checks, frame.schema, shape()).split(frame)
    assert good.select("x", "_deleted").rows() == [("a", True), ("b", False)]
    assert doubtful["x"].to_list() == ["c"]
