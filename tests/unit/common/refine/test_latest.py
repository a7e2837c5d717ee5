"""Of each key the latest row stays, whatever the order and the grouping of hops."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.contracts.contract import Contract
from common.lake.schema import silver_schema
from common.refine import latest as latest_of_keys
from common.refine.latest import redone, winners
from common.refine.rows import Rows
from tests.unit.common.contract_text import contract

KEY = {"name": "k", "primaryKey": True}
COLUMNS = (KEY, {"name": "at", "logicalType": "integer"}, {"name": "v"})
VERSIONED = contract(*COLUMNS, latest=["at"])
ARRIVING = contract(*COLUMNS, latest="arrival")
BOTH = contract(*COLUMNS, latest=["at", "arrival"])
FILES = {"f1": 30, "f2": 10, "f3": 20}  # the order of their arrival is not that of their names
Row = tuple[str | None, int | None, str | None, str, int]
rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.none() | st.integers(0, 2),
        st.none() | st.sampled_from(["", "x", "y"]),
        st.sampled_from(list(FILES)),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda row: (row[3], row[4]),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def frame(made: Contract, given_rows: list[Row]) -> pl.DataFrame:
    arrived = [(*row, datetime.fromtimestamp(FILES[row[3]], UTC)) for row in given_rows]
    return pl.DataFrame(arrived, schema=silver_schema(made), orient="row")


def fresh(made: Contract, given_rows: list[Row], folder: Path) -> Rows:
    """Keep rows as refining does: in two frames, one of them on disk."""
    kept, half = Rows(folder, "fresh", silver_schema(made)), len(given_rows) // 2
    kept.add(frame(made, given_rows[:half]))
    kept.spill()
    kept.add(frame(made, given_rows[half:]))
    return kept


def after(made: Contract, state: pl.DataFrame, given_rows: list[Row], folder: Path) -> tuple[pl.DataFrame, int]:
    """Apply one hop by hand, as the publication would."""
    found = winners(made, fresh(made, given_rows, folder), state.lazy())
    came = pl.concat([*found.new_rows, found.settled])
    known = state.join(came, on="k", how="semi").height
    assert found.replaced == known
    assert found.rows == came.height
    assert came["k"].n_unique() == came.height
    assert found.inserted == came.height - known
    return pl.concat([state.join(came, on="k", how="anti"), came]).sort("k"), found.inserted


def oldest_first(value: object) -> tuple[bool, object]:
    return (value is not None, value)


def by_version(row: Row) -> tuple[object, ...]:
    """Return the place of a row: its version, then its content; of equal ones the first to arrive."""
    return (oldest_first(row[1]), (row[0], str(row[1]) if row[1] is not None else "\0", row[2] or "\0"))


def by_arrival(row: Row) -> tuple[object, ...]:
    return (FILES[row[3]], row[4])


def by_both(row: Row) -> tuple[object, ...]:
    return (oldest_first(row[1]), *by_arrival(row))


def latest(given_rows: list[Row], place: Callable[[Row], tuple[object, ...]]) -> set[Row]:
    """Say what must be left, by a second way: the last of each key in order."""
    ordered = sorted(given_rows, key=place)
    return set({row[0]: row for row in ordered}.values())


@quick
@given(batches=st.lists(rows, min_size=1, max_size=3))
def test_every_order_and_grouping_gives_the_same_table(batches: list[list[Row]], tmp_path: Path) -> None:
    # One record is one row, whichever hop brings it.
    whole = list({(row[3], row[4]): row for batch in batches for row in batch}.values())
    batches = [[row for row in batch if row in whole] for batch in batches]
    batches = [batch for batch in batches if batch]
    for made, place in ((VERSIONED, None), (ARRIVING, by_arrival), (BOTH, by_both)):
        outcomes, sums = [], []
        for order in [*itertools.permutations(batches), (whole,)]:
            state, inserted = frame(made, []), 0
            for batch in order:
                state, new = after(made, state, list(batch), tmp_path)
                inserted += new
            outcomes.append(state.rows())
            sums.append(inserted)
        assert all(outcome == outcomes[0] for outcome in outcomes)
        assert set(sums) == {len(outcomes[0])}
        if place:
            assert {row[:5] for row in outcomes[0]} == latest(whole, place)
        else:
            assert all(row[1] == max((r[1] for r in whole if r[0] == row[0]), key=oldest_first) for row in outcomes[0])


@settings(quick, max_examples=15)
@given(first=rows, second=rows)
def test_keys_that_share_a_mark_are_told_apart(first: list[Row], second: list[Row], tmp_path: Path) -> None:
    def table() -> tuple[list[Any], list[int]]:
        state, sums = frame(VERSIONED, []), []
        for batch in (first, second):
            state, inserted = after(VERSIONED, state, batch, tmp_path)
            sums.append(inserted)
        return state.rows(), sums

    apart = table()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latest_of_keys, "_mark", lambda *_: pl.col("k").str.len_bytes().alias("_mark"))
        assert table() == apart


def test_an_equal_row_that_comes_again_is_not_written(tmp_path: Path) -> None:
    for made in (VERSIONED, BOTH, ARRIVING):
        state, _ = after(made, frame(made, []), [("a", 1, "x", "f2", 1)], tmp_path)
        found = winners(made, fresh(made, [("a", 1, "x", "f2", 1)], tmp_path), state.lazy())
        assert (found.rows, found.settled.height, found.inserted) == (0, 0, 0)


def test_a_copy_in_a_later_file_changes_nothing_where_arrival_does_not_count(tmp_path: Path) -> None:
    state, _ = after(VERSIONED, frame(VERSIONED, []), [("a", 1, "x", "f2", 1)], tmp_path)
    (kept,) = after(VERSIONED, state, [("a", 1, "x", "f1", 1)], tmp_path)[0].rows()
    assert kept[3] == "f2"


def test_a_late_older_delivery_does_not_win_by_coming_late(tmp_path: Path) -> None:
    state, _ = after(ARRIVING, frame(ARRIVING, []), [("a", 1, "new", "f1", 1)], tmp_path)
    state, _ = after(ARRIVING, state, [("a", 2, "old", "f2", 1)], tmp_path)
    assert state["v"].to_list() == ["new"]


def test_different_rows_of_one_version_are_counted(tmp_path: Path) -> None:
    state, _ = after(VERSIONED, frame(VERSIONED, []), [("a", 1, "x", "f1", 1), ("b", 1, "x", "f1", 2)], tmp_path)
    rows: list[Row] = [("a", 1, "y", "f2", 1), ("b", 1, "x", "f2", 2), ("c", 0, "x", "f2", 3), ("c", 0, "y", "f2", 4)]
    rows += [("d", 0, "x", "f2", 5), ("d", 0, "y", "f2", 6), ("d", 1, "z", "f2", 7)]
    came = fresh(VERSIONED, rows, tmp_path)
    assert winners(VERSIONED, came, state.lazy()).tied == 2, "a and c; of d a later version decides, and b is the same"
    assert winners(BOTH, came, state.lazy()).tied == 0


def test_no_rows_change_nothing(tmp_path: Path) -> None:
    found = winners(VERSIONED, fresh(VERSIONED, [], tmp_path), frame(VERSIONED, []).lazy())
    assert (found.inserted, found.replaced, found.settled.height) == (0, 0, 0)


def again(made: Contract, state: list[Row], gives: list[Row]) -> tuple[set[tuple[str, bool]], int]:
    """Withdraw what f1 gave and fold in what it gives now; return what is written or removed, and the unrestored."""
    found = redone(made, frame(made, gives).lazy(), frame(made, state).lazy(), pl.col("_file") == "f1")
    return set(found.rows.select("v", "_gone").rows()), found.unrestored


def test_a_file_read_otherwise_counts_the_keys_whose_earlier_row_is_not_kept() -> None:
    held: list[Row] = [("a", 2, "x", "f1", 1), ("b", 2, "y", "f1", 2), ("c", 2, "z", "f1", 3)]
    gives: list[Row] = [("a", 2, "xx", "f1", 1), ("b", 1, "y", "f1", 2)]
    changed, unrestored = again(VERSIONED, held, gives)
    assert changed == {("xx", False), ("y", False), ("z", True)}
    assert unrestored == 2, "b is older now, and c is gone: what they had replaced could be the latest"


def test_a_file_that_gives_the_same_changes_nothing() -> None:
    held: list[Row] = [("a", 2, "x", "f1", 1), ("b", 2, "y", "f2", 2)]
    assert again(VERSIONED, held, held[:1]) == (set(), 0)
