"""What is done to both contenders: storms of events, pauses, kills; and how each is asked what it has seen."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
import httpx
import psutil
import psycopg

from devstack.record import Condition
from devstack.stack import Stack

LOOK, PATIENCE = 0.25, 300.0
SEEN = """SELECT b.place->>'raw' FROM receipt r JOIN batch b ON b.id = r.batch JOIN hop h ON h.consumer = r.consumer
AND h.n = r.hop WHERE r.consumer = 'ecommerce.transactions.silver' AND h.state = 'published'"""


@dataclass
class Airflow:
    """The stack under test: its REST API, and its processes."""

    stack: Stack
    _token: str = ""
    _assets: dict[str, int] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the REST API."""
        with httpx.Client(base_url=self.stack.plan.address("api-server"), timeout=60) as http:
            if not self._token:
                self._token = http.get("/auth/token").raise_for_status().json()["access_token"]
            bearer = {"Authorization": f"Bearer {self._token}"}
            return http.request(method, f"/api/v2{path}", json=body, headers=bearer).raise_for_status().json()

    def ring(self, asset: str, extra: Mapping[str, Any]) -> None:
        """Store an event."""
        if asset not in self._assets:
            self._assets = {found["name"]: found["id"] for found in self.ask("GET", "/assets?limit=100")["assets"]}
        self.ask("POST", "/assets/events", {"asset_id": self._assets[asset], "extra": extra})

    def pause(self, dag: str, *, paused: bool) -> None:
        """Pause a DAG, or let it go on."""
        self.ask("PATCH", f"/dags/{dag}", {"is_paused": paused})

    def running(self, dag: str) -> bool:
        """Tell whether a run of the DAG is active."""
        return bool(self.ask("GET", f"/dags/{dag}/dagRuns?state=running")["total_entries"])

    def kill(self, victim: str) -> None:
        """Kill a service, or a task that runs now, without warning, and wait until all is well again."""
        units = {unit.name: unit for unit in self._units()}
        if victim == "task":
            until(lambda: _kill_a_task(units["scheduler"].pid), "a running task")
        else:
            os.kill(units[victim].pid, signal.SIGKILL)
            before = units[victim].restarts
            until(lambda: any(u.name == victim and u.restarts > before for u in self._units()), f"{victim} again")
        until(lambda: all(unit.condition is Condition.READY for unit in self._units()), "all services")

    def _units(self) -> Sequence[Any]:
        record = self.stack.record
        if record is None:
            raise RuntimeError("The supervisor of the stack died.")
        return record.units


def _kill_a_task(scheduler: int) -> bool:
    for worker in psutil.Process(scheduler).children():
        for task in worker.children():
            try:
                task.kill()
            except psutil.Error:
                continue
            return True
    return False


def until(look: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {PATIENCE:.0f} s in vain for {what}.")
        time.sleep(LOOK)


class Contender(Protocol):
    """Takes units of work, and tells how often it has seen each."""

    airflow: Airflow
    name: str
    dag: str

    def send(self, unit: int) -> None:
        """Hand over a unit and ring for it."""
        ...

    def drop(self, unit: int) -> None:
        """Put a unit as a file, of which the object store's own notification tells."""
        ...

    def ring(self) -> None:
        """Ring once more."""
        ...

    def seen(self) -> Counter[int]:
        """Tell how often each unit has had its effect."""
        ...


@dataclass
class StockPair:
    """The stock consumers of `stock_pair.py`: an event is a unit."""

    airflow: Airflow
    bucket: str
    name: str = "stock"
    dag: str = "stock_units"

    def send(self, unit: int) -> None:
        """Store the event of a unit."""
        self.airflow.ring("stock.units", {"unit": unit})

    def drop(self, unit: int) -> None:
        """Put the file of a unit."""
        boto3.client("s3").put_object(Bucket=self.bucket, Key=f"stock/landed/{unit}.csv", Body=b"x")

    def ring(self) -> None:
        """Store one more event, of unit 0, for each of the two."""
        self.send(0)
        self.drop(0)

    def seen(self) -> Counter[int]:
        """Count what the consumers have noted."""
        with psycopg.connect(dbname="warehouse") as connection:
            return Counter(unit for (unit,) in connection.execute("SELECT unit FROM stock_seen"))


@dataclass
class Watershed:
    """Landing and silver of `ecommerce.transactions`: a file is a unit, an event only a bell."""

    airflow: Airflow
    bucket: str
    name: str = "watershed"
    dag: str = "ecommerce_transactions_to_silver"

    def send(self, unit: int) -> None:
        """Put the file of a unit, and ring."""
        self.drop(unit)
        self.ring()

    def drop(self, unit: int) -> None:
        """Put the file of a unit."""
        body = f"customer_id,date,number_of_cds,dollar_value\n{unit:05d},19980601,1,1.00\n"
        key = f"raw/ecommerce/transactions/storm/{unit}.csv"
        boto3.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body.encode())

    def ring(self) -> None:
        """Ring bronze from outside."""
        self.airflow.ring("ecommerce.transactions.bronze", {})

    def seen(self) -> Counter[int]:
        """Count the rows of each unit in silver, where the ledger has its receipt as well."""
        from common.core.assets import Zone
        from common.lake.table import current_version, read_at
        from common.zones.store import ZoneStore

        ledger = self.airflow.stack.env["WATERSHED_LEDGER_URL"].replace("+psycopg", "")
        with psycopg.connect(ledger) as connection:
            receipts = {int(raw.rpartition("/")[2].partition(".")[0]) for (raw,) in connection.execute(SEEN)}
        uri = ZoneStore(Zone.SILVER).uri("ecommerce/transactions")
        rows = read_at(uri, current_version(uri)).select("customer_id").collect()
        found = Counter(int(unit) for (unit,) in rows.iter_rows())
        return Counter({unit: times for unit, times in found.items() if unit in receipts})


def storm(contender: Contender, units: Sequence[int]) -> None:
    """Send from 8 threads as fast as they can."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(contender.send, units))


def burst(contender: Contender, units: Sequence[int]) -> None:
    """Send all within about 0.4 s."""
    with ThreadPoolExecutor(len(units)) as pool:
        for done in [pool.submit(_later, 0.4 * at / len(units), contender, unit) for at, unit in enumerate(units)]:
            done.result()


def _later(seconds: float, contender: Contender, unit: int) -> None:
    time.sleep(seconds)
    contender.send(unit)


def paused(contender: Contender, units: Sequence[int]) -> None:
    """Send while the consumer is paused, then let it go on."""
    airflow = contender.airflow
    airflow.pause(contender.dag, paused=True)
    until(lambda: not airflow.running(contender.dag), "the last run")
    for unit in units:
        contender.send(unit)
        time.sleep(0.2)
    time.sleep(5)
    airflow.pause(contender.dag, paused=False)


def busy(contender: Contender, units: Sequence[int]) -> None:
    """Send one, and the others while its run is active, of which there may be one only."""
    contender.send(units[0])
    until(lambda: contender.airflow.running(contender.dag), "a run")
    for unit in units[1:]:
        contender.send(unit)
        time.sleep(0.2)


def stream(contenders: Sequence[Contender], units: Sequence[int], victims: Sequence[str], seed: int) -> None:
    """Drop files for all contenders while one victim after another is killed."""
    chance, airflow = random.Random(seed), contenders[0].airflow

    def kills() -> None:
        for victim in victims:
            time.sleep(chance.uniform(1, 4))
            airflow.kill(victim)

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kills)
        for unit in units:
            for contender in contenders:
                contender.drop(unit)
            time.sleep(0.5)
        killing.result()
