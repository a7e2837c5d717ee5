"""One value spelled in CSV, JSON, NDJSON and Parquet gives one answer, over kinds and formats."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.formats import read, sniff
from common.quality.checks import contract_checks
from common.quality.split import apply
from common.refine.clean import clean
from tests.unit.common.contract_text import contract
from tests.unit.common.refine.judged import in_order

OFFSETS = st.sampled_from([timezone(timedelta(hours=hours)) for hours in (-5, 0, 2)])
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=8)
KINDS: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any], pl.DataType | None]] = {
    "integer": ({"logicalType": "integer"}, st.integers(-(2**63), 2**63 - 1), pl.Int64()),
    "small integer": ({"logicalType": "integer"}, st.integers(-128, 127), pl.Int8()),
    "integer of a double": ({"logicalType": "number"}, st.integers(-(2**63), 2**63 - 1), pl.Int64()),
    "double": ({"logicalType": "number"}, st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), pl.Float64()),
    "decimal": (
        {"logicalType": "number", "physicalType": "decimal(12,3)"},
        st.decimals(-(10**10), 10**10, allow_nan=False, places=5).map(lambda d: d.quantize(Decimal("0.00001"))),
        pl.Decimal(20, 5),
    ),
    "decimal of floats": (
        {"logicalType": "number", "physicalType": "decimal(12,3)"},
        st.one_of(st.integers(-(10**7), 10**7).map(lambda n: n / 1000), st.integers(1, 10**7).map(lambda n: n / 100000)),
        pl.Float64(),
    ),
    "boolean": ({"logicalType": "boolean"}, st.booleans(), pl.Boolean()),
    "date": ({"logicalType": "date"}, st.dates(), pl.Date()),
    "date of a time": (
        {"logicalType": "date"},
        st.one_of(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.dates().map(lambda day: datetime(day.year, day.month, day.day))),  # noqa: DTZ001
        pl.Datetime("us"),
    ),
    "time": ({"logicalType": "timestamp"}, st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), pl.Datetime("us")),  # noqa: DTZ001
    "time of a zone": (
        {"logicalType": "timestamp", "logicalTypeOptions": {"defaultTimezone": "Europe/Berlin"}},
        st.datetimes(datetime(1900, 1, 2), datetime(2100, 12, 30)),  # noqa: DTZ001
        pl.Datetime("us"),
    ),
    "string": ({"logicalType": "string", "logicalTypeOptions": {"maxLength": 5}}, TEXT, pl.String()),
    "integer of a string": ({"logicalType": "integer"}, st.one_of(TEXT, st.integers().map(str)), pl.String()),
}  # fmt: skip


def spelled(value: Any) -> str:
    """Spell a value as a text file does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if "e" not in repr(value) else f"{Decimal(repr(value)):f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def as_csv(path: Path, values: list[Any], _: Any) -> None:
    pl.DataFrame({"x": [spelled(value) for value in values], "y": "1"}).write_csv(path, quote_style="always")


def _json(value: Any) -> str:
    if isinstance(value, bool | str):
        return json.dumps(value)
    return spelled(value) if isinstance(value, int | float | Decimal) else json.dumps(spelled(value))


def as_json(path: Path, values: list[Any], _: Any) -> None:
    path.write_text("[" + ",".join(f'{{"x": {_json(value)}, "y": "1"}}' for value in values) + "]")


def as_ndjson(path: Path, values: list[Any], _: Any) -> None:
    path.write_text("".join(f'{{"x": {_json(value)}, "y": "1"}}\n' for value in values))


def as_parquet(path: Path, values: list[Any], kind: pl.DataType) -> None:
    pl.DataFrame({"x": pl.Series(values, dtype=kind), "y": "1"}).write_parquet(path)


WRITERS: dict[str, Callable[[Path, list[Any], Any], None]] = {
    "x.csv": as_csv,
    "x.json": as_json,
    "x.ndjson": as_ndjson,
    "x.parquet": as_parquet,
}


def answer(path: Path, column: dict[str, Any]) -> list[Any]:
    made = contract({"name": "x", **column}, {"name": "y"})
    shape = sniff(path, path.name, made.dialect, made.sources)
    frames = [apply(clean(chunk.frame, made, shape), contract_checks(made)) for chunk in read(path, shape)]
    assert len(frames) == 1
    return in_order("x", frames[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_the_same_in_every_format(kind: str) -> None:
    column, values, dtype = KINDS[kind]

    @given(st.lists(values, min_size=1, max_size=20))
    @settings(max_examples=25, deadline=None)
    def alike(chosen: list[Any]) -> None:
        with TemporaryDirectory() as folder:
            found = {}
            for name, write in WRITERS.items():
                write(Path(folder) / name, chosen, dtype)
                found[name] = answer(Path(folder) / name, column)
        assert all(other == found["x.csv"] for other in found.values()), (chosen, found)

    alike()
