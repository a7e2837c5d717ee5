"""A kind of hop that is one file and one row keeps every promise of the grammar: deaths, zombies, interleavings, people."""

import signal
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from common.core.clock import now
from common.core.settings import settings
from common.pipelines.kinds import consumers, dag_id, stages
from common.repair.decide import replay
from common.upkeep.retain import retain
from common.upkeep.verify import verify
from tests.fake_step import expire
from tests.faults import test_any_interleaving as interleaving
from tests.faults.evidence import broken_promises
from tests.faults.plan import STEPS, inside, points
from tests.faults.test_crash_points import plan
from tests.faults.workers import Workers, job
from tests.made_up_kind import SWITCH, mirrored, registered
from tests.world import World, by, new_world

OWNER, MIRROR = "dag/run/task/-1", "ecommerce.transactions@mirror"
HEAD = "customer_id,date,number_of_cds,dollar_value\n"


@pytest.fixture(autouse=True)
def kind() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def mirror(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    with new_world({**stack, SWITCH: "on"}, tmp_path, "ecommerce") as made:
        yield made


def land(world: World, number: int) -> None:
    world.land(
        f"transactions/{number}.csv", f"{HEAD}{number:05d},19970101,1,1.00\n{number:05d},19970102,1,2.00\n".encode()
    )
    world.flow("bronze", "silver")


def rows(world: World) -> list[tuple[str, int]]:
    return sorted(world.silver("transactions").select("_file", "_record").rows())


def test_the_table_of_kinds_is_all_that_has_to_know_it() -> None:
    assert stages()[-1] == "mirror"
    assert "mirror:stage.written" in points()
    assert {dag_id(consumer) for consumer in consumers("ecommerce", "mirror")} == {"ecommerce_mirror"}


def test_a_death_at_any_point_changes_nothing(mirror: World, forks: Workers) -> None:
    for number, step in enumerate((*STEPS, *inside("mirror"))):
        land(mirror, number)
        outcome = forks.run(job(MIRROR, OWNER), mirror.env, plan("mirror", step))
        assert outcome.killed, f"not killed at {step}: {outcome}"
        mirror.do(MIRROR, owner=OWNER)
        assert mirrored("ecommerce", "transactions") == rows(mirror)
    mirror.flow(owner=OWNER)
    assert list(verify()) == []
    assert broken_promises(mirror) == []


def test_a_zombie_writes_nothing(mirror: World, forks: Workers) -> None:
    land(mirror, 1)
    frozen = forks.start(job(MIRROR, "zombie"), mirror.env, [{"at": "mirror:publish.before", "do": "stop"}])
    assert frozen.frozen(), str(frozen.wait())
    expire(mirror)
    assert forks.run(job(MIRROR, "other"), mirror.env).result["hops"] == [1]
    frozen.signal(signal.SIGCONT)
    assert frozen.wait().error == "CommitConflict"
    assert mirrored("ecommerce", "transactions") == rows(mirror)


def test_people_and_retention_reach_it_as_any_other(mirror: World, monkeypatch: pytest.MonkeyPatch) -> None:
    land(mirror, 1)
    mirror.flow()
    ((batch,),) = mirror.rows("SELECT id FROM batch WHERE asset = 'ecommerce.transactions.silver'", "ledger")
    replay(batch, "", by("to be sure"))
    mirror.flow()
    assert mirrored("ecommerce", "transactions") == rows(mirror)
    before, later = set(mirror.keys("")), now() + timedelta(hours=settings().retention_hours + 1)
    monkeypatch.setattr("common.upkeep.retain.now", lambda: later)
    retain()
    assert set(mirror.keys("")) == before, "all of it belongs to published hops"
    assert list(verify()) == []


def test_any_interleaving_ends_as_the_model_says(stack: Mapping[str, str], tmp_path: Path) -> None:
    class Mirrored(interleaving.Machine):
        def _compare(self) -> None:
            super()._compare()
            found = mirrored("lab", "plain")
            assert found == sorted(self.world.silver("plain").select("_file", "_record").rows())

    interleaving.run(Mirrored, {**stack, SWITCH: "on"}, tmp_path, examples=3)
