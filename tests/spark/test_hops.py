"""Whole hops that refine on Spark: from claim to ring, in real stores, also where a worker dies in the middle."""

import errno
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from common.contracts.catalogue import contract_of
from common.core.errors import ConfigError, MachineUnavailable, StoreUnavailable
from common.core.nouns import Counts, Dataset
from common.quality.split import Split
from common.refine import engines
from common.refine.local import OnThisMachine
from common.refine.spark import gather, reader
from common.refine.spark.engine import OnSpark
from common.zones.store import client
from tests.world import World, forget, new_world, other_contract

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


@pytest.mark.parametrize(("where", "name"), [(reader, "apply"), (gather, "in_quarantine")])
def test_records_that_vanish_reach_no_table(
    world: World, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    """Broken on purpose: rows in doubt vanish while executors judge them, refused ones while they are gathered."""
    real = getattr(where, name)

    def broken(*arguments: Any) -> Any:
        found = real(*arguments)
        return replace(found, refused=found.refused.head(0)) if isinstance(found, Split) else found.head(0)

    monkeypatch.setattr(where, name, broken)
    world.land("transactions/1.csv", (HEAD + "00001,19970101,1,1.00\n0000x,19970101,1,1.00\n").encode())
    world.flow()
    assert world.silver("transactions").is_empty()
    (said,) = world.rows("SELECT detail FROM incident WHERE consumer = 'ecommerce.transactions.silver'", "ledger")
    assert "ConservationError" in said[0]


def test_a_file_that_only_executors_find_damaged_is_parked_alone(world: World) -> None:
    world.land("transactions/1.csv", month(1, 50))
    world.land("transactions/2.csv", month(2, 50))
    world.flow("bronze")
    key = sorted(world.keys("bronze/ecommerce/transactions/"))[0]
    client().put_object(Bucket=world.env["WATERSHED_BUCKET"], Key=key, Body=b"not what was landed")
    world.flow()
    assert world.silver("transactions").height == 50
    ((batch, detail),) = world.rows("SELECT batch, detail FROM incident", "ledger")
    assert batch
    assert "is not the recorded object" in detail


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (StoreUnavailable("read s3://nowhere: nobody answers."), StoreUnavailable),
        (OSError(errno.EIO, "Input/output error"), MachineUnavailable),
    ],
)
def test_what_no_file_is_to_blame_for_parks_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    def away(*arguments: Any) -> Any:
        raise error

    world.land("transactions/1.csv", month(1, 50))
    world.flow("bronze")
    with monkeypatch.context() as patch:
        patch.setattr(reader, "fetch", away)
        with pytest.raises(raised, match=r"nobody answers|Input/output"):
            world.flow("silver")
    assert world.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]
    world.flow("silver")
    assert world.silver("transactions").height == 50


def test_what_an_executor_cannot_do_parks_the_file_and_tells_no_value(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        raise pl.exceptions.ComputeError("cannot cast 'secret'")

    world.land("transactions/1.csv", month(1, 50))
    world.flow("bronze")
    monkeypatch.setattr(reader, "cleaned", broken)
    world.flow("silver")
    ((batch, detail),) = world.rows("SELECT batch, detail FROM incident", "ledger")
    assert batch
    assert "EngineFailed" in detail
    assert "secret" not in detail


def test_without_its_packages_a_hop_says_how_to_install_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.land("transactions/1.csv", month(1, 5))
    world.flow("bronze")
    forget()
    monkeypatch.setitem(sys.modules, "pysail.spark", None)
    with pytest.raises(ConfigError, match="make spark"):
        world.flow("silver")


def test_a_contract_chooses_its_engine_over_the_setting(world: World, tmp_path: Path) -> None:
    assert isinstance(engines.engine_of(contract_of(Dataset("ecommerce", "users"))), OnSpark)
    word = "customProperties:\n  - {property: engine, value: polars}\n"
    with other_contract(
        world, tmp_path, "users", lambda text: text.replace("\ncustomProperties:\n", f"\n{word}"), applied=False
    ):
        assert isinstance(engines.engine_of(contract_of(Dataset("ecommerce", "users"))), OnThisMachine)


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
