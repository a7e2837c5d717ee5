"""The ledger is compared with all it speaks of, and rebuilt from it in the middle of traffic."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.nouns import Consumer, Dataset
from common.core.settings import settings
from common.ledger.consumers import apply_consumer
from common.ledger.database import drop_tables, engine, transaction
from common.ledger.decisions import recover
from common.ledger.incidents import PARKED, open_incident
from common.ledger.refusals import Filter
from common.repair.decide import backfill, discard, end_parked, redrive
from common.upkeep.apply import apply
from common.upkeep.rebuild import rebuild
from common.upkeep.verify import verify
from common.zones.store import client
from devstack.tour import wait_for
from tests.world import World, by

HEAD = "customer_id,date,number_of_cds,dollar_value\n"
LEDGER = (
    "SELECT consumer, n, attempt, taken, good, merged, refused FROM hop ORDER BY 1, 2",
    "SELECT consumer, batch, hop FROM receipt ORDER BY 1, 2",
    "SELECT id, consumer, hop, batch, reason, count, state, redriven_as, decision FROM refusal ORDER BY 1",
    "SELECT id, asset, partition, records, checksum, place FROM batch ORDER BY 1",
    "SELECT child, parent FROM batch_parent ORDER BY 1, 2",
)


def file(n: int) -> bytes:
    return f"{HEAD}0000{n},1997010{n},1,{n}.00\nshort {n}\n".encode()


@pytest.fixture
def busy(world: World) -> World:
    for n in (1, 2, 3):
        world.land(f"transactions/{n}.csv", file(n))
        world.flow()
    return world


def remembered(world: World) -> list[list[tuple[object, ...]]]:
    return [world.rows(query, "ledger") for query in LEDGER]


def in_ledger(statement: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        with engine().begin() as connection:
            connection.exec_driver_sql(statement)

    return change


def gone(under: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        client().delete_object(Bucket=settings().bucket, Key=world.keys(under)[0])

    return change


def in_warehouse(statement: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        with psycopg.connect(world.env["WAREHOUSE_URL"]) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    return change


# One after the other in one world: each must add something that was not said before.
CHANGES: tuple[tuple[Callable[[World], None], str], ...] = (
    (gone("bronze/"), "is gone"),
    (gone("quarantine/rows/"), "is gone"),
    (in_ledger("DELETE FROM receipt WHERE consumer = 'ecommerce.transactions.silver' AND hop = 2"), "hop 2: has 0 receipts, its manifest took 1 batches"),
    (in_ledger("UPDATE hop SET good = good + 1, taken = taken + 1 WHERE n = 1 AND consumer = 'ecommerce.transactions.silver'"), "hop 1: the ledger counts 3 taken"),
    (in_ledger("UPDATE hop SET attempt = 7 WHERE n = 3 AND consumer = 'ecommerce.transactions.silver'"), "the target says hop 3"),
    (in_ledger("DELETE FROM refusal WHERE hop = 1"), "are not in the ledger"),
    (gone("manifests/ecommerce.transactions.silver/2/"), "there is no such manifest"),
    (in_warehouse("DELETE FROM ecommerce.fact_transactions WHERE amount = 2"), "ecommerce.fact_transactions has 2 rows"),
    (in_warehouse("UPDATE watershed.load_token SET hop = hop + 1 WHERE consumer LIKE '%fact_transactions%'"), "the target says hop"),
)  # fmt: skip


def test_verify_says_exactly_what_differs(busy: World) -> None:
    before: set[str] = {f"{name}: {text}" for name, text in verify()}
    assert before == set()
    for change, said in CHANGES:
        change(busy)
        found = {f"{name}: {text}" for name, text in verify()}
        assert any(said in text for text in found - before), (said, found - before)
        before = found
    result = CliRunner().invoke(app, ["ledger", "verify", "--json"])
    assert result.exit_code == 1
    told = {f"{row['consumer']}: {row['difference']}" for row in json.loads(result.output)}
    assert told == before


def test_a_lost_ledger_is_rebuilt_with_every_decision(busy: World) -> None:
    redrive(Filter(ids=(busy.rows("SELECT min(id) FROM refusal", "ledger")[0][0],)), by("try again"))
    discard(Filter(ids=(busy.rows("SELECT max(id) FROM refusal", "ledger")[0][0],)), by("a test line"))
    busy.flow()
    before = remembered(busy)
    busy.land("transactions/4.csv", file(4))
    done = rebuild("tester", from_nothing=True)
    assert done.decisions == 2
    after = remembered(busy)
    raw = {row[0] for row in after[3]} - {row[0] for row in before[3]}
    assert len(raw) == 1, "what waits in raw is found again, and nothing else is new"
    assert [after[i] for i in (0, 1, 2, 4)] == [before[i] for i in (0, 1, 2, 4)]
    busy.flow()
    assert busy.rows("SELECT count(*), sum(amount)::int FROM ecommerce.fact_transactions") == [(4, 10)]
    assert list(verify()) == []
    assert CliRunner().invoke(app, ["audit", "verify"]).exit_code == 0


def test_decisions_that_a_lost_ledger_learns_of_before_its_hops_are_kept(busy: World) -> None:
    """Somebody decides after the loss, before consumers have caught up: the journal is taken over first."""
    (first, second, _) = [row[0] for row in busy.rows("SELECT id FROM refusal ORDER BY id", "ledger")]
    redrive(Filter(ids=(first,)), by("try again"))
    discard(Filter(ids=(second,)), by("a test line"))
    busy.flow()
    before = remembered(busy)
    drop_tables()
    apply()
    with transaction() as connection:
        assert recover(connection) == 2
    rebuild("tester")
    after = remembered(busy)
    assert [after[i] for i in (0, 1, 2)] == [before[i] for i in (0, 1, 2)]
    assert list(verify()) == []
    assert (
        len(backfill(Dataset("ecommerce", "transactions"), "", "", (), by("whole files, not what was sent again"))) == 3
    )


def test_a_decision_about_a_dataset_that_is_gone_keeps_no_ledger_from_its_rebuild(busy: World) -> None:
    with transaction() as connection:
        apply_consumer(
            connection,
            Consumer("old.one.silver", "silver", ("old.one.bronze",), "x", "", False, Dataset("old", "one")),
            1,
        )
        open_incident(connection, PARKED, "old.one.silver", "why", "batch")
    end_parked("old.one.silver", "batch", "released", by("try"))
    assert rebuild("tester", from_nothing=True).decisions == 1
    assert list(verify()) == []


def test_a_ledger_from_a_backup_catches_up(busy: World, tmp_path: Path) -> None:
    address, dump = settings().ledger_url.replace("+psycopg", ""), tmp_path / "ledger.sql"
    backup = {query: busy.rows(query.replace("ORDER BY 1", "ORDER BY 1"), "ledger") for query in LEDGER}
    copy = f"{address.rpartition('/')[2]}_old"
    engine().dispose()
    with psycopg.connect(f"{address.rpartition('/')[0]}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{address.rpartition("/")[2]}"')  # type: ignore[call-overload]
    for n in (4, 5):
        busy.land(f"transactions/{n}.csv", file(n))
        busy.flow()
    discard(Filter(reason="short_row"), by("after the backup"))
    before = remembered(busy)
    engine().dispose()
    with psycopg.connect(f"{address.rpartition('/')[0]}/postgres", autocommit=True) as connection:
        name = address.rpartition("/")[2]
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]
        connection.execute(f'ALTER DATABASE "{copy}" RENAME TO "{name}"')  # type: ignore[call-overload]
    assert remembered(busy)[0] == backup[LEDGER[0]]
    done = rebuild("tester")
    assert (done.decisions, done.ahead) == (1, [])
    assert sum(done.hops.values()) > 0
    assert remembered(busy) == before
    assert not dump.exists()
    assert not any(counts.taken for counts in busy.flow().values())
    assert list(verify()) == []


def test_a_rebuild_in_the_middle_of_traffic_loses_and_doubles_nothing(world: World, tmp_path: Path) -> None:
    """Workers go on in processes of their own while the ledger is dropped and rebuilt under them."""
    over = tmp_path / "over"
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from common.core.errors import WatershedError\nfrom common.pipelines.work import sweep\n"
        "while not Path(sys.argv[2]).exists():\n"
        "    try:\n        sweep('ecommerce', f'worker/{sys.argv[1]}')\n"
        "    except (WatershedError, Exception) as error:\n        print(repr(error)[:200], flush=True)\n"
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script, str(n), str(over)],
            env=os.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for n in range(2)
    ]
    try:
        for n in range(1, 10):
            if n in (4, 7):  # what came before is on its way to the warehouses, and this one to bronze
                wait_for(lambda: not world.keys("raw/"), lambda: None, "the workers to land what there is")
            world.land(f"transactions/{n}.csv", file(n))
            if n in (4, 7):
                rebuild("tester", from_nothing=True)
        wait_for(lambda: not world.keys("raw/"), lambda: None, "the workers to land the rest")
    finally:
        over.touch()
        for worker in workers:
            worker.wait(600)
    with engine().begin() as connection:
        connection.exec_driver_sql("UPDATE hop SET lease_until = now() WHERE state = 'open'")
    rebuild("tester")
    world.flow()
    world.flow()
    assert world.rows("SELECT count(*), sum(amount)::int FROM ecommerce.fact_transactions") == [(9, 45)]
    assert world.rows("SELECT sum(count) FROM refusal", "ledger") == [(9,)]
    assert list(verify()) == []
