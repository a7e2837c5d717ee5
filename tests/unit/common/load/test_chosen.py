"""Keys that a person writes as text are the values of the table, or are refused."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from common.core.errors import ConfigError
from common.load.chosen import chosen_keys, key_of

MOMENT = pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("42", pl.Int64(), 42),
        ("-9223372036854775808", pl.Int64(), -(2**63)),
        ("170141183460469231731687303715884105727", pl.Int128(), 2**127 - 1),
        ("007", pl.String(), "007"),
        ("a,b=c", pl.String(), "a,b=c"),
        ("", pl.String(), ""),
        ("12.50", pl.Decimal(9, 2), Decimal("12.50")),
        ("2026-02-28", pl.Date(), date(2026, 2, 28)),
        ("2026-02-28T01:02:03.000004+01:00", MOMENT, datetime(2026, 2, 28, 0, 2, 3, 4, UTC)),
        ("2026-02-28T01:02:03", MOMENT, datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC)),
        ("2026-02-28T01:02:03", pl.Datetime("us"), datetime.fromisoformat("2026-02-28T01:02:03")),
        ("true", pl.Boolean(), True),
    ],
)
def test_a_text_is_the_value_that_it_spells(text: str, kind: pl.DataType, value: Any) -> None:
    assert key_of(f"k={text}", {"k": kind}) == {"k": text}
    found = chosen_keys([{"k": text}], {"k": kind})
    assert found.rows() == [(value,)]
    assert found.schema == {"k": kind}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("9223372036854775808", pl.Int64()),
        ("1.5", pl.Int64()),
        ("12.505", pl.Decimal(9, 2)),
        ("12345678.00", pl.Decimal(9, 2)),
        ("28.02.2026", pl.Date()),
        ("2026-02-30", pl.Date()),
        ("maybe", pl.Boolean()),
    ],
)
def test_a_text_that_is_no_value_is_refused_and_never_rounded(text: str, kind: pl.DataType) -> None:
    with pytest.raises(ConfigError, match=r"k is .*, which .* is not"):
        key_of(f"k={text}", {"k": kind})


def test_a_key_that_is_chosen_twice_is_one_row() -> None:
    key = {"a": pl.Int64(), "b": pl.String()}
    found = chosen_keys([key_of(text, key) for text in ("a=1,b=x", "a=01,b=x", "a=2,b=x")], key)
    assert sorted(found.rows()) == [(1, "x"), (2, "x")]


@pytest.mark.parametrize("text", ["", "a", "a=1", "b=x,a=1,c=2", "a=1,a=2", "b=x"])
def test_what_is_no_key_is_told_how_one_is_written(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Write a=VALUE,b=VALUE"):
        key_of(text, {"a": pl.Int64(), "b": pl.String()})
