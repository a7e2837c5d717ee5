"""A real PostgreSQL, a real S3 protocol and a Slack stand-in for the session; a world of its own for each test."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.world import World, make_world


@pytest.fixture
def world(stack: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """The e-commerce domain, applied and empty."""
    return make_world(stack, monkeypatch, tmp_path, "ecommerce", None)
