"""SCD2 end to end: whatever the order, the files and the crashes, both engines have the intervals of the definition."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError, ContractError, WatershedError
from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.observe.verbs import listening
from common.repair.decide import backfill_whole, replay
from common.upkeep.apply import apply
from common.upkeep.verify import verify
from tests.contracts import INCREMENTAL, write_contract
from tests.faults.plan import STEPS, VARIABLE, act, inside
from tests.histories import EPOCH, INSTANTS, Version, drawn, intervals
from tests.seed import SEED
from tests.world import UNWATCHED, World, by, forget, new_world, other_contract, shop_without, small_shop

PLAIN = ("valid_from", "valid_to", "is_current")
OWN = ("start_date", "end_date", "active")
VALUES = ("name", "plan", "amount")
HEAD = ",".join(("shop", "number", "at", "seq", *VALUES, "op"))
TEXT, MONEY = "logicalType: string", "logicalType: number, physicalType: 'decimal(8,2)'"
OWN_NAMES = "validFrom: start_date, validTo: end_date, isCurrent: active"
NARROW = f"{{to: duckdb, strategy: scd2, track: [plan, amount], {OWN_NAMES}}}"
# What tells versions apart: a time of many in a day; a day and a number; the delivery.
WORDS = {
    "people": ("timestamp", "[at, seq]"),
    "dated": ("date", "[at, seq]"),
    "snapshots": ("timestamp", "arrival"),
}
DAYS = tuple(n * 86_400_000_000 for n in (-719162, -1, 0, 1, 2, 19_000, 2932896))


def write(folder: Path) -> Path:
    for name, (kind, latest) in WORDS.items():
        key = [f"name: {k}, {TEXT}, primaryKey: true, primaryKeyPosition: {n}" for n, k in ((2, "shop"), (1, "number"))]
        values = [f"name: {n}, {TEXT}" for n in VALUES[:2]] + [f"name: amount, {MONEY}"]
        order = [f"name: at, logicalType: {kind}, required: true", "name: seq, logicalType: integer, required: true"]
        columns = [*key, *order, *values, f"name: op, {TEXT}"]
        tracked = f"track: [{', '.join(VALUES)}]"
        history = f"{{to: warehouse, strategy: scd2, table: lab.{name}_history, {tracked}}}"
        words = {"latest": latest, "history": "true", "deleted": "{column: op, values: [D]}"}
        words["load"] = f"[{INCREMENTAL}, {history}, {NARROW}]"
        write_contract(folder / "domains" / "lab", name, columns, words)
    return folder / "domains"


@pytest.fixture
def lab(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    with new_world(stack, tmp_path, "lab", write(tmp_path)) as made:
        yield made


def line(name: str, version: Version) -> str:
    at = EPOCH + timedelta(microseconds=version.since)
    known = ("" if value is None else value for value in version.values)
    written = at.date().isoformat() if name == "dated" else at.isoformat()
    return ",".join((*version.key, written, str(*version.order), *known, "D" if version.gone else ""))


class Deliveries:
    """What was landed, in which order, and what silver must keep of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.landed: dict[str, list[tuple[str, list[Version]]]] = {name: [] for name in WORDS}

    def land(self, name: str, versions: Sequence[Version]) -> None:
        key = f"{name}/{len(self.landed[name])}.csv"
        self.landed[name].append((f"lab/{key}", list(versions)))
        self.world.land(key, "".join(f"{row}\n" for row in (HEAD, *(line(name, v) for v in versions))).encode())

    def versions(self, name: str) -> list[Version]:
        """Return what silver keeps: of equal versions the one of the greatest content, or with arrivals the last."""
        if name != "snapshots":
            known = [version for _, file in self.landed[name] for version in file]
            return list({(v.key, v.since, v.order): v for v in sorted(known, key=content)}.values())
        found = "SELECT place->>'key', (place->>'arrival')::bigint FROM batch WHERE asset = 'lab.snapshots.raw'"
        arrivals = dict(self.world.rows(found, "ledger"))
        snapshots = [(arrivals[key], v) for key, file in self.landed[name] for v in file]
        return list({(v.key, arrival): replace(v, since=arrival, order=()) for arrival, v in snapshots}.values())


def content(version: Version) -> str:
    return "\x1f".join("\0" if value is None else value for value in (*version.values, "D" if version.gone else None))


