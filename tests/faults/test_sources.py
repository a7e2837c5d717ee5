"""Fetching from a source, killed anywhere, put twice, late, by several workers: silver is what the source is."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from common.core.clock import now
from common.core.errors import WatershedError
from common.core.settings import settings as configured
from common.ledger.incidents import RELEASED
from common.ledger.manifests import read_manifest
from common.observe.verbs import listening
from common.pipelines.ingest import IngestStep
from common.pipelines.kinds import consumer_named
from common.repair.decide import end_parked
from common.upkeep.rebuild import rebuild
from common.upkeep.retain import retain
from common.upkeep.verify import verify
from tests.fake_step import expire
from tests.faults.evidence import broken_promises
from tests.faults.plan import STEPS, VARIABLE, act, inside
from tests.faults.test_crash_points import plan
from tests.faults.workers import Workers, job
from tests.origins import Database, fetching, postgres
from tests.world import World, by

N = int(os.environ.get("INTERLEAVINGS", "3"))
OWNER, OVERLAP = "dag/run/task/-1", 10
TABLE = {
    "kind": "table",
    "conn": "shop",
    "schedule": "* * * * *",
    "table": "things",
    "watermark": "at",
    "overlap": OVERLAP,
}
KEY = "name: id, logicalType: integer, required: true, primaryKey: true"
COLUMNS = (KEY, "name: at, logicalType: integer, required: true", "name: v, logicalType: integer")
# The same table twice: what is the latest is said by its own column, or by the order in which it came.
NAMES = {"marked": ["at"], "arriving": ["arrival"]}
INGESTS = tuple(f"lab.{name}.raw" for name in NAMES)
INGEST = INGESTS[1]


# The grammar is the same for every kind: here what stands around fetching and putting.
GRAMMAR = ("claim.after", "stage.before", "stage.after", "narrow.after", "manifest.after", "publish.before", "publish.after",
           "record.during", "record.after", "settle.before", "settle.after", "ring.before", "rung.before", "rung.after")  # fmt: skip


class Origin:
    """A table that grows, beside it a plain list of what is in it; rows may come late, within the overlap."""

    def __init__(self, database: Database) -> None:
        self.database, self.rows, self.value = database, dict[int, tuple[int, int]](), 0
        database.run("CREATE TABLE things (id bigint PRIMARY KEY, at bigint, v bigint)")

    def change(self, key: int, back: int) -> None:
        """Insert or change a row, which has a mark that lies back behind the greatest one."""
        top = max((at for at, _ in self.rows.values()), default=0)
        self.value += 1
        at = max(self.rows.get(key, (0, 0))[0] + 1, top + 1 - min(back, OVERLAP))
        self.rows[key] = (at, self.value)
        values = f"({key}, {at}, {self.value})"
        self.database.run(
            f"INSERT INTO things VALUES {values} ON CONFLICT (id) DO UPDATE SET at = {at}, v = {self.value}"
        )

    def differences(self, world: World) -> list[str]:
        """Say which of the tables is not what the source is."""
        expected = sorted((key, *row) for key, row in self.rows.items())
        found = {name: sorted(world.silver(name).select("id", "at", "v").rows()) for name in NAMES}
        return [f"{name}: {rows}, the source has {expected}" for name, rows in found.items() if rows != expected]


@pytest.fixture
def things(stack: Mapping[str, str], tmp_path: Path) -> Iterator[tuple[World, Origin]]:
    with world_of(stack, tmp_path) as made:
        yield made


class world_of(ExitStack):
    def __init__(self, stack: Mapping[str, str], folder: Path) -> None:
        super().__init__()
        self._stack, self._folder = stack, folder

    def __enter__(self) -> tuple[World, Origin]:  # type: ignore[override]
        database = postgres(self._stack)
        words = {name: {"columns": COLUMNS, "latest": latest, "source": TABLE} for name, latest in NAMES.items()}
        world = self.enter_context(fetching(self._stack, self._folder, words, shop=database.connection))
        return world, Origin(database)


def put_again(world: World) -> None:
    """Put everything again that hops ever put, as workers taken for dead would."""
    for n, attempt, name in world.rows(
        "SELECT n, attempt, consumer FROM hop WHERE consumer LIKE '%.raw' AND state = 'published'", "ledger"
    ):
        IngestStep(consumer_named(name)).settle(read_manifest(name, n, attempt))


def released(world: World) -> None:
    for consumer, batch in world.rows(
        "SELECT consumer, batch FROM incident WHERE kind = 'parked' AND closed_at IS NULL", "ledger"
    ):
        end_parked(consumer, batch, RELEASED, by("it was no data's fault"))


def test_a_death_at_any_point_loses_and_doubles_nothing(things: tuple[World, Origin], forks: Workers) -> None:
    world, origin = things
    for number, step in enumerate((*GRAMMAR, *inside("ingest"))):
        origin.change(number % 7, number % 3)
        death = plan("ingest", step)
        if step.startswith("claim") and number % 2:
            death = [{**one, "nth": 2} for one in death]  # after the look
        outcome = forks.run(job(INGEST, OWNER), world.env, death)
        assert outcome.killed, f"not killed at {step}: {outcome}"
        if number % 2:  # whoever comes next puts what is owed: landing's look, or the next run
            world.flow("bronze")
        released(world)
        world.do(INGEST, owner=OWNER)
    released(world)
    world.flow(owner=OWNER)
    assert origin.differences(world) == []
    assert (list(verify()), broken_promises(world)) == ([], [])
    fetched = "SELECT sum(good) FROM hop WHERE consumer = '{}'"
    ((good,), (files,)) = (
        *world.rows(fetched.format(INGEST), "ledger"),
        *world.rows(fetched.format("lab.arriving.bronze"), "ledger"),
    )
    assert good == files, "each range is one file in bronze"


@pytest.mark.parametrize("point", ["publish.before", "settle.read"])
def test_a_zombie_changes_nothing_even_where_the_last_to_come_is_the_latest(
    point: str, things: tuple[World, Origin], forks: Workers
) -> None:
    world, origin = things
    origin.change(1, 0)
    zombie = forks.start(job(INGEST, "zombie"), world.env, [{"at": f"ingest:{point}", "do": "stop"}])
    assert zombie.frozen(), str(zombie.wait())
    expire(world)
    origin.change(1, 0)  # the source answers differently now
    assert forks.run(job(INGEST, "other"), world.env).result["hops"]
    world.flow()
    assert origin.differences(world) == []
    zombie.signal(signal.SIGCONT)
    end = zombie.wait()
    assert end.error == ("CommitConflict" if point == "publish.before" else ""), str(end)
    world.flow()
    assert origin.differences(world) == []
    assert (list(verify()), broken_promises(world)) == ([], [])


def test_landing_puts_what_a_dead_worker_owes_however_late(
    things: tuple[World, Origin], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, origin = things
    origin.change(1, 0)
    with monkeypatch.context() as patch, listening(act):
        patch.setenv(VARIABLE, json.dumps([{"at": "ingest:settle.read", "do": "exit"}]))
        with pytest.raises(SystemExit):
            world.do(INGEST)
    assert world.keys("raw/") == []
    later = now() + timedelta(hours=configured().retention_hours + 1)
    monkeypatch.setattr("common.upkeep.retain.now", lambda: later)
    retain()
    world.flow("bronze", "silver")
    assert world.silver("arriving")["id"].to_list() == [1]


def test_a_lost_ledger_fetches_nothing_again_that_has_come(things: tuple[World, Origin]) -> None:
    world, origin = things
    for key in (1, 2, 1):
        origin.change(key, 0)
        world.flow()
    before = world.rows("SELECT count(*) FROM batch WHERE asset LIKE '%.source'", "ledger")
    rebuild("tester", from_nothing=True)
    world.flow()
    assert origin.differences(world) == []
    assert world.rows("SELECT count(*) FROM batch WHERE asset LIKE '%.source'", "ledger") == before
    origin.change(3, 5)
    world.flow()
    assert origin.differences(world) == []
    assert (list(verify()), broken_promises(world)) == ([], [])


class Machine(RuleBasedStateMachine):
    """One world and one source, and any order of what may happen to both."""

    stack: Mapping[str, str]
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.held = ExitStack()

    @initialize()
    def begin(self) -> None:
        self.world, self.origin = self.held.enter_context(world_of(self.stack, self.folder))  # type: ignore[arg-type]

    @rule(keys=st.lists(st.integers(0, 5), min_size=1, max_size=3), back=st.integers(0, OVERLAP))
    def change(self, keys: list[int], back: int) -> None:
        for key in keys:
            self.origin.change(key, back)

    @rule(stage=st.sampled_from(["ingest", "bronze", "silver"]))
    def work(self, stage: str) -> None:
        self.world.flow(stage)

    @rule(point=st.sampled_from((*STEPS, *inside("ingest"))), nth=st.integers(1, 2))
    def crash(self, point: str, nth: int) -> None:
        """Die at a point of fetching, if it is passed; the retry of the same task takes over at once."""
        with pytest.MonkeyPatch.context() as patch, listening(act):
            patch.setenv(VARIABLE, json.dumps([{"at": f"ingest:{point}", "do": "exit", "nth": nth}]))
            with suppress(SystemExit, WatershedError):
                self.world.flow("ingest")

    @rule(point=st.sampled_from(["stage.fetched", "publish.before", "settle.read"]), key=st.integers(0, 5))
    def overtake(self, point: str, key: int) -> None:
        """Let another worker do all of it, and the source change, while one stands still at a point."""

        def stand(moment: Any) -> None:
            if moment.name == f"ingest:{point}" and not met:
                met.append(point)
                expire(self.world)
                self.origin.change(key, 0)
                self.world.flow("ingest", "bronze", owner="other")

        met: list[str] = []
        with listening(stand), suppress(WatershedError):
            self.world.flow("ingest")

    @rule()
    def put_twice(self) -> None:
        put_again(self.world)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.held:
            expire(self.world)
            for _ in range(2):
                self.world.flow()
            if self.origin.rows:
                assert self.origin.differences(self.world) == []
            assert (list(verify()), broken_promises(self.world)) == ([], [])


def test_any_interleaving_ends_as_the_source_is(stack: Mapping[str, str], tmp_path: Path) -> None:
    class Here(Machine):
        pass

    Here.stack, Here.folder = stack, tmp_path
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Here, settings=settings(max_examples=N, stateful_step_count=14, deadline=None, suppress_health_check=checks)
    )
