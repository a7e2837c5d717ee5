"""Batches that break a rule for whole batches are held back, visible, and end as a person decides."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.upkeep.verify import verify
from tests.world import World, new_world, other_contract

RUN = CliRunner()
HEAD = "customer_id,date,number_of_cds,dollar_value\n"
GOOD = HEAD + "00001,19970101,1,1.00\n00002,19970102,1,2.00\n"
BAD = HEAD + "00003,19970103,1,3.00\nshort\nshorter\n"


def told(*arguments: str) -> str:
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def parked() -> list[dict[str, str]]:
    return list(json.loads(told("parked", "ls", "--json")))


def amounts(world: World) -> list[str]:
    return [a for (a,) in world.rows("SELECT amount::text FROM ecommerce.fact_transactions ORDER BY 1")]


@pytest.fixture
def held(world: World, tmp_path: Path) -> Iterator[World]:
    """A contract that lets a third of a batch be refused, a good file and one of which more is."""
    rule = "  - {property: batch, value: {maxRefusedShare: 0.34}}\n"
    with other_contract(world, tmp_path, "transactions", lambda text: text + rule):
        world.land("transactions/good.csv", GOOD.encode())
        world.land("transactions/bad.csv", BAD.encode())
        world.land("transactions/more.csv", GOOD.replace("0000", "0001").encode())
        world.flow()
        yield world


def test_only_the_batch_at_fault_is_held_back_and_its_neighbours_arrive(held: World) -> None:
    (one,) = parked()
    assert one["origin"].endswith("bad.csv")
    assert "2 of 3 records (66.7%) were refused; at most 34.0% is allowed" in one["detail"]
    assert amounts(held) == ["1.00", "1.00", "2.00", "2.00"]
    assert "bad.csv" in told("parked", "show", one["batch"])
    assert held.rows("SELECT count(*) FROM refusal", "ledger") == [(0,)]


def test_a_released_batch_passes_and_its_rows_are_judged_one_by_one(held: World) -> None:
    (one,) = parked()
    told("parked", "release", one["batch"], "--why", "known", "--now")
    assert amounts(held) == ["1.00", "1.00", "2.00", "2.00", "3.00"]
    assert held.rows("SELECT sum(count) FROM refusal", "ledger") == [(2,)]
    assert parked() == []
    assert list(verify()) == []
    result = RUN.invoke(app, ["parked", "release", one["batch"], "--why", "again"])
    assert "is not parked" in str(result.exception)


def test_a_refused_batch_goes_to_quarantine_whole_and_can_come_back(held: World, tmp_path: Path) -> None:
    (one,) = parked()
    told("parked", "refuse", one["batch"], "--why", "rubbish", "--now")
    assert amounts(held) == ["1.00", "1.00", "2.00", "2.00"]
    (refusal,) = json.loads(told("quarantine", "ls", "--json"))
    assert (refusal["reason"], refusal["count"], refusal["state"]) == ("refused", 1, "open")
    assert [row["what"] for row in json.loads(told("audit", "ls", "--json"))] == ["parked.refuse"]
    assert list(verify()) == []
    told("quarantine", "export", refusal["id"], "--to", str(tmp_path / "files"))
    assert [path.read_bytes() for path in (tmp_path / "files").iterdir()] == [BAD.encode()]
    redriven = RUN.invoke(app, ["quarantine", "redrive", refusal["id"], "--why", "it was right after all", "--now"])
    assert redriven.exit_code == 1, "a re-drive passes the same gates, and is not done where one holds it"
    (again,) = parked()
    assert again["batch"] != one["batch"]
    told("parked", "release", again["batch"], "--why", "it is right", "--now")
    assert amounts(held) == ["1.00", "1.00", "2.00", "2.00", "3.00"]


def test_a_parked_file_can_be_refused_in_landing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from common.core.errors import DataError
    from common.refine import inspect

    real = inspect.inspect_file

    def poison(path: Path, name: str, contract: object) -> object:
        if name == "bad.csv":
            raise DataError("the engine cannot take this")
        return real(path, name, contract)  # type: ignore[arg-type]

    monkeypatch.setattr(inspect, "inspect_file", poison)
    world.land("transactions/bad.csv", BAD.encode())
    world.land("transactions/good.csv", GOOD.encode())
    world.flow()
    assert amounts(world) == ["1.00", "2.00"]
    (one,) = parked()
    told("parked", "refuse", one["batch"], "--why", "cannot be read", "--now")
    assert world.keys("raw/") == []
    monkeypatch.setattr(inspect, "inspect_file", real)
    (refusal,) = json.loads(told("quarantine", "ls", "--json"))
    told("quarantine", "redrive", refusal["id"], "--why", "the engine was mended", "--now")
    assert amounts(world) == ["1.00", "2.00", "3.00"]
    assert list(verify()) == []


CONTRACT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:test:{name}
name: {name}
version: 1.0.0
status: active
domain: fleet
schema:
  - name: {name}
    properties:
      - {{name: unit, logicalType: string, primaryKey: true, primaryKeyPosition: 1}}
      - {{name: day, logicalType: date, primaryKey: true, primaryKeyPosition: 2}}
      - {{name: km, logicalType: integer, required: true}}
customProperties:
  - {{property: latest, value: km}}
  - {{property: partition, value: {{column: day, by: day, path: 'day=([0-9-]+)/'}}}}
"""
MODEL = """/*
description: Kilometres of a day, once trips and fuel of that day are there.
key: [day]
slice: day_day
partition: [day_day]
inputs: {fleet.trips: day_day, fleet.fuel: day_day}
complete: [fleet.trips, fleet.fuel]
load:
  - {to: warehouse, strategy: incremental}
*/
SELECT t.day, t.day_day, CAST(sum(t.km) AS BIGINT) AS km, CAST(max(f.litres) AS BIGINT) AS litres
FROM fleet.trips t LEFT JOIN (SELECT day_day, sum(km) AS litres FROM fleet.fuel GROUP BY day_day) f USING (day_day)
GROUP BY t.day, t.day_day
"""


