"""What every test starts from: settings that reach nothing, and none cached from another test."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).parent.parent / "var" / "test" / "airflow"))
os.environ.setdefault("WATERSHED_BUCKET", "watershed")
os.environ.setdefault("WATERSHED_LEDGER_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Read settings anew inside the test, and forget them after it."""
    from common.core.settings import settings

    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """PostgreSQL, object store and Slack stand-in of the embedded stack, without Airflow.

    WATERSHED_TEST_STACK names the state folder of a stack that runs already and is to be used instead.
    """
    from devstack.stack import Stack, running

    if reused := os.environ.get("WATERSHED_TEST_STACK"):
        yield Stack(Path(reused)).env
        return
    with running(tmp_path_factory.mktemp("stack") / "state", services=("postgres", "s3", "slack")) as env:
        yield env
