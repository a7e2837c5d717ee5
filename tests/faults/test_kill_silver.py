"""kill -9 of a running silver hop, at whatever moment: the tables end as without it."""

import os
import random
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from tests.seed import SEED
from tests.world import World

OWNER = "dag/run/task/-1"
WORK = """
import sys
from common.pipelines.kinds import consumer_named
from common.pipelines.work import work
print("begun", flush=True)
work(consumer_named("ecommerce.transactions.silver"), sys.argv[1], "run")
print("done", flush=True)
"""


def month(number: int) -> bytes:
    chance = random.Random(number)
    lines = [
        f"{chance.randrange(500):05d},1997{number:02d}{chance.randrange(1, 28):02d},1,{n}.25" for n in range(20_000)
    ]
    return "\n".join(["customer_id,date,number_of_cds,dollar_value", *lines, "short"]).encode()


def content(world: World) -> pl.DataFrame:
    return world.silver("transactions").sort("_file", "_record")


@pytest.mark.parametrize("kills", [6])
def test_killed_silver_hops_leave_the_same_table(world: World, kills: int) -> None:
    files = {f"transactions/{number}.csv": month(number) for number in range(1, 9)}
    for key, body in files.items():
        world.land(key, body)
    world.flow("bronze")
    chance, killed = random.Random(SEED), 0
    for number in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORK, OWNER], stdout=subprocess.PIPE, env=os.environ
        )
        assert process.stdout is not None
        process.stdout.readline()
        # From a tenth of a second on, when no machine has done it, to moments that a slow one needs to get anywhere.
        time.sleep(chance.random() * 0.1 * 2**number)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert killed >= 1, f"SEED={SEED}: no hop was killed while it worked"
    world.flow(owner=OWNER)  # as the same task's next try, which need not wait for the lease of the killed one
    found = content(world)
    assert found.height == 8 * 20_000, f"SEED={SEED}"
    assert found.select("_file", "_record").is_unique().all()
    assert world.rows(
        "SELECT sum(taken), sum(good), sum(refused) FROM hop WHERE consumer LIKE '%transactions.silver'", "ledger"
    ) == [(160_008, 160_000, 8)]
    assert world.rows("SELECT sum(count) FROM refusal", "ledger") == [(8,)]
    assert world.rows("SELECT count(*), sum(amount)::text FROM ecommerce.fact_transactions") == [
        (160_000, f"{sum(n + 0.25 for n in range(20_000)) * 8:.2f}")
    ]
