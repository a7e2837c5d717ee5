"""Chosen keys of a warehouse's table loaded again: theirs is what the lake has, and nobody else's row is touched."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError, WatershedError
from common.observe.verbs import listening
from common.repair.decide import restate
from common.upkeep.verify import verify
from tests.contracts import write_contract
from tests.faults.plan import VARIABLE, act
from tests.world import World, by, new_world

COLUMNS = (
    "name: shop, logicalType: string, primaryKey: true, primaryKeyPosition: 2",
    "name: number, logicalType: integer, primaryKey: true, primaryKeyPosition: 1",
    "name: day, logicalType: date, required: true",
    "name: price, logicalType: number, physicalType: 'decimal(8,2)'",
)
INCREMENTAL, INTERVALS = "lab.prices@warehouse", "lab.prices_history@warehouse"
LOADS = (
    "{to: warehouse, strategy: incremental}",
    "{to: warehouse, strategy: scd2, table: lab.prices_history}",
    "{to: duckdb, strategy: full}",
)
FILE = "shop,number,day,price\na,1,2026-01-01,1.00\na,1,2026-02-01,2.00\na,2,2026-01-01,3.00\nb,1,2026-01-01,4.00\n"
QUERIES = (
    "SELECT shop, number, price::text FROM lab.prices ORDER BY 1, 2",
    "SELECT shop, number, valid_from::date::text, price::text FROM lab.prices_history ORDER BY 1, 2, 3",
)


@pytest.fixture
def lab(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    words = {"latest": "[day]", "history": "true", "load": f"[{', '.join(LOADS)}]"}
    write_contract(tmp_path / "domains" / "lab", "prices", COLUMNS, words)
    with new_world(stack, tmp_path, "lab", tmp_path / "domains") as world:
        world.land("prices/1.csv", FILE.encode())
        world.flow()
        yield world


def by_hand(world: World, *statements: str) -> None:
    with psycopg.connect(world.env["WAREHOUSE_URL"], autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def tables(world: World) -> list[list[tuple[Any, ...]]]:
    return [world.rows(query) for query in QUERIES]


def counts(world: World, consumer: str) -> tuple[Any, ...]:
    query = f"SELECT taken, good, merged FROM hop WHERE consumer = '{consumer}' ORDER BY n DESC LIMIT 1"
    return tuple(world.rows(query, "ledger")[0])


def test_what_somebody_did_to_a_key_is_undone_and_nothing_else(lab: World) -> None:
    before = tables(lab)
    by_hand(lab, "UPDATE lab.prices SET price = 9", "DELETE FROM lab.prices WHERE shop = 'b'")
    restate(INCREMENTAL, ["number=1,shop=a", "number=1,shop=b", "number=1,shop=a"], by("somebody has changed them"))
    assert counts(lab, INCREMENTAL) == (3, 3, 0)
    lab.flow()
    assert lab.rows(QUERIES[0]) == [before[0][0], ("a", 2, "9.00"), before[0][2]]
    assert counts(lab, INCREMENTAL) == (2, 0, 2)
    assert lab.rows(QUERIES[1]) == before[1]
    assert counts(lab, INTERVALS) == (0, 0, 0)
    assert lab.rows("SELECT detail->>'why' FROM audit_log ORDER BY n DESC LIMIT 1", "ledger") == [
        ("somebody has changed them",)
    ]


def test_all_intervals_of_a_key_come_again(lab: World) -> None:
    before = tables(lab)
    by_hand(
        lab,
        "DELETE FROM lab.prices_history WHERE number = 1 AND price = 1",
        "UPDATE lab.prices_history SET price = 9, valid_from = '2020-01-01' WHERE number = 1",
    )
    restate(INTERVALS, ["number=1,shop=a"], by("x"))
    lab.flow()
    assert lab.rows(QUERIES[1])[:3] == before[1][:3]
    assert lab.rows(QUERIES[1])[3:] == [("b", 1, "2020-01-01", "9.00")]
    restate(INTERVALS, ["number=1,shop=b"], by("x"))
    lab.flow()
    assert tables(lab) == before
    assert list(verify()) == []


def test_a_key_that_the_lake_lacks_goes_and_what_waits_comes_as_well(lab: World) -> None:
    by_hand(lab, "INSERT INTO lab.prices (shop, number, price) VALUES ('c', 7, 1), ('d', 8, 1)")
    lab.land("prices/2.csv", b"shop,number,day,price\na,2,2026-03-01,5.00\ne,9,2026-03-01,6.00\n")
    lab.flow("bronze", "silver")
    restate(INCREMENTAL, ["number=7,shop=c", "number=2,shop=a"], by("x"))
    lab.flow()
    assert lab.rows(QUERIES[0]) == [
        ("a", 1, "2.00"),
        ("a", 2, "5.00"),
        ("b", 1, "4.00"),
        ("d", 8, "1.00"),
        ("e", 9, "6.00"),
    ]


@pytest.mark.parametrize("moment", ["stage.rows", "publish.token", "publish.commit"])
def test_a_worker_that_dies_restates_once(lab: World, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables(lab)
    by_hand(lab, "UPDATE lab.prices SET price = 9 WHERE number = 1")
    restate(INCREMENTAL, ["number=1,shop=a", "number=1,shop=b"], by("x"))
    monkeypatch.setenv(VARIABLE, json.dumps([{"at": f"load:{moment}", "do": "exit", "nth": 0}]))
    with listening(act), pytest.raises(SystemExit):
        lab.do(INCREMENTAL)
    monkeypatch.delenv(VARIABLE)
    lab.flow()
    assert tables(lab) == before
    assert counts(lab, INCREMENTAL) == (2, 0, 2)


@pytest.mark.parametrize(
    ("load", "key", "why"),
    [
        (INCREMENTAL, "number=1", r"'number=1' is no key of this table. Write number=VALUE,shop=VALUE"),
        (INCREMENTAL, "number=1,shop=a,day=2026-01-01", "is no key of this table"),
        (INCREMENTAL, "number=one,shop=a", r"number is Int64, which 'one' is not"),
        ("lab.prices@duckdb", "number=1,shop=a", "replaces all rows whenever it runs"),
        ("lab.price@warehouse", "number=1,shop=a", f"No load 'lab.price@warehouse'. Known: .*{INCREMENTAL}"),
    ],
)
def test_what_cannot_be_restated_is_said_and_recorded_nowhere(lab: World, load: str, key: str, why: str) -> None:
    before = lab.rows("SELECT count(*) FROM batch", "ledger")
    with pytest.raises(ConfigError, match=why):
        restate(load, [key], by("x"))
    assert lab.rows("SELECT count(*) FROM batch", "ledger") == before


def test_the_command_does_it_at_once(lab: World) -> None:
    before = tables(lab)
    by_hand(lab, "UPDATE lab.prices SET price = 9 WHERE shop = 'b'")
    asked = ["restate", INCREMENTAL, "--key", "number=1,shop=b", "--why", "a slip"]
    said = CliRunner().invoke(app, [*asked, "--now"])
    assert said.exit_code == 0, said.output
    assert tables(lab) == before
    with duckdb.connect(str(lab.folder / "w.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM lab.prices").fetchall() == [(3,)]
    assert isinstance(CliRunner().invoke(app, [*asked[:3], "shop", *asked[4:]]).exception, WatershedError)
