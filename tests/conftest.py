"""What every test starts from: settings that reach nothing, and none cached from another test."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.seed import SEED

# Airflow writes to its home: each worker of pytest-xdist has one of its own, whatever it was started with.
TESTS = Path(__file__).parent
HOMES = TESTS.parent / "var" / "test"
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["AIRFLOW_HOME"] = str(HOMES / worker)
os.environ.setdefault("AIRFLOW_HOME", str(HOMES / "airflow"))
os.environ.setdefault("WATERSHED_BUCKET", "watershed")
os.environ.setdefault("WATERSHED_LEDGER_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
SHARING = {"integration/test_stack.py"}  # files whose tests share a fixture that takes long
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Read settings anew inside the test, and forget them after it."""
    from common.core import caches

    caches.forget()
    yield
    caches.forget()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """PostgreSQL, object store and Slack stand-in of the embedded stack, without Airflow: one for each worker.

    WATERSHED_TEST_STACK names the state folder of a stack that runs already and is to be used instead.
    """
    from devstack.stack import Stack
    from tests.stacks import small_stack

    if reused := os.environ.get("WATERSHED_TEST_STACK"):
        yield Stack(Path(reused)).env
        return
    with small_stack(tmp_path_factory.mktemp("stack") / "state") as env:
        yield env


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one worker has to do one after the other: those that share what is dear to make."""
    for item in items:
        if group := group_of(item.path.relative_to(TESTS).as_posix()):
            item.add_marker(pytest.mark.xdist_group(group))


def group_of(file: str) -> str:
    """Name the group of a file's tests; none where each may be done by another worker."""
    if file.startswith("e2e/") or file == "faults/test_airflow_kills.py":
        return "airflow"  # one whole stack at a time is what two cores can bear
    if file.startswith("dags/"):
        return "dags"
    return file if file.startswith("unit/") or file in SHARING else ""


def pytest_report_header() -> str:
    """Say how to make the same random choices again."""
    return f"SEED={SEED}"
