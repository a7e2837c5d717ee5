"""Every DAG that ships, found by looking into the folder."""

import warnings
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

DAGS = Path(__file__).parents[2] / "airflow" / "dags"


@pytest.fixture(scope="session")
def bag(monkeypatch_session: pytest.MonkeyPatch) -> DagBag:
    """All DAGs of the repository, with a queue configured as in production."""
    from common.core.caches import forget

    monkeypatch_session.setenv("WATERSHED_QUEUE_BASE_URL", "http://127.0.0.1:1/000000000000")
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own
        return DagBag(str(DAGS))


@pytest.fixture(scope="session")
def monkeypatch_session() -> "pytest.MonkeyPatch":  # type: ignore[misc]
    """A monkeypatch for the whole session."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session")
def dags(bag: DagBag) -> list[DAG]:
    """The DAGs, none of which may be missing."""
    return list(bag.dags.values())
