"""The same on Apache Spark, in processes of its own: golden cases, whole hops, and a driver that dies."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from common.core.errors import ConfigError, EngineUnavailable
from common.refine.spark import shipping
from devstack import spark
from tests.spark.apache import Server
from tests.spark.cases import CASES
from tests.spark.sides import InStore
from tests.spark.test_golden import compared
from tests.spark.test_hops import done, month
from tests.world import World, new_world


def test_each_case_gives_the_same_rows_and_refusals_on_apache_spark(there: World, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    files = InStore(folder)
    for name, case in CASES.items():
        assert compared([case], files)[0] == 1, name
    assert not there.keys("staging/"), "what executors wrote stays only as long as it is read"


def test_hops_give_on_apache_spark_what_they_give_on_one_machine(
    there: World, stack: Mapping[str, str], tmp_path: Path
) -> None:
    counts, tables = done(there)
    with new_world(stack, tmp_path / "here", "ecommerce") as other:
        here, expected = done(other)
    assert counts == here
    for one, two in zip(tables, expected, strict=True):
        assert_frame_equal(one, two)


def test_a_dead_driver_parks_nothing_and_the_next_try_publishes_once(there: World, apache: Server) -> None:
    there.land("transactions/1.csv", month(1, 50))
    there.flow("bronze")
    apache.kill()
    with pytest.raises(EngineUnavailable, match="WATERSHED_SPARK_URL"):
        there.flow("silver")
    apache.start()
    there.flow("silver")
    assert there.silver("transactions").height == 50
    assert there.rows("SELECT count(*) FROM incident", "ledger") == [(0,)]


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
