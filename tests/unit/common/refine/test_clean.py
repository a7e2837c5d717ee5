"""Text becomes typed values without guessing, and what cannot be kept exactly is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from common.lake.schema import silver_schema
from common.quality.checks import contract_checks
from common.quality.split import Split, apply
from common.refine.clean import add_partition, clean
from tests.unit.common.contract_text import contract, said


def judge(column: dict[str, Any], *values: Any) -> Split:
    made = contract(column)
    frame = pl.DataFrame({column["name"]: list(values)}, strict=False).with_row_index("_record", offset=1)
    return apply(clean(frame, made), contract_checks(made))


def good(column: dict[str, Any], *values: Any) -> list[Any]:
    return judge(column, *values).good[column["name"]].to_list()


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ({"name": "n", "logicalType": "integer"}, " 42 ", 42),
        ({"name": "n", "logicalType": "integer"}, "-9223372036854775808", -(2**63)),
        ({"name": "n", "logicalType": "number"}, "1e3", 1000.0),
        ({"name": "n", "physicalType": "decimal(5,2)", "logicalType": "number"}, "+123.450", Decimal("123.45")),
        ({"name": "n", "physicalType": "decimal(5,2)", "logicalType": "number"}, ".5", Decimal("0.50")),
        ({"name": "d", "logicalType": "date"}, "2024-02-29", date(2024, 2, 29)),
        ({**said("d", formats=["%d/%m/%Y", "%Y%m%d"]), "logicalType": "date"}, "20240229", date(2024, 2, 29)),
        (
            {"name": "t", "logicalType": "timestamp"},
            "2024-01-02T03:04:05+02:00",
            datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC),
        ),
        (
            {"name": "t", "logicalType": "timestamp"},
            "2024-01-02 03:04:05.25",
            datetime(2024, 1, 2, 3, 4, 5, 250000, UTC),
        ),
        ({"name": "b", "logicalType": "boolean"}, "Yes", True),
        ({"name": "b", "logicalType": "boolean"}, "0", False),
        (said("s", case="upper"), " se ", "SE"),
        (said("s", normalise="email"), " A@B.Com", "a@b.com"),
        (said("s", normalise="phone", region="SE"), "0046 (70) 123-45", "+467012345"),
        (said("s", nulls=["n/a"]), "n/a", None),
        ({"name": "s"}, "", None),
    ],
)
def test_text_is_normalised_and_typed(column: dict[str, Any], text: str, value: object) -> None:
    assert good(column, text) == [value]


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ({"name": "n", "logicalType": "integer"}, "1.0", "type"),
        ({"name": "n", "logicalType": "integer"}, "9223372036854775808", "type"),
        ({"name": "n", "logicalType": "number"}, "nan", "type"),
        ({"name": "n", "physicalType": "decimal(5,2)", "logicalType": "number"}, "1.005", "type"),
        ({"name": "n", "physicalType": "decimal(5,2)", "logicalType": "number"}, "1234", "type"),
        ({"name": "n", "physicalType": "decimal(5,2)", "logicalType": "number"}, "1e2", "type"),
        ({"name": "d", "logicalType": "date"}, "2023-02-29", "type"),
        ({"name": "t", "logicalType": "timestamp"}, "yesterday", "type"),
        ({"name": "b", "logicalType": "boolean"}, "maybe", "type"),
        ({"name": "s"}, "a\0b", "type"),
        ({"name": "s", "required": True}, "  ", "required"),
        ({"name": "s", "enum": [{"value": "a"}]}, "b", "accepted"),
        ({"name": "s", "logicalTypeOptions": {"pattern": "a+"}}, "aab", "pattern"),
        ({"name": "s", "logicalTypeOptions": {"maxLength": 2}}, "abc", "max_length"),
        ({"name": "s", "logicalTypeOptions": {"minLength": 2}}, "a", "min_length"),
        ({"name": "n", "logicalType": "integer", "logicalTypeOptions": {"minimum": 1}}, "0", "minimum"),
        (
            {"name": "d", "logicalType": "date", "logicalTypeOptions": {"maximum": "2024-01-01"}},
            "2024-01-02",
            "maximum",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_with_rule_column_and_original_value(
    column: dict[str, Any], text: str, rule: str
) -> None:
    split = judge(column, text)
    assert split.good.is_empty()
    assert split.refused.select("rule", "column", "_record").rows() == [(rule, column["name"], 1)]
    assert split.refused["value"].item() == (text.strip() or None)


def test_good_rows_and_refused_rows_are_all_there_is() -> None:
    split = judge({"name": "n", "logicalType": "integer", "required": True}, "1", "x", None, "4")
    assert split.good["_record"].to_list() == [1, 4]
    assert sorted(split.refused["_record"].to_list()) == [2, 3]


def test_native_types_of_parquet_are_kept() -> None:
    made = contract(
        {"name": "d", "logicalType": "date"},
        {"name": "t", "logicalType": "timestamp"},
        {"name": "n", "logicalType": "number", "physicalType": "decimal(9,2)"},
    )
    frame = pl.DataFrame(
        {"d": [date(1997, 1, 1)], "t": [datetime(1997, 1, 1, 2, 3)], "n": [29.33]},  # noqa: DTZ001 - Parquet without zone
    )
    row = clean(frame, made).row(0, named=True)
    assert (row["d"], row["t"], row["n"]) == (
        date(1997, 1, 1),
        datetime(1997, 1, 1, 2, 3, tzinfo=UTC),
        Decimal("29.33"),
    )


def test_a_missing_optional_column_is_null_and_an_unknown_one_left_out() -> None:
    found = clean(pl.DataFrame({"other": ["x"]}), contract({"name": "s"}))
    assert found["s"].to_list() == [None]
    assert "other" not in found.columns


def test_the_partition_is_derived_from_the_date() -> None:
    made = contract({"name": "d", "logicalType": "date"}, partition={"column": "d", "by": "month"})
    found = add_partition(clean(pl.DataFrame({"d": ["1997-03-09"]}), made), made)
    assert found["d_month"].to_list() == ["1997-03"]
    assert list(silver_schema(made)) == ["d", "d_month", "_file", "_record", "_arrival"]
