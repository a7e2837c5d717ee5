"""Small hops of a stage that share a process: each is done and rung once, and none holds up or takes down another."""

import psycopg
import pytest
from sqlalchemy import text

from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.pipelines.together import Together, work_together
from common.pipelines.work import rung
from common.repair.decide import backfill_whole
from tests.faults.evidence import broken_promises
from tests.faults.workers import Workers, job
from tests.world import World, by

HEAD = "customer_id,date,number_of_cds,dollar_value\n"
USERS = "customer_id,name,email,country,signed_up_on,updated_at\n00001,A,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n"
GOLD = ["ecommerce.daily_revenue.gold", "ecommerce.dim_country.gold", "ecommerce.fact_transactions.gold"]
LOADS = [
    "ecommerce.daily_revenue@duckdb",
    "ecommerce.daily_revenue@warehouse",
    "ecommerce.dim_country@warehouse",
    "ecommerce.fact_transactions@duckdb",
    "ecommerce.fact_transactions@warehouse",
]
REVENUE = "ecommerce.daily_revenue.gold"
OWNER = "dag/run"


def land(world: World, *days: int) -> None:
    for day in days:
        world.land(f"transactions/{day}.csv", f"{HEAD}00001,199701{day:02d},1,{day}.00\n".encode())


@pytest.fixture
def silver(world: World) -> World:
    """A world whose gold tables are due."""
    land(world, 1, 2)
    world.land("users/a.csv", USERS.encode())
    world.flow("bronze", "silver")
    return world


def together(stage: str) -> Together:
    """Do a stage as its task does, whose rings are stored."""
    done = work_together("ecommerce", stage, OWNER, "run")
    for ring in done.rings:
        rung(ring.consumer, list(ring.hops))
    return done


def test_all_that_is_small_is_done_and_each_is_rung_once(silver: World) -> None:
    for stage, names in (("gold", GOLD), ("load", LOADS)):
        done = together(stage)
        assert done.apart == []
        assert set(names) <= set(done.done) and len(done.done) == len(set(done.done))
        assert sorted(done.done) == sorted(ring.consumer for ring in done.rings)
        assert all(ring.records for ring in done.rings)
        assert together(stage) == Together(), "nothing is due any more"
    assert silver.rows("SELECT count(*)::int FROM ecommerce.daily_revenue") == [(2,)]
    assert broken_promises(silver) == []


def test_files_land_together_and_raw_is_looked_at(world: World) -> None:
    land(world, 1)
    world.land("users/a.csv", USERS.encode())
    assert sorted(together("bronze").done) == ["ecommerce.transactions.bronze", "ecommerce.users.bronze"]
    assert world.keys("raw/") == []


def test_one_that_fails_is_handed_on_and_holds_up_no_other(silver: World) -> None:
    together("gold")
    with psycopg.connect(silver.env["WAREHOUSE_URL"], autocommit=True) as connection:
        connection.execute("ALTER TABLE ecommerce.daily_revenue RENAME COLUMN revenue TO takings")
    done = together("load")
    assert done.apart == ["ecommerce.daily_revenue@warehouse"]
    assert set(LOADS) - set(done.apart) <= set(done.done)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE batch SET records = 10001 WHERE asset = 'ecommerce.transactions.silver'",
        "UPDATE batch SET bytes = 9000000 WHERE asset = 'ecommerce.transactions.silver'",
        "INSERT INTO failure VALUES ('ecommerce.daily_revenue.gold', 'TargetUnavailable', 'away', now())",
        "UPDATE hop SET opened_at = published_at - interval '1 minute' WHERE consumer = 'ecommerce.daily_revenue.gold'",
        "UPDATE hop SET taken = 300000, merged = 299999, good = 1 WHERE consumer = 'ecommerce.daily_revenue.gold'",
        "UPDATE hop SET contract = 'another' WHERE consumer = 'ecommerce.daily_revenue.gold'",
        "INSERT INTO batch (id, asset, place) SELECT 'b' || n, asset, place FROM batch, generate_series(1, 64) AS n "
        "WHERE number = (SELECT max(number) FROM batch WHERE asset = 'ecommerce.transactions.silver')",
    ],
    ids=["records", "bytes", "failure", "slow", "read", "contract", "batches"],
)
def test_what_is_more_than_a_little_has_a_process_of_its_own(silver: World, change: str) -> None:
    together("gold")
    land(silver, 3)
    silver.flow("bronze", "silver")
    with transaction() as connection:
        connection.execute(text(change))
    done = together("gold")
    assert REVENUE in done.apart and REVENUE not in done.done


def test_a_replay_has_a_process_of_its_own(silver: World) -> None:
    backfill_whole(Dataset("ecommerce", "transactions"), by("try"))
    assert together("silver").apart == ["ecommerce.transactions.silver"]


def test_what_is_not_begun_in_time_is_done_beside_it(silver: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.pipelines.together.SECONDS", -1)
    assert set(GOLD) <= set(together("gold").apart)


def test_a_death_takes_down_one_hop_and_the_next_try_rings_the_others(silver: World, forks: Workers) -> None:
    together("gold")
    work = {"do": "together", "domain": "ecommerce", "stage": "load", "owner": OWNER}
    died = forks.run(work, silver.env, [{"at": "load:publish.before", "do": "kill", "nth": 2}])
    assert died.killed
    again = forks.run(work, silver.env).result
    (dead,) = again["apart"]
    assert set(LOADS) <= {*again["rings"], dead}, "what was published before the death is rung, too"
    outcome = forks.run(job(dead, f"{OWNER}/{dead}"), silver.env)
    assert outcome.result["leased_by"] is None, "the same run takes over at once"
    for name, hops in again["rings"].items():
        rung(name, hops)
    silver.flow()
    assert broken_promises(silver) == []


def test_two_at_once_do_each_hop_once(silver: World, forks: Workers) -> None:
    begun = [
        forks.start({"do": "together", "domain": "ecommerce", "stage": "gold", "owner": f"dag/{run}"}, silver.env)
        for run in ("one", "two")
    ]
    ends = [worker.wait() for worker in begun]
    assert all(end.code == 0 for end in ends), ends
    silver.flow(owner=f"{OWNER}/later")
    assert broken_promises(silver) == []
    assert silver.rows("SELECT revenue::int FROM ecommerce.daily_revenue ORDER BY day") == [(1,), (2,)]
