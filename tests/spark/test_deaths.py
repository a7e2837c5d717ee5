"""A cluster of which parts die while its executors refine: no row is lost or doubled, and no file is to blame."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pyspark.cloudpickle import register_pickle_by_value

from common.core.errors import EngineUnavailable
from common.refine.spark import judge
from common.refine.spark import session as spark_session
from common.refine.spark.shipping import Step, shipped
from common.refine.spark.writer import Writer
from devstack.spark import Spark
from tests.spark import steps
from tests.spark.conftest import WORKERS
from tests.spark.steps import Deadly, Held
from tests.spark.test_hops import OWNER, WORK, month
from tests.world import World, forget

FILES, ROWS, MALFORMED = 4, 200, 3
LONGEST = 120.0
register_pickle_by_value(steps)


@dataclass(frozen=True)
class Gate:
    """Where executors wait that have written what they found, and have not told yet."""

    folder: Path

    @contextmanager
    def killing(self, kill: Callable[[list[int]], None], waiting: int = WORKERS) -> Iterator[None]:
        """While a block does a hop, kill something once so many executors wait, then let them go on."""

        def when_reached() -> None:
            deadline = time.monotonic() + LONGEST
            try:
                while len(found := [int(path.name) for path in self.folder.iterdir()]) < waiting:
                    assert time.monotonic() < deadline, f"{len(found)} executors came as far as to wait"
                    time.sleep(0.05)
                kill(found)
            finally:
                (self.folder / "open").touch()

        with ThreadPoolExecutor(1) as pool:
            killed = pool.submit(when_reached)
            yield
            killed.result()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gate:
    """Let executors wait in the middle of their tasks."""
    folder = tmp_path / "gate"
    folder.mkdir()

    def held(step: Step) -> Step:
        return shipped(Held(step, folder) if isinstance(step, Writer) else step)

    monkeypatch.setattr(judge, "shipped", held)
    return Gate(folder)


@pytest.fixture
def landed(there: World) -> World:
    """Give a world in which files wait to be refined."""
    for number in range(1, FILES + 1):
        there.land(f"transactions/{number}.csv", month(number, ROWS))
    there.flow("bronze")
    return there


def all_arrived(world: World) -> None:
    """Look whether each row is there once, and nothing was parked."""
    found = world.silver("transactions")
    assert found.height == FILES * ROWS
    assert found.select("_file", "_record").is_unique().all()
    query = "SELECT sum(taken), sum(good), sum(refused) FROM hop WHERE consumer LIKE '%transactions.silver'"
    good, refused = FILES * ROWS, FILES * MALFORMED
    assert world.rows(query, "ledger") == [(good + refused, good, refused)]
    nobody_is_to_blame(world)


def nobody_is_to_blame(world: World) -> None:
    """Look whether a failure was that of no file."""
    assert world.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]


def executor_of(pid: int) -> psutil.Process:
    """Return the JVM whose Python process that is."""
    return next(one for one in psutil.Process(pid).parents() if one.name() == "java")


def test_an_executor_killed_in_the_middle_costs_a_try_and_no_row(landed: World, gate: Gate) -> None:
    with gate.killing(lambda waiting: executor_of(waiting[0]).kill()):
        landed.flow("silver")
    all_arrived(landed)


def test_the_work_of_a_worker_that_is_gone_is_done_by_the_other(landed: World, gate: Gate, apache: Spark) -> None:
    with gate.killing(lambda waiting: apache.kill("worker-0")):
        landed.flow("silver")
    all_arrived(landed)
    apache.start_worker(0)


def test_without_any_worker_a_hop_gives_up_and_the_next_try_goes_on_once_they_are_back(
    landed: World, gate: Gate, apache: Spark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_all(waiting: list[int]) -> None:
        for number in range(WORKERS):
            apache.kill(f"worker-{number}")

    with monkeypatch.context() as patch:
        patch.setitem(os.environ, "WATERSHED_SPARK_WAIT_SECONDS", "10")
        forget()
        with gate.killing(kill_all), pytest.raises(EngineUnavailable, match="WATERSHED_SPARK_WAIT_SECONDS"):
            landed.flow("silver")
    forget()
    nobody_is_to_blame(landed)
    for number in range(WORKERS):
        apache.start_worker(number)
    landed.flow("silver")
    all_arrived(landed)


@pytest.mark.parametrize(("dies", "generations"), [("its Python", 0), ("its JVM", 2)])
def test_what_kills_executors_each_time_is_an_outage(
    landed: World, monkeypatch: pytest.MonkeyPatch, dies: str, generations: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(judge, "shipped", lambda step: shipped(Deadly(step, generations)))
        with pytest.raises(EngineUnavailable, match="executors"):
            landed.flow("silver")
    nobody_is_to_blame(landed)
    landed.flow("silver")
    all_arrived(landed)


def test_a_server_killed_in_the_middle_parks_nothing_and_the_next_try_publishes_once(
    landed: World, gate: Gate, apache: Spark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_session, "TRIES", 1)
    with (
        gate.killing(lambda waiting: apache.kill("server")),
        pytest.raises(EngineUnavailable, match="WATERSHED_SPARK_URL"),
    ):
        landed.flow("silver")
    nobody_is_to_blame(landed)
    with pytest.raises(EngineUnavailable, match="WATERSHED_SPARK_URL"):
        landed.flow("silver")  # it is still away
    apache.start_server()
    landed.flow("silver")
    all_arrived(landed)


def test_a_watershed_worker_killed_while_its_job_runs_leaves_the_same_table(landed: World, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK)
    command = [sys.executable, "-W", "ignore", str(script), OWNER]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ) as worker:
        while not landed.keys("staging/"):
            assert worker.poll() is None, "the worker ended before its executors had written anything"
        worker.send_signal(signal.SIGKILL)
    assert landed.keys("staging/"), "the job's first answer had been fetched before the worker was killed"
    landed.flow(owner=OWNER)  # as the same task's next try
    all_arrived(landed)
