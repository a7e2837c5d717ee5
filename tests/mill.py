"""A small domain of its own on a whole stack: files of sacks, so many that losing or doubling one shows."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from common.ledger.incidents import FAILED, OVERDUE, UNDRAINED, UNSWEPT, WAITING
from devstack.follow import settled
from devstack.record import UnitRecord
from devstack.stack import Stack
from devstack.tour import wait_for
from tests.stacks import hasten, server
from tests.world import World, forget

SACKS = 5  # a file
CONSUMERS = (
    "mill.sacks.bronze",
    "mill.sacks.silver",
    "mill.daily.gold",
    "mill.sacks@warehouse",
    "mill.daily@warehouse",
)
DAG = '"""The mill on Airflow."""\nfrom common.dags.stages import domain_dags\n\ndomain_dags("mill")\n'
LOAD = {"to": "warehouse", "strategy": "incremental"}
CONTRACT: dict[str, Any] = {
    "apiVersion": "v3.0.2",
    "kind": "DataContract",
    "id": "urn:mill",
    "name": "sacks",
    "version": "1.0.0",
    "status": "active",
    "domain": "mill",
    "schema": [
        {
            "name": "sacks",
            "properties": [
                {"name": "delivery", "logicalType": "integer", "required": True},
                {"name": "sack", "logicalType": "integer", "required": True},
                {"name": "ground_on", "logicalType": "date", "required": True},
                {"name": "weight", "logicalType": "number", "physicalType": "decimal(12,2)", "required": True},
            ],
        }
    ],
    "customProperties": [
        {"property": "owner", "value": "tests"},
        {"property": "partition", "value": {"column": "ground_on", "by": "month"}},
        {"property": "load", "value": [LOAD]},
    ],
}
MODEL = """/*
description: What was ground each day.
key: [day]
slice: month
partition: [month]
inputs: {mill.sacks: ground_on_month}
controls:
  - {result: sum(sacks), input: mill.sacks, equals: count(*)}
  - {result: sum(weight), input: mill.sacks, equals: sum(weight)}
load: [{to: warehouse, strategy: incremental}]
*/
SELECT
    ground_on AS day,
    count(*) AS sacks,
    CAST(sum(weight) AS DECIMAL(14, 2)) AS weight,
    ground_on_month AS month
