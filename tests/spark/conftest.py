"""Worlds and workers as in the other suites, with all files refined on Spark."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.spark.apache import Server
from tests.world import World, new_world


@pytest.fixture
def world(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """The e-commerce domain, applied and empty, whose files are refined on Spark."""
    with new_world({**stack, "WATERSHED_ENGINE": "spark"}, tmp_path, "ecommerce") as made:
        yield made


@pytest.fixture(scope="session")
def apache(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An Apache Spark on two cores whose executors reach the stack's object store, started once for all tests."""
    with Server(stack, tmp_path_factory.mktemp("spark")) as server:
        yield server


@pytest.fixture
def there(stack: Mapping[str, str], apache: Server, tmp_path: Path) -> Iterator[World]:
    """The e-commerce domain, applied and empty, whose files Apache Spark refines."""
    env = {**stack, "WATERSHED_ENGINE": "spark", "WATERSHED_SPARK_URL": apache.url}
    with new_world(env, tmp_path / "there", "ecommerce") as made:
        yield made
