"""What a table holds is a function of the deliveries and their order: arrival, duplicates, replays, history, deletes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

from common.cli.main import app
from common.core.assets import Zone
from common.ledger.database import transaction
from common.ledger.incidents import REFUSED
from common.ledger.queries import hops
from common.ledger.refusals import Filter
from common.pipelines.kinds import consumer_named, step_of
from common.repair.decide import end_parked, exported, redrive, replay
from common.upkeep.verify import verify
from common.zones.store import ZoneStore, storage_options
from tests.contracts import INCREMENTAL, write_contract
from tests.world import World, by, new_world, other_contract

VERSIONED = "{to: warehouse, strategy: incremental, history: true, table: lab.tracked_versions}"
WORDS: dict[str, dict[str, str]] = {
    "plain": {},
    "replacing": {"delivery": "replace"},
    "held": {"batch": "{minRows: 2}"},
    "newest": {"latest": "arrival"},
    "dated": {"latest": "[at]"},
    "tracked": {
        "latest": "[at, arrival]",
        "history": "true",
        "deleted": "{column: v, values: [gone]}",
        "load": f"[{INCREMENTAL}, {{to: duckdb, strategy: full, history: true}}, {VERSIONED}]",
    },
}
UNKEYED = {"plain", "replacing", "held"}
MODEL = """/*
description: Which values there are now.
key: [k]
slice: k
inputs: {lab.tracked: k}
controls: [{result: count(*), input: lab.tracked, equals: count(*)}]
*/
SELECT k, v FROM lab.tracked
"""
VERSIONS = """/*
description: How many versions there are of each.
key: [k]
slice: k
inputs: {lab.tracked: {slice: k, history: true}}
*/
SELECT k, count(*) AS versions, count_if(_deleted) AS deletions FROM lab.tracked GROUP BY k
"""


def write(folder: Path) -> Path:
    domain = folder / "domains" / "lab"
    (domain / "gold").mkdir(parents=True)
    for name, words in WORDS.items():
        key = f"name: k, logicalType: string, required: true, primaryKey: {str(name not in UNKEYED).lower()}"
        value = "name: v, logicalType: string, logicalTypeOptions: {maxLength: 9}"
        columns = (key, "name: at, logicalType: integer", value)
        write_contract(domain, name, columns, {"load": f"[{INCREMENTAL}]", **words})
    for name, text in (("now", MODEL), ("versions", VERSIONS)):
        (domain / "gold" / f"{name}.sql").write_text(text)
    return domain.parent


@pytest.fixture
def lab(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """A dataset of each kind, applied and empty."""
    with new_world(stack, tmp_path, "lab", write(tmp_path)) as made:
        yield made


def deliver(world: World, key: str, *rows: str) -> None:
    """Land a file and take it into bronze, so that the next one comes after it."""
    world.land(key, "".join(f"{row}\n" for row in ("k,at,v", *rows)).encode())
    world.flow("bronze")


def values(world: World, name: str) -> list[tuple[str, str]]:
    found = world.silver(name).select("k", "v").sort("k", "v").rows()
    if name != "tracked":
        assert sorted(world.rows(f"SELECT k, v FROM lab.{name}")) == found
    return list(found)


def batch(world: World, name: str, raw: str, zone: str = "bronze") -> str:
    column = "raw" if zone == "bronze" else "key"
    query = (
        f"SELECT id FROM batch WHERE asset = 'lab.{name}.{zone}' AND place->>'{column}' LIKE '%{raw}' ORDER BY number"
    )
    return str(world.rows(query, "ledger")[0][0])


def counts(world: World, consumer: str) -> tuple[int, int, int]:
    """Return taken, good and merged of the last hop."""
    query = f"SELECT taken, good, merged FROM hop WHERE consumer = '{consumer}' ORDER BY n DESC LIMIT 1"
    return tuple(world.rows(query, "ledger")[0])  # type: ignore[return-value]


def test_a_snapshot_that_returns_is_the_latest_again(lab: World) -> None:
    for number, content in enumerate(("x", "y", "x")):
        deliver(lab, f"newest/{number}.csv", f"a,1,{content}")
    lab.flow()
    assert values(lab, "newest") == [("a", "x")]
    assert counts(lab, "lab.newest.silver") == (3, 1, 2)
    files = lab.rows("SELECT count(DISTINCT place->>'key') FROM batch WHERE asset = 'lab.newest.bronze'", "ledger")
    assert files == [(3,)]


def test_a_late_replay_does_not_win_by_coming_late(lab: World) -> None:
    deliver(lab, "newest/1.csv", "a,1,old")
    deliver(lab, "newest/2.csv", "a,1,new")
    lab.flow()
    replay(batch(lab, "newest", "1.csv"), "", by("a test"))
    lab.flow()
    assert values(lab, "newest") == [("a", "new")]
    assert counts(lab, "lab.newest.silver") == (1, 0, 1)


def test_a_mended_row_has_the_place_of_its_delivery(lab: World, tmp_path: Path) -> None:
    deliver(lab, "newest/1.csv", "a,1,much too long", "b,1,fine")
    deliver(lab, "newest/2.csv", "a,2,second")
    lab.flow()
    exported(Filter(consumer="lab.newest.silver"), tmp_path / "bad.csv", "tester")
    mended = (tmp_path / "bad.csv").read_text().replace("much too long", "first")
    (tmp_path / "good.csv").write_text(mended)
    redrive(Filter(consumer="lab.newest.silver"), by("mended"), rows=tmp_path / "good.csv")
    lab.flow()
    assert values(lab, "newest") == [("a", "second"), ("b", "fine")]


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_mended_rows_obey_the_rules_of_the_file_that_they_came_from(lab: World, tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        rows = {"k": ["a", "b"], "at": [100.0, 3.0], "v": ["much too long", "much too long"]}
        pl.DataFrame(rows).write_parquet(tmp_path / "1.parquet")
        content = (tmp_path / "1.parquet").read_bytes()
    else:
        content = b'{"k":"a","at":1e2,"v":"much too long"}\n{"k":"b","at":3,"v":"much too long"}\n'
    lab.land(f"newest/1.{kind}", content)
    lab.land("newest/2.csv", b"k,at,v\nc,1e2,much too long\n")
    lab.flow()
    for again in ("first", "second"):  # what is refused again was mended before
        exported(Filter(consumer="lab.newest.silver"), tmp_path / "bad.csv", "tester")
        text = (tmp_path / "bad.csv").read_text()
        (tmp_path / "good.csv").write_text(text if again == "first" else text.replace("much too long", "short"))
        redrive(Filter(consumer="lab.newest.silver"), by("mended"), rows=tmp_path / "good.csv")
        lab.flow()
    assert lab.silver("newest").sort("k").select("k", "at", "v").rows() == [("a", 100, "short"), ("b", 3, "short")]
    found = lab.rows("SELECT reason, \"column\" FROM refusal WHERE state = 'open'", "ledger")
    assert found == [("type", "at")]


def test_a_key_that_came_late_is_read_where_an_earlier_version_recorded_the_first_ones_only(lab: World) -> None:
    lab.land("newest/1.ndjson", b'{"k": "a", "at": 1}\n{"k": "b", "at": 2, "V": "late"}\n')
    lab.flow("bronze")
    lab.rows(
        "UPDATE batch SET place = jsonb_set(place, '{shape}', place->'shape' || "
        """'{"columns": ["k", "at", "v"], "absent": ["v"]}') WHERE asset = 'lab.newest.bronze' RETURNING id""",
        "ledger",
    )
    lab.flow()
    assert values(lab, "newest") == [("a", None), ("b", "late")]


def test_arrivals_of_one_second_are_told_apart_in_the_order_of_their_keys(lab: World) -> None:
    for number in range(5):
        lab.land(f"newest/{number}.csv", f"k,at,v\na,1,{number}\n".encode())
    lab.flow()
    assert values(lab, "newest") == [("a", "4")]
    arrivals = lab.rows("SELECT (place->>'arrival')::bigint FROM batch WHERE asset = 'lab.newest.raw'", "ledger")
    assert len(set(arrivals)) == 5


def test_of_equal_rows_the_first_to_arrive_stays(lab: World) -> None:
    deliver(lab, "dated/1.csv", "a,1,x")
    deliver(lab, "dated/2.csv", "a,1,x", "b,1,y")
    lab.flow()
    (kept,) = lab.silver("dated").filter(pl.col("k") == "a").select("_file").rows()
    assert kept[0].endswith("1.csv")


def test_different_rows_of_one_version_are_counted_and_shown(lab: World) -> None:
    deliver(lab, "dated/1.csv", "a,1,x", "b,1,x")
    lab.flow()
    deliver(lab, "dated/2.csv", "a,1,y", "b,2,y")
    lab.flow()
    with transaction() as connection:
        assert [(row["n"], row["tied"]) for row in hops(connection, "lab.dated.silver", "", 9)] == [(2, 1), (1, 0)]


def test_columns_that_the_contract_lacks_are_counted_in_each_hop_and_shown(lab: World) -> None:
    lab.land("dated/1.csv", b"k,at,v,colour\na,1,x,red\n")
    lab.land("dated/2.csv", b"k,at,v,colour,size\nb,1,x,red,9\n")
    lab.flow()
    late = b"".join(b'{"k": "c%d", "at": 1, "v": "x"}\n' % n for n in range(3)) + b'{"k": "d", "shape": 1}\n'
    lab.land("dated/3.ndjson", late)
    lab.flow()
    deliver(lab, "dated/4.csv", "e,1,x")
    lab.flow()
    found = CliRunner().invoke(app, ["hops", "lab.dated.silver", "--json"])
    assert [(row["n"], row["unknown"]) for row in json.loads(found.output)] == [(3, 0), (2, 1), (1, 2)]
    assert "unknown" in CliRunner().invoke(app, ["hops", "lab.dated.silver"]).output


def test_a_replay_that_changes_nothing_commits_nothing(lab: World) -> None:
    deliver(lab, "dated/1.csv", "a,1,x", "b,2,y")
    deliver(lab, "dated/2.csv", "a,2,z")
    lab.flow()
    before = lab.silver("dated")
    replay(batch(lab, "dated", "1.csv"), "", by("a test"))
    lab.flow()
    assert lab.silver("dated").sort("k").equals(before.sort("k"))
    assert counts(lab, "lab.dated.silver") == (2, 0, 2)
    assert lab.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]


def test_a_replay_under_another_contract_says_what_it_cannot_restore(lab: World, tmp_path: Path) -> None:
    deliver(lab, "dated/1.csv", "a,1,shorter", "b,1,x")
    deliver(lab, "dated/2.csv", "a,2,longer")
    lab.flow()
    with other_contract(lab, tmp_path, "dated", lambda text: text.replace("maxLength: 9", "maxLength: 5")):
        replay(batch(lab, "dated", "2.csv"), "", by("a test"))
        lab.flow()
        assert values(lab, "dated") == [("b", "x")]
        ((kind, detail),) = lab.rows("SELECT kind, detail FROM incident", "ledger")
        assert kind == "stale"
        assert "withdrew the rows of 1 keys" in detail
        for name in ("1.csv", "2.csv"):  # shorter is too long as well: nothing comes back, and nobody says otherwise
            replay(batch(lab, "dated", name), "", by("a test"))
        lab.flow()
        assert values(lab, "dated") == [("b", "x")]


def test_a_later_delivery_replaces_the_earlier_one_for_good(lab: World) -> None:
    deliver(lab, "replacing/a.csv", "a,1,one", "b,1,much too long")
    deliver(lab, "replacing/other.csv", "a,1,one")
    lab.flow()
    assert values(lab, "replacing") == [("a", "one"), ("a", "one")]
    deliver(lab, "replacing/a.csv", "c,1,two")
    lab.flow()
    assert values(lab, "replacing") == [("a", "one"), ("c", "two")]
    replay(batch(lab, "replacing", "a.csv"), "", by("a test"))
    lab.flow()
    assert values(lab, "replacing") == [("a", "one"), ("c", "two")]
    assert counts(lab, "lab.replacing.silver") == (2, 0, 1)
    assert list(verify()) == []


def test_deliveries_of_one_key_in_one_hop_leave_the_last(lab: World) -> None:
    for content in ("one", "two", "one"):
        deliver(lab, "replacing/a.csv", f"a,1,{content}", f"b,1,{content}")
    lab.flow()
    assert values(lab, "replacing") == [("a", "one"), ("b", "one")]
    assert counts(lab, "lab.replacing.silver") == (6, 2, 4)


def test_a_copy_of_a_file_that_was_refused_whole_says_so(lab: World) -> None:
    deliver(lab, "held/1.csv", "a,1,x")
    lab.flow()
    end_parked("lab.held.silver", batch(lab, "held", "1.csv"), REFUSED, by("not wanted"))
    lab.flow()
    deliver(lab, "held/2.csv", "a,1,x")
    ((reason, place),) = lab.rows("SELECT reason, place FROM refusal WHERE consumer = 'lab.held.bronze'", "ledger")
    assert reason == "duplicate"
    key = place.removeprefix(ZoneStore(Zone.QUARANTINE).uri()).rpartition("/")[0]
    told = ZoneStore(Zone.QUARANTINE).read(f"{key}/_reason.json") or b""
    assert f"the same as batch {batch(lab, 'held', '1.csv')}, which was refused".encode() in told


def test_history_keeps_versions_and_deletes_and_readers_see_the_current_ones(lab: World) -> None:
    deliver(lab, "tracked/1.csv", "a,2,second", "b,1,only", "c,,no version")
    deliver(lab, "tracked/2.csv", "a,1,first", "b,2,gone")
    lab.flow()
    versions = lab.silver("tracked").select("k", "at", "v", "_deleted").sort("k", "at").rows()
    assert versions == [
        ("a", 1, "first", False),
        ("a", 2, "second", False),
        ("b", 1, "only", False),
        ("b", 2, "gone", True),
    ]
    assert sorted(lab.rows("SELECT k, v FROM lab.tracked")) == [("a", "second")]
    assert lab.lake("gold", "now").rows() == [("a", "second")]
    deliver(lab, "tracked/3.csv", "b,3,again", "a,2,corrected", "a,0,oldest")
    lab.flow()
    assert sorted(lab.rows("SELECT k, v FROM lab.tracked")) == [("a", "corrected"), ("b", "again")]
    assert sorted(lab.lake("gold", "now").select("k", "v").rows()) == [("a", "corrected"), ("b", "again")]
    deliver(lab, "tracked/4.csv", "a,9,gone")
    lab.flow()
    assert lab.rows("SELECT k, v FROM lab.tracked") == [("b", "again")]
    assert lab.lake("gold", "now").select("k", "v").rows() == [("b", "again")]
    history = step_of(consumer_named("lab.tracked@duckdb"))
    assert history.count_rows() == lab.silver("tracked").height == 7  # type: ignore[attr-defined]
    assert lab.lake("gold", "versions").sort("k").rows() == [("a", 4, 1), ("b", 3, 1)]
    loaded = lab.rows("SELECT k, at, v, _deleted FROM lab.tracked_versions")
    assert sorted(loaded) == sorted(lab.silver("tracked").select("k", "at", "v", "_deleted").rows())
    refused = lab.rows("SELECT rule, \"column\" FROM refusal WHERE consumer = 'lab.tracked.silver'", "ledger")
    assert refused == [("required", "at")]
    assert list(verify()) == []


def test_a_delete_marker_is_judged_by_key_and_version_alone(lab: World) -> None:
    deliver(lab, "tracked/1.csv", "a,1,x", "b,1,much too long")
    deliver(lab, "tracked/2.csv", "a,2,gone", ",3,gone", "b,,gone")
    lab.flow()
    assert lab.rows("SELECT k FROM lab.tracked") == []
    assert counts(lab, "lab.tracked.silver") == (5, 2, 0)


def test_rows_from_before_there_were_arrivals_have_the_place_of_their_file(lab: World) -> None:
    deliver(lab, "newest/1.csv", "a,1,first", "b,1,first")
    deliver(lab, "newest/2.csv", "b,1,second")
    lab.flow()
    age(lab)
    replay(batch(lab, "newest", "1.csv"), "", by("a test"))
    deliver(lab, "newest/3.csv", "a,1,third")
    lab.flow()
    assert values(lab, "newest") == [("a", "third"), ("b", "second")]
    assert list(verify()) == []


def age(world: World) -> None:
    """Make a table and its ledger what the version before would have written: no arrival anywhere."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE batch SET place = place - 'arrival'")
    rows = world.silver("newest").with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("_arrival"))
    uri = ZoneStore(Zone.SILVER).uri("lab/newest")
    write_deltalake(uri, rows, mode="overwrite", storage_options=storage_options())
