"""Worlds and workers as in the other suites, with all files refined on Spark."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.world import World, new_world


@pytest.fixture
def world(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """The e-commerce domain, applied and empty, whose files are refined on Spark."""
    with new_world({**stack, "WATERSHED_ENGINE": "spark"}, tmp_path, "ecommerce") as made:
        yield made
