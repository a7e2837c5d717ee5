"""A world of its own for each test, as for the integration tests, and workers that may be killed."""

from collections.abc import Iterator, Mapping

import pytest

from tests.faults.workers import Workers, workers
from tests.integration.conftest import world
from tests.publishing import shop, store

__all__ = ["shop", "store", "world"]


@pytest.fixture(scope="session")
def forks(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """The parent of the workers of this session."""
    with workers(stack, tmp_path_factory.mktemp("workers")) as pool:
        yield pool
