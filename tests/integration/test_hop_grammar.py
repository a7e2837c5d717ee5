"""The grammar of a hop, rule by rule, over a real ledger and real manifests; only the target is made for the test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from common.core.errors import (
    CommitConflict,
    LedgerAhead,
    ModelError,
    StoreUnavailable,
    TargetUnavailable,
)
from common.core.nouns import Counts
from common.ledger.claims import Claim, Leased, claim
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.manifests import Manifest, write_manifest
from common.ledger.reconcile import reconcile
from common.ledger.rings import due, mark_rung, to_ring
from common.pipelines.hop import drain
from tests.fake_step import FakeStep, arrive, expire, incidents, name_of
from tests.world import World


def test_batches_are_taken_once_and_in_order(world: World) -> None:
    step = FakeStep()
    arrive(step, "a", "b", "c")
    done = drain(step, "me")
    assert step.taken == ["a", "b", "c"]
    assert (done.hops, done.counts) == ([1], Counts(3, 3, 0, 0))
    assert drain(step, "me").hops == []
    arrive(step, "a", "d")
    drain(step, "me")
    assert step.taken == ["a", "b", "c", "d"]
    assert world.rows("SELECT count(*), count(DISTINCT batch) FROM receipt WHERE consumer='shop.things'", "ledger") == [
        (4, 4)
    ]


@pytest.mark.parametrize("moment", ["stage", "before", "after"])
def test_a_death_at_any_moment_loses_and_doubles_nothing(world: World, moment: str) -> None:
    step = FakeStep()
    arrive(step, "a", "b")

    def die(at: str, _held: Claim) -> None:
        if at == moment:
            raise SystemExit(137)

    step.fault = die
    with pytest.raises(SystemExit):
        drain(step, "me")
    step.fault = None
    drain(step, "me")
    assert step.taken == ["a", "b"]
    assert step.settled == [1]


def test_an_error_after_the_commit_is_no_evidence_that_nothing_happened(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")

    def lie(at: str, _held: Claim) -> None:
        if at == "after":
            raise TargetUnavailable("connection lost at commit")

    step.fault = lie
    with pytest.raises(TargetUnavailable):
        drain(step, "me")
    step.fault = None
    assert drain(step, "me").hops == []
    assert step.taken == ["a"]
    assert step.settled == [1]


def test_a_retry_takes_over_at_once_and_others_find_it_leased(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    with transaction() as connection:
        lock(connection, "shop.things")
        first = claim(connection, step.consumer, "run-1")
    assert isinstance(first, Claim)
    with transaction() as connection:
        lock(connection, "shop.things")
        assert claim(connection, step.consumer, "run-2") == Leased("run-1")
    assert drain(step, "run-2").leased_by == "run-1"
    assert step.taken == []
    drain(step, "run-1")
    assert step.taken == ["a"]


def test_a_zombie_publishes_nothing(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    seen: list[int] = []

    def overtaken(at: str, _held: Claim) -> None:
        if at == "stage" and not seen:
            seen.append(1)
            expire(world)
            drain(step, "other")

    step.fault = overtaken
    with pytest.raises(Exception, match=r"another attempt|is not at hop|moved"):
        drain(step, "me")
    assert step.taken == ["a"]
    assert len(step.commits) == 1


def test_a_zombie_that_commits_late_wins_over_a_narrowed_claim_and_unparks(world: World) -> None:
    step = FakeStep()
    arrive(step, "a", "b")
    with transaction() as connection:
        lock(connection, "shop.things")
        wide = claim(connection, step.consumer, "zombie")
    assert isinstance(wide, Claim)
    write_manifest(Manifest("shop.things", 1, wide.attempt, 0, "c1", wide.batches, Counts(2, 2, 0, 0)))
    expire(world)
    step.poison = {"a"}

    def late(at: str, held: Claim) -> None:
        if at == "before":
            step.commit(wide)

    step.fault = late
    with pytest.raises(CommitConflict):
        drain(step, "me")  # narrows, parks a, and loses hop 1 to the zombie
    step.fault = None
    assert drain(step, "me").hops == []
    assert step.taken == ["a", "b"]
    assert incidents(world) == [("parked", False)]


def test_a_poison_batch_is_parked_and_its_neighbours_arrive(world: World) -> None:
    step = FakeStep(poison={"c"})
    arrive(step, *"abcdefgh")
    drain(step, "me")
    assert sorted(step.taken) == list("abdefgh")
    assert incidents(world) == [("parked", True)]
    step.poison = set()
    assert drain(step, "me").hops == []


def test_an_outage_parks_nothing(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")

    def out(at: str, _held: Claim) -> None:
        raise StoreUnavailable("503")

    step.fault = out
    for _ in range(8):
        with pytest.raises(StoreUnavailable):
            drain(step, "me")
    assert incidents(world) == []
    step.fault = None
    drain(step, "me")
    assert step.taken == ["a"]


def test_a_ledger_that_goes_away_in_the_midst_of_hops_kills_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, back = FakeStep(), [0.0]
    arrive(step, "a")

    @contextmanager
    def away() -> Iterator[Any]:
        if time.monotonic() < back[0]:
            raise TargetUnavailable("the ledger restarts")
        with transaction() as connection:
            yield connection

    def out(at: str, _held: Claim) -> None:
        back[0] = time.monotonic() + 0.2
        raise TargetUnavailable("the ledger went away")

    monkeypatch.setattr("common.pipelines.hop.transaction", away)
    monkeypatch.setattr("common.pipelines.hop.RELEASE_PAUSE", 0.1)
    step.fault = out
    for _ in range(7):
        with pytest.raises(TargetUnavailable):
            drain(step, "me")
    assert incidents(world) == []
    assert world.rows("SELECT deaths FROM hop", "ledger") == [(0,)]
    step.fault = None
    drain(step, "me")
    assert step.taken == ["a"]


def test_five_deaths_narrow_to_the_batch_that_kills(world: World) -> None:
    step = FakeStep()
    arrive(step, "a", "killer")

    def kill(at: str, held: Claim) -> None:
        if any(name_of(b) == "killer" for b in held.batches):
            raise SystemExit(139)

    step.fault = kill
    for _ in range(14):
        try:
            drain(step, "me")
        except SystemExit:
            continue
    assert step.taken == ["a"]
    assert incidents(world) == [("parked", True)]


def test_a_reader_of_tables_stops_in_order_and_goes_on_once_mended(world: World) -> None:
    step = FakeStep(ordered=True, poison={"b"})
    arrive(step, "a")
    drain(step, "me")
    arrive(step, "b", "c")
    for _ in range(3):
        with pytest.raises(ModelError):
            drain(step, "me")
    assert step.taken == ["a"]
    assert incidents(world) == [("stopped", True)]
    step.poison = set()
    drain(step, "me")
    assert step.taken == ["a", "b", "c"]
    assert incidents(world) == [("stopped", False)]


def test_counts_that_do_not_add_up_reach_no_target(world: World) -> None:
    step = FakeStep(off_by=1)
    arrive(step, "a")
    drain(step, "me")
    assert step.commits == []
    assert incidents(world) == [("parked", True)]


def test_the_database_itself_refuses_counts_that_do_not_add_up(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    with transaction() as connection:
        lock(connection, "shop.things")
        claim(connection, step.consumer, "me")
    with pytest.raises(Exception, match="ck_hop_conservation"), transaction() as connection:
        connection.execute(text("UPDATE hop SET taken = 2, good = 1, merged = 0, refused = 0"))


def test_a_ledger_ahead_of_its_target_stops_with_an_incident(world: World) -> None:
    step = FakeStep()
    arrive(step, "a")
    drain(step, "me")
    step.commits.clear()
    arrive(step, "b")
    with pytest.raises(LedgerAhead, match=r"The ledger has hop 1 .* its target says hop 0"):
        drain(step, "me")
    assert step.taken == []
    assert incidents(world) == [("ledger_ahead", True)]


def test_a_lost_ledger_is_rebuilt_by_reconciling_an_empty_one(world: World) -> None:
    step = FakeStep()
    for name in "abc":
        arrive(step, name)
        drain(step, "me")
    before = world.rows("SELECT n, attempt, taken, good FROM hop ORDER BY n", "ledger")
    with transaction() as connection:
        connection.execute(text("TRUNCATE consumer, batch, batch_parent, hop, receipt, refusal, incident CASCADE"))
    arrive(step)
    with transaction() as connection:
        lock(connection, "shop.things")
        assert [m.hop for m in reconcile(connection, "shop.things", step)] == [1, 2, 3]
    assert world.rows("SELECT n, attempt, taken, good FROM hop ORDER BY n", "ledger") == before
    arrive(step, "a", "b", "c", "d")
    drain(step, "me")
    assert step.taken == ["a", "b", "c", "d"]


def test_every_published_hop_is_rung_once_its_event_is_stored(world: World) -> None:
    step = FakeStep()
    arrive(step, "a", "b", width=1)
    drain(step, "me")
    with transaction() as connection:
        assert due(connection, ["shop.things"]) == ["shop.things"]
        ring = to_ring(connection, "shop.things")
        assert ring is not None
        assert sum(len(names) for _, _, names in step.commits) == ring.records == 2
        mark_rung(connection, "shop.things", ring.hops)
        assert to_ring(connection, "shop.things") is None
        assert due(connection, ["shop.things"]) == []
