"""A world of its own for each test, on the session's PostgreSQL and object store."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.engines import address, ask, bare, bucket, target
from tests.publishing import shop, store
from tests.world import World, new_world

__all__ = ["address", "ask", "bare", "bucket", "shop", "store", "target"]


@pytest.fixture
def world(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """The e-commerce domain, applied and empty."""
    with new_world(stack, tmp_path, "ecommerce") as made:
        yield made
