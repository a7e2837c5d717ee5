"""A worker that is frozen past its lease, and thawed after another has published, writes nothing a second time."""

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from common.core.nouns import Dataset
from common.pipelines.domain import STAGES, Hop
from tests.faults.evidence import broken_promises, gather, judge
from tests.faults.traffic import files
from tests.faults.workers import Workers, job
from tests.world import World, new_world

SEED = 5
FACTS, REVENUE = Dataset("ecommerce", "fact_transactions"), Dataset("ecommerce", "daily_revenue")
LANDING, SILVER = (Hop(stage, Dataset("ecommerce", "transactions")) for stage in ("bronze", "silver"))
MERGE = Hop("silver", Dataset("ecommerce", "users"))


@pytest.fixture
def impatient(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """A world whose leases last three seconds, and whose warehouse waits no longer for a lock."""
    quick = {**stack, "WATERSHED_LEASE_SECONDS": "3"}
    with new_world(quick, tmp_path, "ecommerce") as made:
        yield made


def land(world: World) -> None:
    for key, content in files(SEED, "zombies", 14):
        world.land(key, content)


@pytest.mark.parametrize(
    ("hop", "point"),
    [
        (LANDING, "landing:publish.before"),
        (SILVER, "silver:publish.before"),
        (MERGE, "silver:publish.before"),
        (Hop("gold", FACTS), "model:publish.before"),
        (Hop("load", FACTS, "warehouse"), "load:stage.before"),
        (Hop("load", FACTS, "duckdb"), "load:stage.before"),
        (Hop("load", FACTS, "warehouse"), "load:publish.before"),
        (Hop("load", FACTS, "duckdb"), "load:publish.before"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.consumer,
)
def test_a_zombie_writes_nothing(
    stack: Mapping[str, str], tmp_path: Path, impatient: World, forks: Workers, hop: Hop, point: str
) -> None:
    land(impatient)
    forks.run({"do": "look", "domain": "ecommerce"}, impatient.env)
    for stage in STAGES[: STAGES.index(hop.stage)]:
        impatient.flow(stage)
    zombie = forks.start(job(hop, "zombie"), impatient.env, [{"at": point, "do": "stop"}])
    assert zombie.frozen(), str(zombie.wait())
    taken_over(impatient, forks, hop)
    zombie.signal(signal.SIGCONT)
    end = zombie.wait()
    assert end.error in {"CommitConflict", "LeaseLost"}, str(end)
    impatient.flow()
    found, broken = gather(impatient), broken_promises(impatient)
    with new_world(stack, tmp_path / "calm", "ecommerce") as calm:
        land(calm)
        calm.flow()
        assert judge(gather(calm), found, broken).said == []


def taken_over(world: World, forks: Workers, hop: Hop) -> None:
    """Wait until the lease is over and another worker has published the hop."""
    for _ in range(200):
        outcome = forks.run(job(hop, "other"), world.env)
        if outcome.result.get("hops"):
            return
        assert outcome.result.get("leased_by") == "zombie", str(outcome)
    raise AssertionError("the lease of a frozen worker never ended")


@pytest.mark.parametrize("to", ["warehouse", "duckdb"])
def test_a_zombie_that_holds_the_token_writes_all_or_nothing(impatient: World, forks: Workers, to: str) -> None:
    """Frozen inside its transaction it keeps everybody out; whoever wins, the rows are there once."""
    land(impatient)
    impatient.flow("bronze")
    impatient.flow("silver")
    impatient.flow("gold")
    hop = Hop("load", FACTS, to)
    zombie = forks.start(job(hop, "zombie"), impatient.env, [{"at": "load:publish.commit", "do": "stop"}])
    assert zombie.frozen(), str(zombie.wait())
    if to == "warehouse":  # what the server does itself after idle_in_transaction_session_timeout, 15 minutes
        ended = impatient.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction'"
        )
        assert ended == [(True,)]
        taken_over(impatient, forks, hop)
        zombie.signal(signal.SIGCONT)
        assert zombie.wait().error == "TargetUnavailable"
    else:  # the file is locked for as long as the process lives: others wait, then say that it is unavailable
        zombie.signal(signal.SIGCONT)
        assert zombie.wait().code == 0
    impatient.flow()
    ((rows, distinct),) = impatient.rows("SELECT count(*), count(DISTINCT (file, record)) FROM ecommerce.fact_transactions")  # fmt: skip
    assert rows == distinct == impatient.silver("transactions").height
    assert broken_promises(impatient) == []
