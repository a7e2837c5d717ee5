"""How long does a claim take when the ledger holds a million batches, and how many a second do several workers make?"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
from peers.measure import machine, save
from rich.console import Console
from rich.table import Table

from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Dataset
from common.core.places import Unnamed
from common.ledger.batches import record_batches
from common.ledger.claims import Claim, claim
from common.ledger.consumers import apply_consumer, lock
from common.ledger.database import migrate, transaction
from common.ledger.rings import due
from devstack.stack import running

ASSET, WIDTH, PER_HOP = "bench.things.bronze", 1, 500
CLAIM_GOAL, RATE_GOAL = 20, 500  # milliseconds at p95, claims a second
BATCHES = """INSERT INTO batch (id, asset, records, bytes, checksum, place)
SELECT md5(n::text), %s, 1, 1000, md5(n::text), jsonb_build_object('key', 'bench/things/' || n, 'size', 1000)
FROM generate_series(1, %s) n"""
HOPS = """INSERT INTO hop (consumer, n, state, batches, pins, contract, attempt, taken, good, merged, refused, rung)
SELECT %s, n, 'published', '[]', '{}', 'c', n, 1, 1, 0, 0, true FROM generate_series(1, %s) n"""
RECEIPTS = """INSERT INTO receipt (consumer, batch, hop)
SELECT %s, id, 1 + (number - 1) / %s FROM batch WHERE number <= %s"""
CLOSE = """WITH done AS (UPDATE hop SET state = 'published', taken = 1, good = 1, merged = 0, refused = 0, rung = true
WHERE consumer = %(consumer)s AND n = %(n)s RETURNING n)
INSERT INTO receipt (consumer, batch, hop) SELECT %(consumer)s, %(batch)s, n FROM done"""


def consumer(number: int) -> Consumer:
    """Name the consumer of one worker; all of them read the same asset."""
    name = f"bench.{number}.silver"
    return Consumer(name, "bench", (ASSET,), name, "c", ordered=False, dataset=Dataset("bench", str(number)))


def connect() -> "psycopg.Connection[Any]":
    """Open a connection of the harness to the ledger."""
    return psycopg.connect(os.environ["WATERSHED_LEDGER_URL"].replace("+psycopg", ""), autocommit=True)


def fill(batches: int, backlog: int, workers: int) -> None:
    """Fill the ledger: every consumer has taken all but the backlog."""
    migrate()
    with transaction() as connection:
        for number in range(workers):
            apply_consumer(connection, consumer(number), WIDTH)
    with connect() as connection:
        connection.execute("SET session_replication_role = replica")  # what is made here needs no foreign keys checked
        connection.execute(BATCHES, [ASSET, batches])
        for number in range(workers):
            name, taken = consumer(number).name, batches - backlog
            connection.execute(HOPS, [name, 1 + (taken - 1) // PER_HOP])
            connection.execute(RECEIPTS, [name, PER_HOP, taken])
        connection.execute("VACUUM ANALYZE")


def claim_once(item: Consumer) -> tuple[Claim, float]:
    """Lock and claim in one transaction, and tell how many milliseconds that took."""
    began = time.perf_counter()
    with transaction() as connection:
        lock(connection, item.name)
        held = claim(connection, item, "bench")
    took = (time.perf_counter() - began) * 1000
    if not isinstance(held, Claim) or len(held.batches) != WIDTH:
        raise RuntimeError(f"There was nothing to claim for {item.name}: {held}.")
    return held, took


def work(number: int, seconds: float) -> list[float]:
    """Claim for one consumer for so long, closing each hop as its publication would; give the times of the claims."""
    item, took = consumer(number), []
    with connect() as harness:
        claim_once(item)  # the first one opens the connection
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            held, milliseconds = claim_once(item)
            took.append(milliseconds)
            harness.execute(CLOSE, {"consumer": item.name, "n": held.hop, "batch": held.batches[0].id})
    return took


def measure(batches: int, workers: int, seconds: float, console: Console) -> dict[str, Any]:
    """Fill a ledger of its own, then claim with one worker and with several."""
    with (
        tempfile.TemporaryDirectory(prefix="watershed-bench-") as name,
        running(Path(name) / "stack", services=("postgres",)) as env,
    ):
        os.environ.update(env)
        began = time.perf_counter()
        fill(batches, min(batches // 2, int(seconds * 1000)), workers)
        console.print(f"{batches:,} batches in {time.perf_counter() - began:.0f} s", highlight=False)
        first = claim_once(consumer(0))[1]
        one = work(0, seconds)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            several = [ms for took in pool.map(work, range(workers), [seconds] * workers) for ms in took]
        return {
            **machine(),
            "batches": batches,
            "workers": workers,
            "first_claim_ms": first,
            "one": _summary(one, seconds),
            "several": _summary(several, seconds),
            "due_ms": _due(),
            "record_500_ms": _record(batches),
        }


def _due() -> float:
    """Time the question that every run begins with: is there anything to do."""
    began = time.perf_counter()
    for _ in range(20):
        with transaction() as connection:
            due(connection, [consumer(0).name])
    return (time.perf_counter() - began) * 1000 / 20


def _record(batches: int) -> float:
    """Time the recording of 500 new batches."""
    new = [Batch(batch_id("new", batches, n), ASSET, 1, place=Unnamed({"key": f"new/{n}"})) for n in range(500)]
    began = time.perf_counter()
    with transaction() as connection:
        record_batches(connection, new)
    return (time.perf_counter() - began) * 1000


def _summary(milliseconds: list[float], seconds: float) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        "claims": len(ordered),
        "per_second": len(ordered) / seconds,
        "p50": statistics.median(ordered),
        "p95": ordered[int(0.95 * len(ordered))],
        "max": ordered[-1],
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the claims with their goals."""
    title = f"Claims with {found['batches']:,} batches in the ledger (goals: p95 {CLAIM_GOAL} ms, {RATE_GOAL} a second)"
    table = Table("workers", "claims", "a second", "p50 ms", "p95 ms", "max ms", title=title, title_justify="left")
    for workers, told in ((1, found["one"]), (found["workers"], found["several"])):
        times = (f"{told[name]:.1f}" for name in ("p50", "p95", "max"))
        table.add_row(str(workers), f"{told['claims']:,}", f"{told['per_second']:.0f}", *times)
    console.print(table)
    console.print(
        f"First claim without a mark: {found['first_claim_ms']:.0f} ms. Is anything due: {found['due_ms']:.1f} ms. "
        f"500 new batches: {found['record_500_ms']:.0f} ms.",
        highlight=False,
    )


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    asked, console = parser.parse_args(), Console()
    found = measure(asked.batches, asked.workers, asked.seconds, console)
    show(found, console)
    console.print(f"Written to {save('ledger', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
