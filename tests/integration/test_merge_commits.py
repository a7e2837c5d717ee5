"""Commits of our own: one entry or none, whoever else commits, wherever it is cut off, and whatever the table asks for."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from deltalake import DeltaTable

from common.core.assets import Zone
from common.core.errors import CommitConflict, NotApplied, StoreUnavailable, UnknownFeature
from common.core.nouns import Dataset, Head
from common.lake import merge as merging
from common.lake import upkeep
from common.lake.entry import files
from common.lake.merge import merge
from common.lake.parts import stage_parts
from common.lake.publish import append_parts
from common.lake.schema import Layout
from common.lake.table import LakeTable, changes, current_version, read_at
from common.zones.store import ZoneStore, storage_options

pytestmark = pytest.mark.usefixtures("bucket")

SCHEMA = {"id": pl.Int64(), "value": pl.Int64(), "part": pl.String()}
KEY = ("id",)


def rows(*ids: int, value: int = 0, part: str = "a") -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "value": [value] * len(ids), "part": [part] * len(ids)}, SCHEMA)


def made(*parts: pl.DataFrame, by: tuple[str, ...] = ()) -> LakeTable:
    """Make a table that is at hop 1, of these files."""
    table = LakeTable(Zone.SILVER, Dataset("shop", f"t{uuid4().hex}"), "c", KEY)
    table.ensure(Layout(SCHEMA, by, KEY))
    append_parts(table, list(stage_parts(table, parts, Layout(SCHEMA, by, KEY), "1/1")), 1, 1)
    table.load()
    return table


def again(table: LakeTable) -> LakeTable:
    """Give the table as another process sees it."""
    other = LakeTable(Zone.SILVER, table.dataset, table.consumer, KEY)
    other.load()
    return other


def held(table: LakeTable) -> list[tuple[Any, ...]]:
    return read_at(table.uri, current_version(table.uri)).sort("id").collect().rows()


def paths(table: LakeTable) -> set[str]:
    return set(files(table.load())["path"])


def test_only_files_that_hold_a_key_are_opened_and_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(rows(1, 3), rows(5, 7), rows(6, 9), rows(20, 30))
    before, opened = paths(table), list[str]()
    scan = merging._scan
    monkeypatch.setattr(merging, "_scan", lambda found, schema: opened.extend(found) or scan(found, schema))
    merge(table, rows(6, 25, value=1), KEY, 2, 2)
    assert len(opened) == 3, "between 5 and 7, 6 and 9, 20 and 30"
    assert len(before & paths(table)) == 3
    assert held(table) == [(i, int(i in (6, 25)), "a") for i in (1, 3, 5, 6, 7, 9, 20, 25, 30)]


def test_rows_stay_in_the_file_of_their_key_and_leave_it_with_their_partition() -> None:
    table = made(rows(1, 2), rows(3, 4, part="b"), by=("part",))
    merge(table, pl.concat([rows(1, value=5), rows(3, part="a")]), KEY, 2, 2)
    found = files(table.load()).sort("num_records", "path")
    assert sorted(zip(found["num_records"], (p["part"] for p in found["partition"]), strict=True)) == [
        (1, "a"),
        (1, "b"),
        (2, "a"),
    ]
    assert held(table) == [(1, 5, "a"), (2, 0, "a"), (3, 0, "a"), (4, 0, "b")]


def test_a_key_that_is_there_twice_is_there_once_after_it_is_merged() -> None:
    table = made(rows(1, 2), rows(2, 3))
    merge(table, rows(2, value=9), KEY, 2, 2)
    assert held(table) == [(1, 0, "a"), (2, 9, "a"), (3, 0, "a")]


def test_tables_without_statistics_are_looked_through() -> None:
    table = made()
    stripped = [
        part.__class__(part.path, part.size, part.records, part.partition, {"numRecords": part.records})
        for part in stage_parts(table, [rows(1, 2), rows(8, 9)], Layout(SCHEMA), "2/2")
    ]
    append_parts(table, stripped, 2, 2)
    table.load()
    merge(table, rows(8, value=1), KEY, 3, 3)
    assert held(table) == [(1, 0, "a"), (2, 0, "a"), (8, 1, "a"), (9, 0, "a")]


def test_keys_of_any_plane_are_found() -> None:
    schema, texts = {"name": pl.String(), "value": pl.Int64()}, ["\U00020000", "\U0010ffff", "\U0001f600", "é"]
    table = LakeTable(Zone.SILVER, Dataset("shop", f"t{uuid4().hex}"), "c", ("name",))
    table.ensure(Layout(schema, (), ("name",)))
    first, then = (pl.DataFrame({"name": texts, "value": [n] * len(texts)}, schema) for n in (0, 1))
    append_parts(table, list(stage_parts(table, first.iter_slices(1), Layout(schema, (), ("name",)), "1/1")), 1, 1)
    table.load()
    merge(table, then, ("name",), 2, 2)
    assert read_at(table.uri, current_version(table.uri)).collect().sort("name").equals(then.sort("name"))


def test_a_partition_of_a_thousand_values_opens_what_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    many = pl.DataFrame({"id": range(300), "value": [0] * 300, "part": [f"{n:03}" for n in range(300)]}, SCHEMA)
    table, read = made(many, by=("part",)), list[str]()
    real = merging.read_file
    monkeypatch.setattr(
        merging, "read_file", lambda t, file, schema: read.append(file["path"]) or real(t, file, schema)
    )
    merge(table, many.head(10).with_columns(value=pl.lit(1, pl.Int64)), KEY, 2, 2)
    assert len(read) == 10
    assert sum(value for _, value, _ in held(table)) == 10


@pytest.mark.parametrize("other", ["hop", "compaction"])
def test_of_two_that_commit_at_once_one_wins(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(rows(1), rows(2))
    rival, put, met = again(table), ZoneStore.put_once, list[str]()

    def meanwhile(store: ZoneStore, key: str, content: bytes) -> bool:
        if not met:
            met.append(key)
            if other == "hop":
                merge(rival, rows(2, value=7), KEY, 2, 77)
            else:
                assert upkeep.compact(rival, most=1) == 2
        return put(store, key, content)

    monkeypatch.setattr(ZoneStore, "put_once", meanwhile)
    if other == "hop":
        with pytest.raises(CommitConflict, match="is not at hop 1"):
            merge(table, rows(1, value=5), KEY, 2, 55)
        assert table.head() == Head(2, 77)
        assert held(table) == [(1, 0, "a"), (2, 7, "a")]
    else:
        merge(table, rows(1, value=5), KEY, 2, 55)
        assert table.head() == Head(2, 55)
        assert held(table) == [(1, 5, "a"), (2, 0, "a")]


def test_rows_made_for_other_columns_are_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(rows(1))
    rival, put = again(table), ZoneStore.put_once

    def meanwhile(store: ZoneStore, key: str, content: bytes) -> bool:
        monkeypatch.setattr(ZoneStore, "put_once", put)
        rival.ensure(Layout({**SCHEMA, "value": pl.Decimal(38, 2)}, (), KEY))
        return put(store, key, content)

    monkeypatch.setattr(ZoneStore, "put_once", meanwhile)
    with pytest.raises(CommitConflict, match="other columns"):
        append_parts(table, list(stage_parts(table, [rows(2)], Layout(SCHEMA), "2/2")), 2, 2)
    assert table.head() == Head(1, 1)


PUTS = ("part", "changes", "entry")


@pytest.mark.parametrize("lost", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", PUTS)
def test_a_commit_that_is_cut_off_is_there_or_not(at: str, lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(rows(1, 2))

    def cut(real: Callable[..., Any], matches: Callable[[str], bool]) -> Callable[..., Any]:
        def put(store: ZoneStore, key: str, content: Any) -> Any:
            if matches(key) and lost:
                real(store, key, content)
            if matches(key):
                raise StoreUnavailable("no answer")
            return real(store, key, content)

        return put

    wanted = {"part": "/2/2/", "changes": "_change_data", "entry": "_delta_log"}[at]
    with monkeypatch.context() as patch:
        patch.setattr(ZoneStore, "write_part", cut(ZoneStore.write_part, lambda key: wanted in key))
        patch.setattr(ZoneStore, "put_once", cut(ZoneStore.put_once, lambda key: wanted in key))
        with pytest.raises(StoreUnavailable):
            merge(table, rows(1, 3, value=5), KEY, 2, 2)
    done = at == "entry" and lost
    assert table.head() == (Head(2, 2) if done else Head(1, 1))
    if not done:
        merge(table, rows(1, 3, value=5), KEY, 2, 3)
    assert held(table) == [(1, 5, "a"), (2, 0, "a"), (3, 5, "a")]
    feed = changes(table.uri, 1, current_version(table.uri), ["id", "value"]).drop("_commit_version")
    assert sorted(feed.rows()) == [(1, 0, "update_preimage"), (1, 5, "update_postimage"), (3, 5, "insert")]


def test_a_checkpoint_that_fails_takes_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(rows(1))

    def fail(_table: LakeTable) -> None:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(LakeTable, "checkpoint", fail)
    for hop in range(2, 10):
        merge(table, rows(1, value=hop), KEY, hop, hop)
        table.load()
    with pytest.raises(StoreUnavailable):
        merge(table, rows(1, value=10), KEY, 10, 10)
    assert table.head() == Head(10, 10)
    assert held(table) == [(1, 10, "a")]


def asking(what: dict[str, Any]) -> LakeTable:
    """Make a table with these properties, or with a protocol that somebody else has written."""
    table = made(rows(1))
    if "minReaderVersion" in what:
        entry = json.dumps({"protocol": what}).encode()
        table.store.put_once(f"{table.folder}/_delta_log/{current_version(table.uri) + 1:020}.json", entry)
    else:
        table.snapshot.alter.set_table_properties(what, raise_if_not_exists=False)
    table.load()
    return table


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ({"delta.enableDeletionVectors": "true"}, "deletionVectors"),
        ({"delta.appendOnly": "true"}, "delta.appendOnly"),
        ({"minReaderVersion": 2, "minWriterVersion": 5}, "reader version 2, writer version 5"),
        ({"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["rowTracking"]}, "rowTracking"),
        (
            {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": ["columnMapping"],
                "writerFeatures": ["columnMapping"],
            },
            "columnMapping",
        ),
    ],
)
def test_what_a_table_asks_for_and_we_do_not_know_is_refused(what: dict[str, Any], named: str) -> None:
    table = asking(what)
    before = current_version(table.uri)
    for write in (
        lambda: merge(table, rows(1, value=1), KEY, 2, 2),
        lambda: append_parts(table, [], 2, 2),
    ):
        with pytest.raises(UnknownFeature, match=rf"asks of its writers .*{named}.* Nothing was written"):
            write()
    assert current_version(table.uri) == before


def test_a_constraint_is_refused_and_features_that_ask_nothing_are_not() -> None:
    table = made(rows(1))
    table.load().alter.add_constraint({"positive": "id > 0"})
    table.load()
    with pytest.raises(UnknownFeature, match="constraints"):
        merge(table, rows(-1), KEY, 2, 2)
    table.load().alter.drop_constraint("positive")
    table.load()
    merge(table, rows(2), KEY, 2, 2)
    assert len(held(table)) == 2


def test_many_hops_in_a_row_keep_files_and_log_small() -> None:
    table, counts = made(rows(*range(0, 1000, 2))), []
    for hop in range(2, 202):
        table.head()
        at = (hop * 137) % 1000
        merge(table, pl.concat([rows(at - at % 2, value=hop), rows(1000 + hop)]), KEY, hop, hop)
        counts.append(files(table.load()).height)
    assert max(counts) <= merging.SMALL_FILES + 2
    assert len(held(table)) == 500 + 200
    checkpoints = [
        item.key for item in table.store.list(f"{table.folder}/_delta_log/") if "checkpoint.parquet" in item.key
    ]
    assert len(checkpoints) == 20, "of every tenth version"
    assert DeltaTable(table.uri, storage_options=storage_options()).transaction_version("c") == 201
    assert upkeep.compact(table, most=1) > 0
    assert files(table.load()).height == 1
    assert len(held(table)) == 500 + 200
    assert table.head() == Head(201, 201)


def test_small_files_that_every_hop_changes_do_not_pile_up() -> None:
    table = made(rows(0))
    for hop in range(2, 50):
        table.head()
        merge(table, rows(*range(hop), value=hop), KEY, hop, hop)
        assert files(table.load()).height <= merging.SMALL_FILES + 1
    assert held(table) == [(n, 49, "a") for n in range(49)]


def test_rows_that_move_to_another_partition_do_not_pile_up_there() -> None:
    table = made(rows(*range(40)), by=("part",))
    for hop in range(2, 40):
        table.head()
        merge(table, rows(hop, part="b"), KEY, hop, hop)
        assert files(table.load()).height <= merging.SMALL_FILES + 1
    assert [part for _, _, part in held(table)] == ["a"] * 2 + ["b"] * 38


def test_every_tenth_entry_is_followed_by_a_checkpoint() -> None:
    table = made(rows(1))
    for hop in range(2, 12):
        merge(table, rows(1, value=hop), KEY, hop, hop)
        table.load()
    found = [item.key for item in table.store.list(f"{table.folder}/_delta_log/") if "checkpoint.parquet" in item.key]
    assert [key.rpartition("/")[2][:20] for key in found] == [f"{10:020}"]
    assert table.head() == Head(11, 11)


def test_joined_files_are_sorted_by_key_and_tell_no_change() -> None:
    table = made(*(rows(n, 100 - n) for n in range(9)))
    before = current_version(table.uri)
    assert upkeep.compact(table) == 9
    assert changes(table.uri, before, before + 1, ["id"]).is_empty()
    found = files(table.load()).row(0, named=True)
    assert (found["min"]["id"], found["max"]["id"], found["num_records"]) == (0, 100, 18)
    raw = pl.read_parquet(f"{table.uri}/{found['path']}", storage_options=storage_options())
    assert raw["id"].is_sorted()


def test_no_table_is_no_reason_to_make_one() -> None:
    with pytest.raises(NotApplied):
        merge(LakeTable(Zone.SILVER, Dataset("shop", "nowhere"), "c", KEY), rows(1), KEY, 1, 1)