def micros(value: Any) -> Any:
    return (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


def loaded(world: World, engine: str, table: str, names: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a table, times in microseconds, decimals as texts."""
    columns = ("shop", "number", *VALUES[:2], "CAST(amount AS VARCHAR)")
    if engine == "warehouse":
        found = world.rows(f"SELECT {', '.join((*columns, *names))} FROM lab.{table}")
        return sorted((tuple(map(micros, row)) for row in found), key=repr)
    times = [f"epoch_us({name})" for name in names[:2]]
    with duckdb.connect(json.loads(world.env["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"], read_only=True) as file:
        asked = f"SELECT {', '.join((*columns, *times, *names[2:]))} FROM lab.{table}"
        return sorted(file.sql(asked).fetchall(), key=repr)


def expected(versions: list[Version], tracked: Callable[[Any], Any]) -> list[tuple[Any, ...]]:
    return sorted((found.row for found in intervals(versions, tracked)), key=repr)


def compare(world: World, deliveries: Deliveries) -> None:
    for name in WORDS:
        versions = deliveries.versions(name)
        assert loaded(world, "warehouse", f"{name}_history", PLAIN) == expected(versions, lambda v: v), name
        assert loaded(world, "duckdb", name, OWN) == expected(versions, lambda v: v[1:]), name
        current = [row[:5] for row in expected(versions, lambda v: v) if row[-1]]
        assert loaded(world, "warehouse", name) == current, name


@contextmanager
def death(point: str) -> Iterator[None]:
    """Die at a point of a hop, if it is passed; the retry of the same task takes over at once."""
    with pytest.MonkeyPatch.context() as patch, listening(act), suppress(SystemExit, WatershedError):
        patch.setenv(VARIABLE, json.dumps([{"at": point, "do": "exit"}]))
        yield


def again(world: World, chance: random.Random) -> None:
    """Ask for a file, a table of the lake, or all deliveries again."""
    name = chance.choice(list(WORDS))
    zone, to = chance.choice((("bronze", ""), ("bronze", "silver"), ("silver", "warehouse"), ("", "")))
    with suppress(ConfigError):  # it says that records are still on their way
        if not zone:
            backfill_whole(Dataset("lab", name), by("any time"))
        elif known := world.rows(f"SELECT id FROM batch WHERE asset = 'lab.{name}.{zone}' ORDER BY number", "ledger"):
            replay(chance.choice(known)[0], to, by("any time"))


def test_any_order_any_files_and_any_death_give_the_intervals_of_the_definition(lab: World) -> None:
    chance = random.Random(SEED)
    deliveries, moments = Deliveries(lab), [f"load:{step}" for step in (*STEPS, *inside("load"))]
    instants = {"people": INSTANTS, "dated": DAYS, "snapshots": INSTANTS}
    waiting: dict[str, list[Version]] = {}
    for name, many in (("people", 200), ("dated", 100), ("snapshots", 60)):
        versions = list(drawn(chance, [("a" if n % 2 else "an", f"{n // 2}") for n in range(many)], instants[name]))
        waiting[name] = chance.sample(versions + versions[:20], len(versions) + 20)
    for left in (3, 2, 1):
        for name, versions in waiting.items():
            some = versions if left == 1 else versions[: len(versions) // left]
            waiting[name] = versions[len(some) :]
            deliveries.land(name, some)
        lab.flow("bronze", "silver")
        if left < 3:
            again(lab, chance)
            lab.flow("bronze", "silver")
        with death(chance.choice(moments)):
            lab.flow("load")
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE hop SET lease_until = now() WHERE state = 'open'")
        lab.flow()
        compare(lab, deliveries)
    assert list(verify()) == []


def deliver(world: World, key: str, *rows: str) -> None:
    world.land(f"dated/{key}.csv", "".join(f"{row}\n" for row in (HEAD, *rows)).encode())
    world.flow()


def history(world: World, columns: str = "number, name, plan, valid_from::date::text, valid_to::date::text") -> Any:
    return world.rows(f"SELECT {columns} FROM lab.dated_history ORDER BY number, valid_from")


def test_a_load_counts_versions_and_restates_what_it_touches(lab: World) -> None:
    deliver(lab, "1", "a,1,2024-01-01,1,Ann,p,,", "a,1,2024-03-01,1,Ann,q,,", "a,2,2024-01-01,1,Bea,p,,")
    deliver(lab, "2", "a,1,2024-02-01,1,Ann,q,,", "a,1,2024-03-01,1,Ann,z,,", "a,2,2024-02-01,1,,,,D")
    wanted = [
        ("1", "Ann", "p", "2024-01-01", "2024-02-01"),
        ("1", "Ann", "q", "2024-02-01", "2024-03-01"),
        ("1", "Ann", "z", "2024-03-01", None),
        ("2", "Bea", "p", "2024-01-01", "2024-02-01"),
    ]
    assert history(lab) == wanted
    counts = "SELECT taken, good, merged FROM hop WHERE consumer = 'lab.dated_history@warehouse' ORDER BY n"
    assert lab.rows(counts, "ledger") == [(3, 3, 0), (3, 2, 1)]
    records = "SELECT records FROM batch WHERE asset = 'lab.dated_history@warehouse' ORDER BY number"
    assert lab.rows(records, "ledger") == [(3,), (4,)]  # rows that were staged
    assert list(verify()) == []
    (silver,) = lab.rows("SELECT id FROM batch WHERE asset = 'lab.dated.silver' ORDER BY number DESC LIMIT 1", "ledger")
    lab.rows("DELETE FROM lab.dated_history WHERE number = '2' RETURNING 1")
    (found,) = verify()
    assert "lab.dated_history has 3 rows" in str(found)
    assert "gives it 4 at version" in str(found)
    replay(silver[0], "", by("somebody has deleted rows"))
    lab.flow()
    assert history(lab) == wanted
    lab.rows("UPDATE lab.dated_history SET name = 'by hand' RETURNING 1")
    deliver(lab, "3", "a,2,2024-03-01,1,Bea,p,,")
    assert [row[:2] for row in history(lab)] == [("1", "by hand")] * 3 + [("2", "Bea")] * 2
    said = CliRunner().invoke(app, ["lineage", "up", "lab.dated_history", "--where", "number = '2' AND name = 'Bea'"])
    assert {"lab/dated/1.csv", "lab/dated/3.csv"} <= set(said.output.replace(":", " ").split()), said.output


def test_when_the_contract_changes_no_row_by_other_words_stays(lab: World, tmp_path: Path) -> None:
    lines = ("a,1,2024-01-01,1,Ann,p,,", "a,1,2024-02-01,1,Bob,p,,", "a,2,2024-01-01,1,Ann,p,,")
    deliver(lab, "1", *lines)
    assert len(history(lab)) == 3
    with other_contract(
        lab, tmp_path, "dated", lambda text: text.replace("track: [name, plan, amount]", "track: [plan]")
    ):
        deliver(lab, "2", "a,3,2024-01-01,1,Cid,p,,")
        assert [row[0] for row in history(lab)] == ["1", "2", "3"]
        assert history(lab)[0] == ("1", "Bob", "p", "2024-01-01", None)
        assert list(verify()) == []


def test_without_history_lint_and_apply_refuse_scd2(lab: World, tmp_path: Path) -> None:
    def change(text: str) -> str:
        return text.replace("{property: history, value: true}", "{property: history, value: false}")

    with other_contract(lab, tmp_path, "dated", change, applied=False):
        for command in (["contract", "lint"], ["apply"]):
            said = CliRunner().invoke(app, command)
            assert (said.exit_code, "'scd2' makes rows of the versions of a key" in said.output) == (1, True), said


def test_the_key_of_the_table_is_the_datasets_with_the_beginning(lab: World, tmp_path: Path) -> None:
    asked = "SELECT column_name FROM information_schema.key_column_usage WHERE table_name = 'dated_history' ORDER BY 1"
    assert lab.rows(asked) == [("number",), ("shop",), ("valid_from",)]

    def change(text: str) -> str:
        return text.replace("table: lab.dated_history", "table: lab.dated_history, validFrom: since")

    other = "its key is number, shop, valid_from, asked for is number, shop, since"
    renamed = other_contract(lab, tmp_path, "dated", change, applied=False)
    with renamed, pytest.raises(ContractError, match=other):
        apply()


def test_a_shop_that_kept_no_history_is_told_how_it_comes_to_have_one(
    stack: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = shop_without(*UNWATCHED)
    contract = old / "ecommerce" / "contracts" / "users.yaml"
    before, added = contract.read_text(), ("{property: history, value: true}", "{to: warehouse, strategy: scd2,")
    assert all(word in before for word in added)
    kept = [line for line in before.splitlines(keepends=True) if not any(word in line for word in added)]
    contract.write_text("".join(kept).replace("  - property: load\n    value:\n", ""))
    users = "customer_id,name,email,country,signed_up_on,updated_at\n00001,A,a@x.com,{},1996-01-01,{}-01-01T00:00:00Z\n"
    with new_world(stack, tmp_path, "ecommerce", old) as world:
        for number, (country, year) in enumerate((("us", 1997), ("se", 1998))):
            world.land(f"users/{number}.csv", users.format(country, year).encode())
            world.flow()
        monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(small_shop()))
        forget()
        refused = CliRunner().invoke(app, ["apply"])
        assert refused.exit_code == 1
        assert "watershed backfill run ecommerce.users --all" in refused.output
        backfill_whole(Dataset("ecommerce", "users"), by("history"))
        world.flow()
        apply()
        world.flow()
        asked = "SELECT country, is_current FROM ecommerce.users_history ORDER BY valid_from"
        assert world.rows(asked) == [("US", False), ("SE", True)]
        assert list(verify()) == []
