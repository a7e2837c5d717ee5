"""What the lock files promise: they agree, and leave out only what is named, of what somebody asks for."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CORE = ROOT / "requirements.lock"
BESIDE = {"requirements-snowflake"}  # of a process of its own, with an older sqlglot than the core's
EXTRAS = [lock for lock in sorted(ROOT.glob("requirements-*.lock")) if lock.stem not in BESIDE]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRA: dict[str, list[str]] = PROJECT["optional-dependencies"]


def pins(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def named(texts: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in texts}


def excluded() -> set[str]:
    lines = (ROOT / "requirements.excluded").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def unmet() -> set[str]:
    """Name what an installed package of the core requires and nobody has installed."""
    there = {canonicalize_name(found.name): found for found in distributions()}
    needs = {
        canonicalize_name(need.name)
        for name in pins(CORE).keys() & there.keys()
        for need in map(Requirement, there[name].requires or [])
        if need.marker is None or need.marker.evaluate({"extra": ""})
    }
    return needs - there.keys()


def test_the_core_is_what_runs_and_no_tool() -> None:
    core = pins(CORE)
    assert core.keys() >= named([*PROJECT["dependencies"], *EXTRA["celery"], *EXTRA["devstack"]])
    assert not core.keys() & named([*EXTRA["test"], *EXTRA["peers"]])


@pytest.mark.parametrize("lock", EXTRAS, ids=lambda lock: lock.stem)
def test_the_lock_of_an_extra_agrees_with_the_core(lock: Path) -> None:
    core, more = pins(CORE), pins(lock)
    assert more.keys() >= named(EXTRA[lock.stem.removeprefix("requirements-")])
    assert {name: more[name] for name in core.keys() & more.keys() if not more[name] <= core[name]} == {}


@pytest.mark.parametrize("lock", [CORE, *EXTRAS], ids=lambda lock: lock.stem)
def test_every_package_has_its_hashes_and_none_an_address(lock: Path) -> None:
    text = lock.read_text()
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[a-z])", text))
    assert "://" not in text


def test_only_what_is_excluded_is_missing_and_all_of_it_would_else_be_there() -> None:
    assert unmet() - excluded() == set()
    assert not pins(CORE).keys() & excluded()
    required = {canonicalize_name(Requirement(text).name) for found in distributions() for text in found.requires or []}
    assert excluded() <= required
