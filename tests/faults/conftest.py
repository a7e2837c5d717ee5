"""A world of its own for each test, as for the integration tests."""

from tests.integration.conftest import world

__all__ = ["world"]
