"""What do storms of events, pauses and kills lose or do twice? Watershed beside stock Airflow that believes events."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
from peers.measure import machine, save
from peers.storms import Airflow, Contender, StockPair, Watershed, burst, busy, paused, storm, stream, until
from rich.console import Console
from rich.table import Table

from devstack.stack import Stack

LOOK = 1.0
QUIET, QUIET_AFTER_KILLS = 30.0, 100.0  # seconds without progress after which what is missing counts as stranded
VICTIMS = ("scheduler", "triggerer", "task")
DAGS = '''"""Landing and one silver table of the shop, on Airflow (which reads no file that does not say so)."""
from common.dags.stages import hops_dag
from common.pipelines.kinds import consumer_named, consumers

hops_dag(consumers("ecommerce", "bronze"))
hops_dag([consumer_named("ecommerce.transactions.silver")])
'''


@dataclass
class Fate:
    """What became of the units of one scenario: `stranded` waited for another event, `lost` did not come even then."""

    sent: int
    stranded: int
    lost: int
    doubled: int
    seconds: float


def fate(contender: Contender, units: Sequence[int], quiet: float) -> Fate:
    """Wait in silence until all is there or nothing moves any more; then ring once more, and wait again."""
    began = time.monotonic()
    stranded = len(_missing(contender, units, quiet))
    seconds = time.monotonic() - began - (quiet if stranded else 0)
    if stranded:
        contender.ring()
    lost = len(_missing(contender, units, quiet)) if stranded else 0
    seen = contender.seen()
    return Fate(len(units), stranded, lost, sum(seen[unit] > 1 for unit in units), round(seconds, 1))


def _missing(contender: Contender, units: Sequence[int], quiet: float) -> list[int]:
    missing, moved = list(units), time.monotonic()
    while missing and time.monotonic() - moved < quiet:
        time.sleep(LOOK)
        seen = contender.seen()
        left = [unit for unit in units if not seen[unit]]
        moved = time.monotonic() if left != missing else moved
        missing = left
    return missing


def measure(events: int, kills: int, seed: int, console: Console) -> dict[str, Any]:
    """Do the same to both in one stack: storms in turns, kills at once."""
    with tempfile.TemporaryDirectory(prefix="watershed-bench-") as name:
        dags = Path(name) / "dags"
        dags.mkdir()
        (dags / "shop.py").write_text(DAGS)
        shutil.copy(Path(__file__).parent / "peers" / "stock_pair.py", dags)
        settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags), "WATERSHED_SWEEP_CRON": "* * * * * */10"}
        stack = Stack(Path(name) / "stack", overrides=settings)
        try:
            stack.start(owned=True)
            os.environ.update(stack.env)
            contenders = _prepare(Airflow(stack), stack.env["WATERSHED_BUCKET"])
            fates = _storms(contenders, events, console) | _kills(contenders, kills, seed, console)
        finally:
            stack.stop()
    return {**machine(), "seed": seed, "sweep_seconds": 10, "fates": fates}


def _prepare(airflow: Airflow, bucket: str) -> list[Contender]:
    """Make the stock consumers' queue and table, and let each contender take its first unit."""
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    url = sqs.create_queue(QueueName="stock")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    found = s3.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", [])
    prefix = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "stock/landed/"}]}}
    own: Any = {"Id": "stock", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": prefix}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [*found, own]}
    )
    with psycopg.connect(dbname="warehouse") as connection:
        connection.execute("CREATE TABLE stock_seen (unit bigint, run text)")
    until(lambda: airflow.ask("GET", "/dags")["total_entries"] == 4, "the DAGs to be read")
    contenders: list[Contender] = [StockPair(airflow, bucket), Watershed(airflow, bucket)]
    for contender in contenders:
        contender.send(1)
        contender.drop(2)
        until(lambda it=contender: {1, 2} <= set(it.seen()), f"the first units of {contender.name}")  # type: ignore[misc]
    return contenders


def _storms(contenders: Sequence[Contender], events: int, console: Console) -> dict[str, dict[str, Any]]:
    scenarios: dict[str, tuple[Callable[[Contender, Sequence[int]], None], int]] = {
        f"{events} events from 8 threads": (storm, events),
        "10 events within 0.4 s": (burst, 10),
        "5 events while paused": (paused, 5),
        "6 events, 5 of them during the run": (busy, 6),
    }
    fates: dict[str, dict[str, Any]] = {}
    for number, (name, (scenario, count)) in enumerate(scenarios.items(), 1):
        units = range(number * 1000, number * 1000 + count)
        for contender in contenders:
            scenario(contender, units)
            fates.setdefault(name, {})[contender.name] = _told(console, name, contender, fate(contender, units, QUIET))
    return fates


def _kills(contenders: Sequence[Contender], kills: int, seed: int, console: Console) -> dict[str, dict[str, Any]]:
    victims = [victim for victim in VICTIMS for _ in range(kills)]
    random.Random(seed).shuffle(victims)
    units = range(10_000, 10_000 + 20 * len(victims))
    stream(contenders, units, victims, seed)
    name = f"{len(units)} files, {kills} kills each of {', '.join(VICTIMS)}"
    return {name: {c.name: _told(console, name, c, fate(c, units, QUIET_AFTER_KILLS)) for c in reversed(contenders)}}


def _told(console: Console, name: str, contender: Contender, found: Fate) -> dict[str, Any]:
    console.print(name, contender.name, found, highlight=False)
    return vars(found)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print what each has stranded, lost and doubled."""
    table = Table("storm", "contender", title="Units of work", title_justify="left")
    columns = ("sent", "stranded", "lost", "doubled", "seconds")
    for name in columns:
        table.add_column(name, justify="right")
    for name, fates in found["fates"].items():
        for contender, told in fates.items():
            table.add_row(name, contender, *(str(told[column]) for column in columns))
    console.print(table)


def main() -> int:
    """Measure, show and save; 1 where Watershed has stranded, lost or doubled anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--kills", type=int, default=2, help="kills of each: scheduler, triggerer, a running task")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked, console = parser.parse_args(), Console()
    found = measure(asked.events, asked.kills, asked.seed, console)
    show(found, console)
    console.print(f"Written to {save('zero_loss', found).name} below var/bench.")
    ours = [fates["watershed"] for fates in found["fates"].values()]
    return int(any(told["stranded"] or told["lost"] or told["doubled"] for told in ours))


if __name__ == "__main__":
    sys.exit(main())
