"""Statistics in the log: every value of a file lies within what is said of it, and no file is skipped that holds a key."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.transaction import AddAction
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from common.lake.entry import files
from common.lake.statistics import LONGEST, between, extremes, holding, statistics

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEAR = st.integers(-3000, 3000).map(lambda n: EPOCH + timedelta(microseconds=n))
FAR = st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)])
TEXTS = st.text(max_size=3) | st.sampled_from(
    ["é" * 40, "z" * 33, "z" * LONGEST, "z" * LONGEST + "a", "\U0010ffff" * 33]
)
COLUMNS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "number": (pl.Int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5)),
    "text": (pl.String(), TEXTS),
    "day": (pl.Date(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "moment": (pl.Datetime("us", "UTC"), NEAR | FAR),
    "ratio": (pl.Float64(), st.floats() | st.sampled_from([-0.0, 0.0])),
    "amount": (pl.Decimal(38, 2), st.sampled_from([Decimal("12345678901234567.89"), Decimal("-0.01"), Decimal(0)])),
    "flag": (pl.Boolean(), st.booleans()),
}
SCHEMA = {name: kind for name, (kind, _) in COLUMNS.items()}
ROWS = st.tuples(*(st.none() | values for _, values in COLUMNS.values()))


def frame(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, SCHEMA, orient="row")


def table(folder: Path, parts: list[pl.DataFrame], *, ours: bool = True) -> DeltaTable:
    """Make a table of these files, described by us or by delta-rs."""
    write_deltalake(folder, pl.DataFrame(schema=SCHEMA), mode="overwrite")
    for n, part in enumerate(parts):
        if not ours:
            write_deltalake(folder, part, mode="append")
            continue
        part.write_parquet(folder / f"{n}.parquet")
        action = AddAction(
            f"{n}.parquet",
            (folder / f"{n}.parquet").stat().st_size,
            {},
            0,
            True,
            json.dumps(statistics(part, ["text"]), ensure_ascii=False),
        )
        made = DeltaTable(folder)
        made.create_write_transaction([action], "append", made.schema())
    return DeltaTable(folder)


def possible(known: pl.DataFrame, keys: pl.DataFrame) -> set[int]:
    return set(holding(known.with_row_index("n"), keys)["n"])


@pytest.mark.parametrize("ours", [True, False])
@given(parts=st.lists(st.lists(ROWS, min_size=1, max_size=3), min_size=1, max_size=3), data=st.data())
@examples(max_examples=50)
def test_a_file_that_holds_a_key_is_never_skipped(
    tmp_path_factory: pytest.TempPathFactory, ours: bool, parts: list[list[Any]], data: st.DataObject
) -> None:
    frames = [frame(rows) for rows in parts]
    made = table(tmp_path_factory.mktemp("table"), frames, ours=ours)
    known = files(made)
    key = data.draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=3, unique=True))
    sought = pl.concat([data.draw(st.sampled_from(frames)).select(key).head(1), frame([]).select(key)])
    for stored in known.iter_rows(named=True):
        rows = pl.read_parquet(Path(made.table_uri.removeprefix("file://")) / stored["path"], hive_partitioning=False)
        if rows.select(key).join(sought, on=key, how="semi", nulls_equal=True).height:
            assert possible(known.filter(pl.col("path") == stored["path"]), sought) == {0}


@given(parts=st.lists(st.lists(ROWS, min_size=1, max_size=3), min_size=1, max_size=3))
@examples(max_examples=50)
def test_every_value_lies_within_what_is_said_and_readers_miss_none(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[Any]]
) -> None:
    frames = [frame(rows) for rows in parts]
    made = table(tmp_path_factory.mktemp("table"), frames)
    for said in files(made).iter_rows(named=True):
        rows = frames[int(Path(said["path"]).stem)]
        for name in SCHEMA:
            values, low, high = rows[name].drop_nulls(), said["min"].get(name), said["max"].get(name)
            assert (low is None) == (high is None)
            assert low is None or ((values >= low) & (values <= high)).all()
            assert said["null_count"].get(name) in (None, rows[name].null_count())
    held = pl.concat(frames)
    for name in ("number", "text", "day", "moment"):
        for value in held[name].drop_nulls():
            found = pl.scan_delta(made).filter(pl.col(name) == value).collect()
            assert found.height == held.filter(pl.col(name) == value).height
        near = between(extremes(held.select(name).drop_nulls())) if held[name].drop_nulls().len() else pl.lit(True)
        assert pl.scan_delta(made).filter(pl.col(name).is_not_null() & near).collect().height == held[name].count()


def test_bounds_that_delta_rs_has_cut_off_hide_no_key(tmp_path: Path) -> None:
    moment = EPOCH + timedelta(microseconds=456789)
    rows = frame([(None, None, None, moment, None, None, None)])
    known = files(table(tmp_path, [rows], ours=False))
    assert known["max"].struct.field("moment").item() < moment
    assert holding(known, rows.select("moment")).height == 1


def test_files_that_cannot_hold_a_key_are_skipped(tmp_path: Path) -> None:
    empty = [None] * (len(SCHEMA) - 2)
    frames = [frame([(n, f"{n}", *empty), (n + 9, f"{n}z", *empty)]) for n in (10, 20, 30)]
    known = files(table(tmp_path, frames)).sort("path").with_row_index("n")
    asked = {(12,): ["0.parquet"], (25, 39): ["1.parquet", "2.parquet"], (19,): ["0.parquet"], (9, 40): [], (): []}
    for numbers, expected in asked.items():
        assert holding(known, pl.DataFrame({"number": numbers}, {"number": pl.Int64}))["path"].to_list() == expected
    both = pl.DataFrame({"number": [25], "text": ["1"]})
    assert holding(known, both).is_empty(), "each column must be possible"
    assert holding(known, pl.DataFrame({"number": [None]}, {"number": pl.Int64})).is_empty(), "no file has a null"
    assert holding(known, pl.DataFrame({"flag": [True]})).height == 3, "of what nothing is known all is possible"


def test_long_texts_are_no_bounds_and_take_no_place_in_the_log() -> None:
    said = statistics(pl.DataFrame({"text": ["a", "z" * (LONGEST + 1)], "other": ["a", "b"]}), ["text"])
    assert said == {"numRecords": 2, "minValues": {}, "maxValues": {}, "nullCount": {"text": 0}}
