"""What every DAG of the platform promises, whichever there are."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Asset

from common.cli.catalogue import page
from common.contracts.catalogue import domains
from common.core.errors import ConfigError, TargetUnavailable
from common.dags.policy import end_on_crash
from common.utils import task_failure_alert

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "airflow" / "dags").rglob("*.py"))


def bells(dag: DAG) -> list[Asset]:
    condition = getattr(dag.timetable, "asset_condition", None)
    return list(condition.objects) if condition else []


def test_every_file_imports_and_makes_dags(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert {Path(dag.fileloc).resolve() for dag in bag.dags.values()} >= {
        f.resolve() for f in FILES if "dags.stages" in f.read_text()
    }
    assert len(bag.dags) >= 7


def test_every_dag_says_whose_it_is_and_what_to_do(dags: list[DAG]) -> None:
    for dag in dags:
        assert dag.owner not in ("", "airflow"), dag.dag_id
        assert "watershed" in dag.tags, dag.dag_id
        for word in ("What", "When", "When it fails"):
            assert f"**{word}**" in (dag.doc_md or ""), f"{dag.dag_id} does not say: {word}"


def test_every_task_retries_only_what_a_retry_can_help(dags: list[DAG]) -> None:
    for dag in dags:
        for task in dag.tasks:
            assert task.retries >= 1, task
            assert task.retry_policy.evaluate(ConfigError("x"), 1, 4, None).action.name == "FAIL", task
            assert task.retry_policy.evaluate(TargetUnavailable("x"), 1, 4, None).action.name != "FAIL", task


CRASH = """
import ctypes, sys
from airflow.dag_processing.importers.python_importer import PythonDagImporter

dag = PythonDagImporter().import_file(sys.argv[1]).dags[0]
for call in dag.tasks[0].on_execute_callback:
    call({})
ctypes.string_at(0)
"""


def test_a_crash_of_native_code_ends_its_task(dags: list[DAG]) -> None:
    command = [sys.executable, "-c", CRASH, str(FILES[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr and "string_at" in done.stderr
    assert all(task.on_execute_callback in (end_on_crash, [end_on_crash]) for dag in dags for task in dag.tasks)


def test_failures_are_announced_by_tasks_and_by_dags(dags: list[DAG]) -> None:
    for dag in dags:
        assert dag.on_failure_callback in (task_failure_alert, [task_failure_alert]), dag.dag_id
        for task in dag.tasks:
            assert task.on_failure_callback in (task_failure_alert, [task_failure_alert]), task


def test_assets_say_what_they_are_and_whose(dags: list[DAG]) -> None:
    assets = {asset.name: asset.extra for dag in dags for task in dag.tasks for asset in task.outlets}
    assert assets["ecommerce.users.silver"]["owner"] == "shop-team"
    assert assets["ecommerce.users.silver"]["columns"]["signed_up_on"] == "date"
    assert assets["ecommerce.daily_revenue@warehouse"]["key"] == ["day"]
    assert "ecommerce.transactions" in assets["ecommerce.daily_revenue.gold"]["made of"]
    unnamed = {name for name, extra in assets.items() if not extra.get("description")}
    assert {name.partition(".")[2] for name in unnamed} <= {"unrouted.quarantine"}


def test_consumers_work_in_order_when_a_bell_rings(dags: list[DAG]) -> None:
    for dag in dags:
        assert dag.max_active_runs == 1 or "deliver" in dag.tags  # where one study must not wait for another
        assert not dag.catchup
        if not {"master", "sweep", "upkeep", "ingest"} & dag.tags:
            assert bells(dag), dag.dag_id


def test_one_dag_of_a_domain_sweeps(dags: list[DAG]) -> None:
    schedules = {dag.dag_id: dag.timetable.expression for dag in dags if "sweep" in dag.tags}
    assert schedules == {f"{domain}_sweep": "*/5 * * * *" for domain in domains()}


def test_one_dag_rings_an_asset_and_both_tasks_of_a_stage_may(dags: list[DAG]) -> None:
    written = [name for dag in dags for name in {outlet.name for task in dag.tasks for outlet in task.outlets}]
    assert len(written) == len(set(written))
    for dag in dags:
        if "apart" in dag.task_ids:
            together, apart = dag.get_task("together"), dag.get_task("apart")
            assert together.outlets == apart.outlets and len(together.outlets) > 1
        elif "deliver" not in dag.tags:
            assert all(len(task.outlets) <= 1 for task in dag.tasks)


def test_every_consumed_asset_has_a_producer_or_a_watcher(dags: list[DAG]) -> None:
    produced = {outlet.name for dag in dags for task in dag.tasks for outlet in task.outlets}
    for dag in dags:
        for asset in bells(dag):
            assert asset.name in produced or asset.watchers, f"nobody rings {asset.name} for {dag.dag_id}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_a_dag_file_is_short_and_holds_no_work(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 60
    assert "os.environ" not in text
    assert "SELECT " not in text


# Airflow's own modules are there already when the DAG processor forks to parse a file, and so they are here.
PARSE = """
import importlib.util, os, sys, time, warnings
warnings.simplefilter("ignore")
import airflow.sdk, airflow.dag_processing.dagbag
import airflow.providers.amazon.aws.triggers.sqs, airflow.timetables.assets
airflows = time.process_time()
before = set(sys.modules)
for file in sys.argv[1:]:
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0, file
        continue
    began = time.process_time()
    spec = importlib.util.spec_from_file_location("parsed", file)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    heavy = {"polars", "deltalake", "duckdb", "boto3", "pandas", "pyspark", "psycopg"} & (set(sys.modules) - before)
    print("parsed", file, (time.process_time() - began) / airflows, *sorted(heavy), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def parsed() -> dict[str, list[str]]:
    """Parse each file alone; give the CPU time it took, as a share of what importing Airflow took, and heavy modules."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "airflow" / "include"), "WATERSHED_BUCKET": "watershed"}
    env |= {"WATERSHED_LEDGER_URL": "postgresql://x", "AIRFLOW_HOME": os.environ["AIRFLOW_HOME"]}
    done = subprocess.run(
        [sys.executable, "-c", PARSE, *map(str, FILES)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines() if line.startswith("parsed ")]
    return {file: rest for _, file, *rest in told}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_parsing_is_light(parsed: dict[str, list[str]], file: Path) -> None:
    share, *heavy = parsed[str(file)]
    assert heavy == []
    assert float(share) < 1, f"it takes {share} of the CPU time that importing Airflow takes"


def test_the_catalogue_is_current(dags: list[DAG]) -> None:
    written = (ROOT / "docs" / "dags" / "README.md").read_text(encoding="utf-8")
    assert written == page((dag.dag_id, dag.doc_md or "") for dag in dags), "run `.venv/bin/watershed docs`"
