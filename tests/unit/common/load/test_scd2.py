"""Intervals of drawn histories are those that the definition gives, whatever the share of keys that is folded at once."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from common.lake.changes import GONE
from common.load import scd2
from common.load.scd2 import Intervals
from tests.histories import Version, drawn, intervals
from tests.seed import SEED

KEY, VALUES, NAMES = ("shop", "customer"), ("name", "plan", "amount"), ("valid_from", "valid_to", "is_current")
SHOWN: dict[str, pl.DataType] = {
    "shop": pl.String(),
    "customer": pl.Int64(),
    "name": pl.String(),
    "plan": pl.String(),
    "amount": pl.String(),
}
KEYS = [(shop, customer) for shop in ("a", "b") for customer in range(1000)]


def rules(*track: str) -> Intervals:
    return Intervals(KEY, ("at", "seq"), track, SHOWN, NAMES)


def frame(versions: Sequence[Version]) -> pl.LazyFrame:
    rows = [(*v.key, *v.values, v.since, *v.order, v.gone or None) for v in versions]
    schema = {**SHOWN, "at": pl.Int64(), "seq": pl.Int64(), "_deleted": pl.Boolean()}
    return pl.LazyFrame(rows, schema=schema, orient="row").with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))


def found(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(rows.with_columns(pl.col(NAMES[:2]).to_physical()).select(*SHOWN, *NAMES).rows(), key=repr)


def history() -> list[Version]:
    """One record for each version: two of one would be one row of the silver table."""
    drawn_ones = {(v.key, v.since, v.order): v for v in drawn(random.Random(SEED), KEYS)}
    return random.Random(SEED).sample(list(drawn_ones.values()), len(drawn_ones))


@pytest.mark.parametrize("track", [VALUES, ("plan",), ("name", "amount"), ()], ids=str)
def test_intervals_are_those_of_the_definition(track: tuple[str, ...]) -> None:
    versions = history()
    places = [VALUES.index(name) for name in track]
    wanted = intervals(versions, lambda values: [values[place] for place in places])
    got = rules(*track).of(frame(versions)).collect()
    assert found(got) == sorted((interval.row for interval in wanted), key=repr)
    assert rules(*track).count(frame(versions)) == len(wanted)


@pytest.mark.parametrize("most", [1_000_000, 300])
def test_shares_of_keys_give_the_same_rows(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(scd2, "SHARE_ROWS", most)
    versions, made = frame(history()), rules(*VALUES)
    with made.spooled(versions, pl.DataFrame(schema={name: SHOWN[name] for name in KEY})) as rows:
        together = pl.concat(rows.frames())
    assert not together[GONE].any()
    assert rows.count == together.height
    assert found(together) == found(made.of(versions).collect())


def test_touched_keys_without_an_interval_are_gone() -> None:
    first, marker, never = (Version(("a", n), 5, (0,), ("x", "y", None), gone=n == 2) for n in (1, 2, 3))
    touched = pl.DataFrame([first.key, marker.key, never.key], schema={n: SHOWN[n] for n in KEY}, orient="row")
    with rules("name").spooled(frame([first, marker]), touched) as rows:
        together = pl.concat(rows.frames()).sort("customer")
    assert dict(together.schema) == rows.schema
    assert together.select(*KEY, GONE, "valid_from").rows() == [
        ("a", 1, False, datetime(1970, 1, 1, 0, 0, 0, 5, UTC)), ("a", 2, True, None), ("a", 3, True, None)
    ]  # fmt: skip


def test_no_history_gives_no_row() -> None:
    with rules("name").spooled(frame([]), pl.DataFrame(schema={n: SHOWN[n] for n in KEY})) as rows:
        assert (rows.count, sum(part.height for part in rows.frames())) == (0, 0)


def test_a_day_is_valid_from_its_midnight() -> None:
    made = Intervals(("k",), ("day",), (), {"k": pl.String(), "day": pl.Date()}, NAMES)
    rows = pl.LazyFrame({"k": ["a", "a"], "day": [date(9999, 12, 31), date(1, 1, 1)]})
    got = made.of(rows).select("day", "valid_from", "valid_to").collect().rows()
    assert got == [(date(9999, 12, 31), datetime(1, 1, 1, tzinfo=UTC), None)]
