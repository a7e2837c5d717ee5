"""Every DAG that ships, found by looking into the folder."""

import warnings
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

DAGS = Path(__file__).parents[2] / "airflow" / "dags"


@pytest.fixture(scope="session")
def bag() -> DagBag:
    """All DAGs of the repository, with a queue configured as in production."""
    from common.core.caches import forget

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("WATERSHED_QUEUE_BASE_URL", "http://127.0.0.1:1/000000000000")
        forget()
        warnings.simplefilter("ignore")  # Airflow's own
        found = DagBag(str(DAGS))
    forget()
    return found


@pytest.fixture(scope="session")
def dags(bag: DagBag) -> list[DAG]:
    """The DAGs, none of which may be missing."""
    return list(bag.dags.values())
