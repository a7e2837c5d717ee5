"""A worker that is frozen past its lease, and thawed after another has published, writes nothing a second time."""

import signal
from collections.abc import Mapping

import pytest

from common.core.nouns import Dataset
from common.pipelines.kinds import KINDS, consumer_named, stages
from tests.fake_step import expire
from tests.faults.evidence import Evidence, broken_promises, gather, judge
from tests.faults.traffic import files
from tests.faults.workers import Workers, job
from tests.world import World, new_world

SEED = 5
FACTS, REVENUE = Dataset("ecommerce", "fact_transactions"), Dataset("ecommerce", "daily_revenue")
LANDING, SILVER = "ecommerce.transactions.bronze", "ecommerce.transactions.silver"
MERGE = "ecommerce.users.silver"


def land(world: World) -> None:
    for key, content in files(SEED, "zombies", 14):
        world.land(key, content)


@pytest.fixture(scope="module")
def expected(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """How the same files end in a world without zombies."""
    with new_world(stack, tmp_path_factory.mktemp("calm"), "ecommerce") as calm:
        land(calm)
        calm.flow()
        return gather(calm)


@pytest.mark.parametrize(
    ("hop", "point"),
    [
        (LANDING, "landing:publish.before"),
        (SILVER, "silver:publish.before"),
        (MERGE, "silver:publish.before"),
        ("ecommerce.fact_transactions.gold", "model:publish.before"),
        ("ecommerce.fact_transactions@warehouse", "load:stage.before"),
        ("ecommerce.fact_transactions@duckdb", "load:stage.before"),
        ("ecommerce.fact_transactions@warehouse", "load:publish.before"),
        ("ecommerce.fact_transactions@duckdb", "load:publish.before"),
    ],
)
def test_a_zombie_writes_nothing(expected: Evidence, world: World, forks: Workers, hop: str, point: str) -> None:
    land(world)
    forks.run({"do": "look", "domain": "ecommerce"}, world.env)
    for stage in stages()[: stages().index(KINDS[consumer_named(hop).kind].stage)]:
        world.flow(stage)
    zombie = forks.start(job(hop, "zombie"), world.env, [{"at": point, "do": "stop"}])
    assert zombie.frozen(), str(zombie.wait())
    taken_over(world, forks, hop)
    zombie.signal(signal.SIGCONT)
    end = zombie.wait()
    assert end.error in {"CommitConflict", "LeaseLost"}, str(end)
    world.flow()
    assert judge(expected, gather(world), broken_promises(world)).said == []


def taken_over(world: World, forks: Workers, hop: str) -> None:
    """Let another worker find the lease, and publish the hop once it is over."""
    assert forks.run(job(hop, "other"), world.env).result["leased_by"] == "zombie"
    expire(world)
    outcome = forks.run(job(hop, "other"), world.env)
    assert outcome.result.get("hops"), str(outcome)


@pytest.mark.parametrize("to", ["warehouse", "duckdb"])
def test_a_zombie_that_holds_the_token_writes_all_or_nothing(world: World, forks: Workers, to: str) -> None:
    """Frozen inside its transaction it keeps everybody out; whoever wins, the rows are there once."""
    land(world)
    world.flow("bronze")
    world.flow("silver")
    world.flow("gold")
    hop = f"{FACTS}@{to}"
    zombie = forks.start(job(hop, "zombie"), world.env, [{"at": "load:publish.commit", "do": "stop"}])
    assert zombie.frozen(), str(zombie.wait())
    if to == "warehouse":  # what the server does itself after idle_in_transaction_session_timeout, 15 minutes
        ended = world.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        assert ended == [(True,)]
        taken_over(world, forks, hop)
        zombie.signal(signal.SIGCONT)
        assert zombie.wait().error == "TargetUnavailable"
    else:  # the file is locked for as long as the process lives: others wait, then say that it is unavailable
        zombie.signal(signal.SIGCONT)
        assert zombie.wait().code == 0
    world.flow()
    ((rows, distinct),) = world.rows("SELECT count(*), count(DISTINCT (file, record)) FROM ecommerce.fact_transactions")  # fmt: skip
    assert rows == distinct == world.silver("transactions").height
    assert broken_promises(world) == []
