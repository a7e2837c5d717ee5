"""Worlds and workers as in the other suites, with all files refined on Spark."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from devstack.environment import for_children
from devstack.ports import free_port
from devstack.spark import Spark
from tests.world import World, new_world


@pytest.fixture
def world(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """The e-commerce domain, applied and empty, whose files are refined on Spark."""
    with new_world({**stack, "WATERSHED_ENGINE": "spark"}, tmp_path, "ecommerce") as made:
        yield made


# Code that runs a few times is not worth much compiling.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
WORKERS = 2


@pytest.fixture(scope="session")
def apache(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """An Apache Spark with two workers whose executors reach the stack's object store, started once for all tests."""
    reached = {name: value for name, value in stack.items() if name.startswith("AWS_")}
    env = for_children(reached | {"JDK_JAVA_OPTIONS": SHORT_LIVED})
    with Spark(tmp_path_factory.mktemp("spark"), env, free_port(), workers=WORKERS) as spark:
        yield spark


@pytest.fixture
def there(stack: Mapping[str, str], apache: Spark, tmp_path: Path) -> Iterator[World]:
    """The e-commerce domain, applied and empty, whose files Apache Spark refines."""
    env = {**stack, "WATERSHED_ENGINE": "spark", "WATERSHED_SPARK_URL": apache.url}
    with new_world(env, tmp_path / "there", "ecommerce") as made:
        yield made