FROM mill.sacks
GROUP BY ground_on, ground_on_month
"""


@dataclass
class Mill(World):
    """The mill's stack, and what was delivered to it so far."""

    stack: Stack
    delivered: set[int] = field(default_factory=set)
    sent_again: bool = False  # whether a producer may have sent a file twice, because the answer to a put was lost
    _token: str = ""

    def deliver(self, number: int) -> None:
        """Land one file."""
        day = f"2024-{1 + number % 3:02d}-{1 + number % 28:02d}"
        lines = [f"{number},{sack},{day},{number + sack}.25" for sack in range(SACKS)]
        content = "\n".join(["delivery,sack,ground_on,weight", *lines, ""])
        self.land(f"sacks/{number % 3}/delivery {number}.csv", content.encode())
        self.delivered.add(number)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask Airflow's REST API."""
        with httpx.Client(base_url=self.stack.plan.address("api-server"), timeout=60) as http:
            if not self._token:
                self._token = http.get("/auth/token").raise_for_status().json()["access_token"]
            answer = http.request(
                method, f"/api/v2{path}", json=body, headers={"Authorization": f"Bearer {self._token}"}
            )
        answer.raise_for_status()
        return answer.json()

    def asset(self, name: str) -> int:
        """Find an asset's number by its name."""
        return next(found["id"] for found in self.ask("GET", "/assets?limit=100")["assets"] if found["name"] == name)

    def ring(self, asset: int, **said: Any) -> None:
        """Ring an asset from outside."""
        self.ask("POST", "/assets/events", {"asset_id": asset, **said})

    def pause(self, dag: str, paused: bool) -> None:
        """Pause a DAG, or let it go on."""
        self.ask("PATCH", f"/dags/{dag}", {"is_paused": paused})

    def dags(self) -> set[str]:
        """Name the DAGs that Airflow knows."""
        return {dag["dag_id"] for dag in self.ask("GET", "/dags")["dags"]}

    def unit(self, name: str) -> UnitRecord:
        """Tell what the supervisor knows of a service."""
        record = self.stack.record
        assert record is not None, "the supervisor died"
        return next(unit for unit in record.units if unit.name == name)

    def processes(self, service: str) -> list[psutil.Process]:
        """Give the process of a service and all that it started."""
        process = psutil.Process(self.unit(service).pid)
        return [process, *process.children(recursive=True)]

    def until(self, look: Any, what: str) -> None:
        """Wait until something is so."""
        wait_for(look, lambda: None, what)

    def settle(self) -> None:
        """Wait until everything that landed has arrived."""
        self.until(lambda: settled("mill"), "the sacks to arrive")

    def taken(self, consumer: str) -> int:
        """Count the batches that a consumer has taken."""
        return int(self.rows(f"SELECT count(*) FROM receipt WHERE consumer = '{consumer}'", "ledger")[0][0])

    def account(self) -> None:
        """Compare every table, receipt and count with what was delivered."""
        expected = sorted((n, sack, n + sack + 0.25) for n in self.delivered for sack in range(SACKS))
        weight = sum(row[2] for row in expected)
        silver = self.silver("sacks")
        assert sorted(silver.select("delivery", "sack", "weight").cast({"weight": float}).rows()) == expected
        assert self.rows("SELECT delivery, sack, weight::float FROM mill.sacks ORDER BY 1, 2") == expected
        assert self.rows("SELECT sum(sacks), sum(weight)::float FROM mill.daily") == [(len(expected), weight)]
        self._account_hops(len(expected))
        assert self.rows(MISSED, "ledger") == []
        assert self.rows(BROKEN, "ledger") == []
        assert self.keys("raw/") == []

    def _account_hops(self, records: int) -> None:
        files = len(self.delivered)
        sums = self.rows("SELECT consumer, sum(taken), sum(good), sum(refused) FROM hop GROUP BY 1", "ledger")
        told = {consumer: numbers for consumer, *numbers in sums}
        assert told["mill.sacks.bronze"][1] == files
        assert told["mill.sacks.silver"] == [records, records, 0]
        assert told["mill.sacks@warehouse"] == [records, records, 0]
        kinds = {kind for (kind,) in self.rows("SELECT kind FROM incident", "ledger")}
        kinds -= {FAILED, OVERDUE, UNSWEPT, UNDRAINED, WAITING}  # which are true while services are dead
        assert kinds <= ({"superseded"} if self.sent_again else set())
        if not self.sent_again:
            assert told["mill.sacks.bronze"] == [files, files, 0]
            assert self.taken("mill.sacks.bronze") == files


MISSED = """
SELECT c.name, b.id FROM consumer c JOIN batch b ON c.inputs ? b.asset
WHERE NOT EXISTS (SELECT FROM receipt r WHERE r.consumer = c.name AND r.batch = b.id)"""
BROKEN = """
SELECT consumer FROM hop GROUP BY 1
HAVING max(n) <> count(*) OR bool_or(state = 'open') OR sum(taken) <> sum(good) + sum(merged) + sum(refused)"""


def write_domain(folder: Path) -> Mapping[str, str]:
    """Write contract, model and DAG file, and give the settings that lead to them."""
    mill, dags = folder / "domains" / "mill", folder / "dags"
    for part in (mill / "contracts", mill / "gold", dags):
        part.mkdir(parents=True)
    (mill / "contracts" / "sacks.yaml").write_text(yaml.safe_dump(CONTRACT))
    (mill / "gold" / "daily.sql").write_text(MODEL)
    (dags / "mill.py").write_text(DAG)
    return {"WATERSHED_DOMAINS_DIR": str(folder / "domains"), "AIRFLOW__CORE__DAGS_FOLDER": str(dags)}


@contextmanager
def grinding(folder: Path, settings: Mapping[str, str]) -> Iterator[Mill]:
    """Give a mill whose stack runs for the length of the block, and point this process to it."""
    stack = Stack(folder / "stack", overrides={**write_domain(folder), **settings})
    with pytest.MonkeyPatch.context() as patch:
        try:
            stack.start(owned=True)
            hasten(stack.env)
            for name, value in stack.env.items():
                patch.setenv(name, value)
            forget()
            mill = Mill({**stack.env, "WAREHOUSE_URL": f"{server(stack.env)}/warehouse"}, "mill", folder, stack)
            mill.until(lambda: len(mill.dags()) == 6, "the DAGs to be read")
            yield mill
        finally:
            forget()
            stack.stop()


def told(event: int) -> dict[str, Any]:
    """Say in an event what is not true: consumers must not believe it."""
    return json.loads(json.dumps({"consumer": "mill.sacks.bronze", "hops": [event], "batches": [f"{event:032x}"]}))
