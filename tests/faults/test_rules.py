"""Single rules of a hop that the other tests would not miss: each is here because a mutant survived without it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from common.core.errors import DataError, LeaseLost, ModelError, TargetUnavailable, TerminalError
from common.core.ids import batch_id
from common.core.nouns import Batch, Counts, Dataset
from common.core.places import RawFile
from common.ledger.claims import Claim, claim, heartbeat, store_counts
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.manifests import Manifest, write_manifest
from common.pipelines.hop import drain
from common.pipelines.kinds import consumer_named
from common.pipelines.landing import Arrival, LandingStep
from common.pipelines.step import Staged
from tests.fake_step import FakeStep, arrive, expire, incidents
from tests.faults.workers import Workers, job
from tests.world import World

TRANSACTIONS = Dataset("ecommerce", "transactions")
LANDING, SILVER = f"{TRANSACTIONS}.bronze", f"{TRANSACTIONS}.silver"
HEAD = "customer_id,date,number_of_cds,dollar_value\n"


def claimed(step: FakeStep, owner: str) -> Claim:
    with transaction() as connection:
        lock(connection, step.consumer.name)
        held = claim(connection, step.consumer, owner)
    assert isinstance(held, Claim)
    return held


def land(world: World, name: str, number: int) -> None:
    world.land(f"transactions/{name}.csv", f"{HEAD}{number:05d},19970101,1,{number}.00\n".encode())


def test_a_consumer_is_locked_for_a_whole_transaction(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    with transaction() as mine:
        lock(mine, step.consumer.name)
        with pytest.raises(TargetUnavailable, match="lock timeout"), transaction() as other:
            other.execute(text("SET LOCAL lock_timeout = '200ms'"))
            lock(other, step.consumer.name)


def test_an_attempt_that_lost_its_hop_neither_renews_nor_counts(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    lost = claimed(step, "first")
    expire(world)
    claimed(step, "second")
    with pytest.raises(LeaseLost), transaction() as connection:
        heartbeat(connection, lost)
    with pytest.raises(LeaseLost), transaction() as connection:
        store_counts(connection, lost, Counts(1, 1, 0, 0), 0)


def test_a_batch_has_one_receipt_of_a_consumer(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    drain(step, "me")
    with pytest.raises(Exception, match="pk_receipt"), transaction() as connection:
        connection.execute(text("INSERT INTO receipt SELECT * FROM receipt"))


def test_an_attempt_writes_one_manifest_once(world: World) -> None:
    first = Manifest("shop.things", 1, 7, 0, "c1", (), Counts())
    write_manifest(first)
    write_manifest(first)  # the answer to the first may have been lost
    with pytest.raises(TerminalError, match="exists already"):
        write_manifest(Manifest("shop.things", 1, 7, 0, "c2", (), Counts()))


def test_a_data_error_after_the_commit_narrows_nothing(world: World) -> None:
    step = FakeStep()
    arrive(step, "a", "b")

    def late(at: str, _held: Claim) -> None:
        if at == "after":
            step.fault = None
            raise DataError("said after it was done")

    step.fault = late
    assert drain(step, "me").hops == [1]
    assert step.taken == ["a", "b"]
    assert world.rows("SELECT width FROM consumer WHERE name = 'shop.things'", "ledger")[0][0] >= 8


def test_a_data_error_narrows_at_once_without_waiting_for_deaths(world: World) -> None:
    tries: list[int] = []

    class Counting(FakeStep):
        @contextmanager
        def stage(self, held: Claim) -> Iterator[Staged]:
            tries.append(len(held.batches))
            with super().stage(held) as staged:
                yield staged

    step = Counting(poison={"a"})
    arrive(step, "a", "b", "c", "d")
    drain(step, "me")
    assert tries[:3] == [4, 2, 1]
    assert step.taken == ["b", "c", "d"]
    assert incidents(world) == [("parked", True)]


def test_an_attempt_that_lost_its_hop_stops_nobody(world: World) -> None:
    step, overtaken = FakeStep(ordered=True), []
    arrive(step, "a")

    def too_late(at: str, _held: Claim) -> None:
        if at == "stage" and not overtaken:
            overtaken.append(True)
            expire(world)
            drain(step, "other")
            raise ModelError("what another has done meanwhile")

    step.fault = too_late
    with pytest.raises(ModelError):
        drain(step, "me")
    assert step.taken == ["a"]
    assert incidents(world) == []


def test_equal_content_is_no_duplicate_in_another_partition(world: World, tmp_path: Path) -> None:
    step = LandingStep(consumer_named(LANDING))

    def arrival(name: str, partition: str) -> Arrival:
        batch = Batch(batch_id(name), "ecommerce.transactions.raw", partition=partition, place=RawFile(name, "", 0, ""))
        return Arrival(batch, tmp_path / name, checksum="same")

    found = step.compared([arrival("a", "1997-01"), arrival("b", "1997-02"), arrival("c", "1997-01")])
    assert [a.name for a in found.fresh] == ["a", "b"]
    assert [a.name for a in found.duplicates] == ["c"]


@pytest.mark.parametrize("step", ["stage.after", "manifest.after", "publish.before", "publish.after", "record.before"])
def test_a_raw_file_is_deleted_only_after_its_hop_is_recorded(world: World, forks: Workers, step: str) -> None:
    land(world, "a", 1)
    forks.run({"do": "look", "domain": "ecommerce"}, world.env)
    assert forks.run(job(LANDING), world.env, [{"at": f"landing:{step}", "do": "kill"}]).killed
    assert world.keys("raw/") == ["raw/ecommerce/transactions/a.csv"]
    assert forks.run(job(LANDING), world.env).result["hops"] == [1]
    assert world.keys("raw/") == []


@pytest.mark.parametrize("step", ["record.after", "ring.before", "ring.after", "rung.before"])
def test_a_hop_that_nobody_was_told_of_is_rung_by_the_next_run(world: World, forks: Workers, step: str) -> None:
    land(world, "a", 1)
    world.flow("bronze")
    assert forks.run(job(SILVER), world.env, [{"at": f"silver:{step}", "do": "kill"}]).killed
    again = forks.run(job(SILVER), world.env)
    assert (again.result["hops"], again.result["rung"]) == ([], [1])


def test_a_zombie_that_stages_late_overwrites_no_published_part(world: World, forks: Workers) -> None:
    """Frozen with two batches; the hop it holds is narrowed to one and published; then it stages parts of both."""
    for name, events in (("a", (("e1", "page_view"), ("e2", "page_view"))), ("poison", (("e2", "add_to_cart"),))):
        lines = [
            f'{{"event_id": "{event}", "customer_id": "00001", "kind": "{kind}", "occurred_at": "1997-01-01T00:00:00Z"}}\n'
            for event, kind in events
        ]
        world.land(f"events/{name}.ndjson", "".join(lines).encode())
    world.flow("bronze")
    hop = "ecommerce.events.silver"
    zombie = forks.start(job(hop, "zombie"), world.env, [{"at": "silver:stage.before", "do": "stop"}])
    assert zombie.frozen(), str(zombie.wait())
    poisoned = [{"at": "silver:stage.before", "do": "data", "nth": 0, "when": "poison"}]
    assert forks.run(job(hop, "other"), world.env, poisoned).result["leased_by"] == "zombie"
    expire(world)
    outcome = forks.run(job(hop, "other"), world.env, poisoned)
    assert outcome.result.get("hops"), str(outcome)
    before = world.silver("events").sort("event_id").rows()
    assert [row[0] for row in before] == ["e1", "e2"]
    zombie.signal(signal.SIGCONT)
    assert zombie.wait().error in {"LeaseLost", "CommitConflict"}
    assert world.silver("events").sort("event_id").rows() == before
