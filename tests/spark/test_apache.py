"""The same on Apache Spark, in processes of its own: golden cases, whole hops, and a driver that dies."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession

from common.core.errors import ConfigError
from common.refine.spark import shipping, typed
from common.refine.spark.session import session
from devstack import spark
from tests.spark.cases import CASES
from tests.spark.pairs import Pair, groups
from tests.spark.sides import Files, InStore
from tests.spark.test_golden import MOST, TOGETHER, compared
from tests.spark.test_hops import done, month
from tests.world import World, new_world

PAIRS = 200
AT_ONCE = 3  # jobs: while one is planned, others are read by executors


@pytest.fixture
def files(there: World, tmp_path: Path) -> Files:
    """Keep files where executors fetch them."""
    folder = tmp_path / "files"
    folder.mkdir()
    return InStore(folder)


@pytest.fixture
def remote(there: World) -> Iterator[SparkSession]:
    """Give a session for many jobs: executors start processes anew for each session, in four seconds."""
    with session() as found:
        yield found


def drawn(number: int) -> list[list[Pair]]:
    """Draw so many groups of files, each of one contract."""
    found: list[list[Pair]] = []

    @given(groups(TOGETHER))
    @settings(max_examples=number, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def keep(pairs: list[Pair]) -> None:
        found.append(pairs)

    keep()
    return found


def all_compared(jobs: Mapping[str, Sequence[Pair]], files: Files, spark: SparkSession) -> dict[str, tuple[int, int]]:
    """Compare both engines on files of several contracts, some at once; return what is said of each."""

    def compare(name: str) -> tuple[int, int]:
        try:
            return compared(jobs[name], files, spark)
        except AssertionError as error:
            error.add_note(f"{name}: {jobs[name]}")
            raise

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(jobs, pool.map(compare, jobs), strict=True))


def test_each_case_gives_the_same_rows_and_refusals_on_apache_spark(
    there: World, files: Files, remote: SparkSession
) -> None:
    found = all_compared({name: [case] for name, case in CASES.items()}, files, remote)
    assert [name for name, (read, _) in found.items() if read != 1] == []
    assert not there.keys("staging/"), "what executors wrote stays only as long as it is read"


def test_any_file_gives_the_same_rows_and_refusals_on_apache_spark(files: Files, remote: SparkSession) -> None:
    pairs = drawn(PAIRS // TOGETHER * 12 // 10)
    counts = all_compared({f"drawn {number}": group for number, group in enumerate(pairs)}, files, remote).values()
    assert sum(read for read, _ in counts) >= PAIRS
    assert sum(sure for _, sure in counts) >= PAIRS // 4, "most rows were left to the second look: nothing was compared"


def test_a_wrong_rule_is_seen_on_apache_spark(
    files: Files, remote: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed, "BLANKS", " ")
    with pytest.raises(AssertionError):
        all_compared({name: [CASES[name]] for name in MOST}, files, remote)


def test_hops_give_on_apache_spark_what_they_give_on_one_machine(
    there: World, stack: Mapping[str, str], tmp_path: Path
) -> None:
    counts, tables = done(there)
    with new_world(stack, tmp_path / "here", "ecommerce") as other:
        here, expected = done(other)
    assert counts == here
    for one, two in zip(tables, expected, strict=True):
        assert_frame_equal(one, two)


def test_executors_of_another_release_refine_nothing(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    there.land("transactions/1.csv", month(1, 50))
    there.flow("bronze")
    monkeypatch.setattr(shipping, "code_here", lambda: "another")
    with pytest.raises(ConfigError, match="Install the same release on both"):
        there.flow("silver")


def test_without_java_a_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="openjdk-17-jre-headless"):
        spark.java()
