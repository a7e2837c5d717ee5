"""Of each key the latest row stays, whatever the order of arrival."""

import itertools
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.lake.schema import silver_schema
from common.refine.latest import winners
from tests.unit.common.contract_text import contract

KEYED = contract(
    {"name": "k", "primaryKey": True}, {"name": "at", "logicalType": "integer"}, {"name": "v"}, latest=["at"]
)
ARRIVING = contract({"name": "k", "primaryKey": True}, {"name": "v"}, latest="arrival")
Row = tuple[str | None, int | None, str | None, str, int]


def table(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=silver_schema(KEYED), orient="row")


def after(state: pl.DataFrame, rows: list[Row], folder: Path) -> tuple[pl.DataFrame, int]:
    """Apply one hop by hand, as the publication would."""
    path = folder / "rows.parquet"
    table(rows).with_columns(pl.lit(0, pl.Int32).alias("_order")).write_parquet(path)
    found = winners(KEYED, [path], state.lazy())
    came = pl.concat([*found.undisputed, found.settled.lazy()]).collect()
    known = state.join(came, on="k", how="semi").height
    assert found.replaced <= known
    assert found.rows == came.height
    assert came["k"].n_unique() == came.height
    assert found.inserted == came.height - known
    return pl.concat([state.join(came, on="k", how="anti"), came]).sort("k"), found.inserted


rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.none() | st.integers(0, 2),
        st.none() | st.sampled_from(["", "x", "y"]),
        st.sampled_from(["f1", "f2"]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(rows, min_size=1, max_size=3))
def test_every_order_and_grouping_gives_the_same_table(batches: list[list[Row]], tmp_path: Path) -> None:
    outcomes, sums = [], []
    for order in [*itertools.permutations(batches), ([row for batch in batches for row in batch],)]:
        state, inserted = table([]), 0
        for batch in order:
            state, new = after(state, list(batch), tmp_path)
            inserted += new
        outcomes.append(state.rows())
        sums.append(inserted)
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert set(sums) == {len(outcomes[0])}


def test_what_arrives_last_wins_where_the_contract_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame(
        {"k": ["a", "a", "b"], "v": ["2", "1", "0"], "_file": "f", "_record": [1, 1, 2], "_order": [0, 1, 0]},
        schema_overrides={"_order": pl.Int32},
    ).write_parquet(path)
    old = pl.DataFrame({"k": ["b"], "v": ["9"], "_file": ["z"], "_record": [9]})
    found = winners(ARRIVING, [path], old.lazy())
    assert sorted(found.settled.select("k", "v").rows()) == [("a", "1"), ("b", "0")]
    assert found.replaced
    assert found.inserted == 1


def test_no_rows_change_nothing() -> None:
    found = winners(KEYED, [], table([]).lazy())
    assert (found.inserted, found.replaced, found.settled.height) == (0, 0, 0)
