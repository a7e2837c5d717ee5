"""A merge of our own beside delta-rs's on the same rows: one table, one change feed, whatever the rows are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import write_deltalake
from hypothesis import Phase, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from common.core.assets import Zone
from common.core.nouns import Dataset, Head
from common.lake import merge as merging
from common.lake import parts as parted
from common.lake.entry import files
from common.lake.merge import merge
from common.lake.parts import stage_parts
from common.lake.publish import append_parts
from common.lake.schema import Layout
from common.lake.table import LakeTable, changes, current_version, read_at
from common.zones.store import storage_options

pytestmark = pytest.mark.usefixtures("bucket")

NUMBERS = count()
KEYS: dict[str, tuple[pl.DataType, st.SearchStrategy[Any]]] = {
    "number": (pl.Int64(), st.integers(-3, 12) | st.sampled_from([-(2**63), 2**63 - 1])),
    "text": (pl.String(), st.sampled_from(["", "a", "b", "é" * 40, "é" * 41, "z" * 300, "\U0010ffff" * 33, "\x00"])),
    "day": (pl.Date(), st.dates(date(1, 1, 1), date(1, 1, 3)) | st.just(date(9999, 12, 31))),
    "moment": (
        pl.Datetime("us", "UTC"),
        st.integers(-3, 3).map(lambda n: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=499 * n))
        | st.just(datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ),
    "amount": (pl.Decimal(38, 2), st.sampled_from([Decimal("12345678901234567.89"), Decimal("12345678901234567.90")])),
    "ratio": (pl.Float64(), st.sampled_from([float("nan"), -0.0, 1.5, float("inf")])),
    "flag": (pl.Boolean(), st.booleans()),
}
VALUES = {"value": pl.String(), "part": pl.String()}
OTHER = {"kept": pl.Int64()}  # a column that later rows lack


@dataclass(frozen=True)
class Drawn:
    """A table and the merges into it: rows as (key, value, part, gone)."""

    key: tuple[str, ...]
    partitioned: bool
    by_delta_rs: bool
    files: list[list[tuple[Any, ...]]]
    merges: list[list[tuple[Any, ...]]]

    @property
    def layout(self) -> Layout:
        kinds = {name: KEYS[name][0] for name in self.key}
        return Layout({**kinds, **VALUES, **OTHER}, ("part",) if self.partitioned else (), self.key)

    def frame(self, rows: Sequence[tuple[Any, ...]], *, whole: bool = True) -> pl.DataFrame:
        schema = {**self.layout.schema, "gone": pl.Boolean()}
        found = pl.DataFrame([(*key, value, part, 7, gone) for key, value, part, gone in rows], schema, orient="row")
        return found if whole else found.drop("kept")


@st.composite
def tables(draw: st.DrawFn) -> Drawn:
    key = tuple(draw(st.lists(st.sampled_from(list(KEYS)), min_size=1, max_size=2, unique=True)))
    one = st.tuples(*(st.none() | KEYS[name][1] for name in key))
    row = st.tuples(one, st.sampled_from("xyz"), st.sampled_from(["a", "b_20", None]), st.booleans())
    known = draw(st.lists(row, max_size=20, unique_by=lambda row: str(row[0])))
    cuts = draw(st.integers(1, 6))
    merges = draw(st.lists(st.lists(row, max_size=8, unique_by=lambda row: str(row[0])), min_size=1, max_size=3))
    return Drawn(key, draw(st.booleans()), draw(st.booleans()), [known[n::cuts] for n in range(cuts)], merges)


def made(drawn: Drawn) -> LakeTable:
    """Make a table of some files: by hops of ours, or by delta-rs."""
    table = LakeTable(Zone.SILVER, Dataset("shop", f"t{next(NUMBERS)}"), "c", drawn.key)
    table.ensure(drawn.layout)
    for n, rows in enumerate(drawn.files, 1):
        frame = drawn.frame(rows).drop("gone")
        table.load()
        if drawn.by_delta_rs:
            marks = table.properties(n, n)
            write_deltalake(table.snapshot, frame, mode="append", commit_properties=marks)
            continue
        append_parts(table, list(stage_parts(table, [frame], drawn.layout, f"{n}/{n}")), n, n)
    table.load()
    return table


def delta_merge(table: LakeTable, rows: pl.DataFrame, key: Sequence[str], hop: int) -> None:
    """Merge as this was done before, by delta-rs."""
    on = " AND ".join(f"(t.`{name}` IS NOT DISTINCT FROM s.`{name}`)" for name in key)
    stays = "NOT s.`gone`"
    merger = table.snapshot.merge(rows, on, "s", "t", commit_properties=table.properties(hop, hop))
    merger = merger.when_matched_delete("s.`gone`").when_matched_update_all(stays, ["gone"])
    merger.when_not_matched_insert_all(stays, ["gone"]).execute()
    if table.load().transaction_version("c") != hop:  # it had nothing to do
        append_parts(table, [], hop, hop)
        table.load()


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(sorted(rows.columns)).sort(pl.all())


NAN = float("nan")  # of this key alone in both, polars's own joins once missed it
ALONE = Drawn(("ratio",), False, False, [[((NAN,), "y", "a", True)]], [[((NAN,), "z", None, False)]])


@given(tables())
@example(ALONE)
@examples(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_a_merge_leaves_what_delta_rs_would_have_left(drawn: Drawn) -> None:
    ours, theirs = made(drawn), made(drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "SMALL_FILES", 3)
        patch.setattr(parted, "PART_ROWS", 4)
        patch.setattr(merging, "PART_ROWS", 4)
        for hop, drawn_rows in enumerate(drawn.merges, len(drawn.files) + 1):
            rows = drawn.frame(drawn_rows, whole=False)
            began = [current_version(table.uri) for table in (ours, theirs)]
            merge(ours, rows, drawn.key, hop, hop, "gone")
            delta_merge(theirs, rows, drawn.key, hop)
            assert ours.head() == Head(hop, hop)
            assert_same(ours, theirs, began)


def assert_same(ours: LakeTable, theirs: LakeTable, began: list[int]) -> None:
    versions = [current_version(table.uri) for table in (ours, theirs)]
    assert versions[0] == began[0] + 1
    one, other = (in_order(read_at(t.uri, v).collect()) for t, v in zip((ours, theirs), versions, strict=True))
    assert_frame_equal(one, other)
    columns = list(ours.columns)
    feeds = [
        in_order(changes(table.uri, before, after, columns).drop("_commit_version"))
        for table, before, after in zip((ours, theirs), began, versions, strict=True)
    ]
    assert_frame_equal(*feeds)
    assert files(ours.load())["num_records"].sum() == one.height
    with duckdb.connect() as connection:
        connection.register("rows", pl.scan_delta(ours.uri, storage_options=storage_options()))
        assert_frame_equal(in_order(connection.sql("FROM rows").pl().cast(dict(one.schema))), one)