@pytest.fixture
def fleet(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """Trips and fuel by day, and a gold table whose days wait for both."""
    folder = tmp_path / "domains" / "fleet"
    (folder / "contracts").mkdir(parents=True)
    (folder / "gold").mkdir()
    for name in ("trips", "fuel"):
        (folder / "contracts" / f"{name}.yaml").write_text(CONTRACT.format(name=name))
    (folder / "gold" / "days.sql").write_text(MODEL)
    with new_world(stack, tmp_path, "fleet", tmp_path / "domains") as made:
        yield made


def test_a_day_of_gold_waits_for_all_its_inputs_in_any_order_of_arrival(fleet: World) -> None:
    def land(name: str, day: str, km: int) -> None:
        fleet.land(f"{name}/day={day}/x.csv", f"unit,day,km\nu1,{day},{km}\n".encode())
        fleet.flow()

    def days() -> list[tuple[object, ...]]:
        return fleet.rows("SELECT day::text, km, litres FROM fleet.days ORDER BY 1")

    land("trips", "2026-01-02", 20)
    assert days() == []
    land("fuel", "2026-01-01", 3)
    assert days() == []
    land("fuel", "2026-01-02", 4)
    assert days() == [("2026-01-02", 20, 4)]
    land("trips", "2026-01-01", 10)  # a late day is loaded as its own
    assert days() == [("2026-01-01", 10, 3), ("2026-01-02", 20, 4)]
    land("trips", "2026-01-03", 30)
    assert days()[-1][0] == "2026-01-02"
    (row,) = json.loads(told("backfill", "status", "fleet.days", "--from", "2026-01-03", "--json"))
    assert (row["state"], row["why"]) == ("waiting", "for fleet.fuel")
    undriven, waits = json.loads(told("status", "fleet.days.gold", "--json"))["waits"]
    assert (undriven["consumer"], undriven["word"]) == ("fleet", "undriven"), "the test writes no DAG file"
    assert (waits["word"], waits["partition"]) == ("incomplete", "2026-01-03")
    assert "not published by fleet.fuel" in waits["why"]
    told("backfill", "waive", "fleet.fuel", "2026-01-03", "--why", "the pump was closed")
    fleet.flow()
    assert days()[-1] == ("2026-01-03", 30, None)
    assert json.loads(told("batches", "fleet.trips.bronze", "--partition", "2026-01-03", "--json"))
    states = json.loads(
        told("backfill", "status", "fleet.fuel", "--from", "2026-01-01", "--to", "2026-01-04", "--json")
    )
    assert [row["state"] for row in states] == ["done", "done", "waived", "missing"]
    assert list(verify()) == []
