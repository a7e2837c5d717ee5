"""Whole hops that refine on Spark: from claim to ring, in real stores, also where a worker dies in the middle."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from common.core.nouns import Counts
from common.refine import engines
from tests.world import World, new_world

WORK = """
import sys
from common.observe import verbs
from common.pipelines.kinds import consumer_named
from common.pipelines.work import work
with verbs.listening(lambda moment: print(moment.name, flush=True)):
    work(consumer_named("ecommerce.transactions.silver"), sys.argv[1], "run")
"""
HEAD = "customer_id,date,number_of_cds,dollar_value\n"


def month(number: int, rows: int) -> bytes:
    chance = random.Random(number)
    lines = [f"{chance.randrange(500):05d},1997{number:02d}{chance.randrange(1, 28):02d},1,{n}.25" for n in range(rows)]
    return (HEAD + "\n".join([*lines, "short", "0000x,19970101,1,1.00", "00001,19970230,1,1.00"])).encode()


def quarantined(world: World) -> pl.DataFrame:
    from common.core.settings import settings
    from common.zones.store import storage_options

    keys = world.keys("quarantine/rows/")
    frames = [pl.read_parquet(f"s3://{settings().bucket}/{key}", storage_options=storage_options()) for key in keys]
    return pl.concat(frames)


FILES = {
    "transactions/1.csv": month(1, 3000),
    "transactions/2.csv": month(2, 50),
    "users/a.ndjson": b'{"customer_id": "00001", "name": "Ann", "email": "ANN@x.com ", "country": "de", "signed_up_on": "31/01/1997", '
    b'"updated_at": "1997-02-01T00:00:00Z"}\n{"customer_id": "00002", "country": "XX", "signed_up_on": "1997-01-31", "updated_at": "x"}\n{"cust\n',
    "users/b.csv": b"customer_id,name,email,country,signed_up_on,updated_at\n00001,Anne,n/a,DE,1997-01-31,1997-03-01 10:00:00\n"
    b"00001,Ann,-,DE,1997-01-31,1997-02-01T00:00:00Z\n",
}


def done(world: World) -> tuple[dict[str, Counts], list[pl.DataFrame]]:
    """Land the files, do the hops up to silver; return their counts, and both tables and quarantine without names."""
    for key, content in FILES.items():
        world.land(key, content)
    counts = world.flow("bronze", "silver")
    lake = [world.silver(name).drop("_file", "_arrival") for name in ("transactions", "users")]
    refused = quarantined(world).drop("file", "batch")
    return counts, [frame.sort(pl.all()) for frame in (*lake, refused)]


def test_hops_give_on_spark_what_they_give_on_one_machine(
    world: World, stack: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    spark = engines.ENGINES["spark"]
    monkeypatch.setitem(engines.ENGINES, "spark", lambda: used.append(1) or spark())  # type: ignore[func-returns-value]
    there, tables = done(world)
    assert used
    with new_world(stack, tmp_path / "here", "ecommerce") as other:
        used.clear()
        here, expected = done(other)
        assert not used
    assert there == here
    for one, two in zip(tables, expected, strict=True):
        assert_frame_equal(one, two)
    assert there["ecommerce.transactions.silver"] == Counts(3056, 3050, 0, 6)


@pytest.mark.parametrize("moment", ["silver:refine.before", "silver:write.before", "silver:publish.after"])
def test_a_worker_killed_in_the_middle_leaves_the_same_table(world: World, tmp_path: Path, moment: str) -> None:
    for number in range(1, 4):
        world.land(f"transactions/{number}.csv", month(number, 200))
    world.flow("bronze")
    _killed_at(moment, tmp_path / "work.py")
    world.flow(owner=OWNER)  # as the same task's next try, which need not wait for the lease of the killed one
    found = world.silver("transactions")
    assert found.height == 600
    assert found.select("_file", "_record").is_unique().all()
    assert world.rows(
        "SELECT sum(taken), sum(good), sum(refused) FROM hop WHERE consumer LIKE '%transactions.silver'", "ledger"
    ) == [(609, 600, 9)]
    assert world.rows("SELECT sum(count) FROM refusal", "ledger") == [(9,)]


OWNER = "dag/run/task/-1"


def _killed_at(moment: str, script: Path) -> None:
    """Start a worker, and kill it as soon as it has passed a moment of its hop."""
    script.write_text(WORK)  # PySpark takes a program without a file for its own tests
    command = [sys.executable, "-W", "ignore", str(script), OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        reached = any(line.strip() == moment for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert reached, f"the worker ended before {moment}"
    assert process.returncode == -signal.SIGKILL
