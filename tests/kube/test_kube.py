"""Published jobs in a real Kubernetes: what they do is there afterwards, and whatever goes wrong with a pod has a name."""

from decimal import Decimal
from io import BytesIO

import polars as pl
import pytest

from common.core.settings import settings
from common.zones.store import client
from tests.kube.conftest import MODES, Platform, Run
from tests.packages import reports

# What must be told of a pod that does not end well: to a person by the alert, and in the task's log.
TOLD = {
    "fails": ("reporting_seeder: WAREHOUSE_URL is not set", "exit code 1"),
    "evicted": ("evict",),  # the eviction, or that the pod is gone where its node was quicker than Airflow
    "unschedulable": ("More than 15s", "Unschedulable", "Insufficient cpu"),
    "imageless": ("ErrImagePull", "registry.invalid/trouble:absent"),
}


@pytest.fixture(scope="module", autouse=True)
def evicted(runs: dict[str, Run]) -> None:
    for mode in MODES:
        dag_id = f"trouble_evicted_{mode}"
        runs[dag_id].platform.cluster.evict(dag_id)


def succeeded(run: Run) -> None:
    assert run.end() == "success", run.log()
    run.platform.cluster.lacks(run.dag_id)


def test_a_partition_is_processed_in_a_pod(platform: Platform, runs: dict[str, Run]) -> None:
    run = runs["pipeline_processing_example_job"]
    succeeded(run)
    key = "exports/pipeline_processing/1997-01.parquet"
    days = pl.read_parquet(BytesIO(client().get_object(Bucket=settings().bucket, Key=key)["Body"].read()))
    assert days.select(pl.col("purchased_on").cast(pl.String), "purchases", "amount").rows() == [
        ("1997-01-01", 1, Decimal("10.00")),
        ("1997-01-02", 2, Decimal("9.50")),
    ]
    written = platform.ask("GET", f"/assets/events?source_dag_id={run.dag_id}")["asset_events"]
    assert [event["source_run_id"] for event in written] == [run.run_id]
    assert '"purchases": 3' in run.log(), run.log()
    told = platform.ask("GET", f"/dags/{run.dag_id}/details")["doc_md"]
    assert platform.images.name("pipeline_processing") in told, "what was promoted names the image that was pushed"


def test_reports_are_seeded_in_pods(platform: Platform, runs: dict[str, Run]) -> None:
    for name in ("all", "agency"):
        succeeded(runs[f"reporting_seeder_refresh_{name}"])
    assert reports(platform.world) == [
        ("SE", "1997-01", 1, 1, "4.00"),
        ("US", "1997-01", 1, 2, "15.50"),
        ("US", "1997-02", 1, 1, "1.00"),
        ("unknown", "1997-02", 1, 1, "2.00"),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_pod_that_works_is_deleted_and_its_log_stays(runs: dict[str, Run], mode: str) -> None:
    run = runs[f"trouble_works_{mode}"]
    succeeded(run)
    assert "all is well" in run.log()
    assert not [text for text in run.platform.alerts() if run.run_id in text]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", TOLD)
def test_what_is_wrong_with_a_pod_is_told(runs: dict[str, Run], kind: str, mode: str) -> None:
    run = runs[f"trouble_{kind}_{mode}"]
    assert run.end() == "failed"
    alert, log = run.alert(), run.log()
    assert [word for word in TOLD[kind] if word not in alert] == [], alert
    assert [word for word in TOLD[kind] if word not in log] == [], log
    run.platform.cluster.lacks(run.dag_id)
