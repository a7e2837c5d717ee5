"""Without a single bell everything arrives by sweeps, and where nothing is due nothing runs.

The warehouse's connection is a secret of Secrets Manager alone, and task logs are kept in the object store.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.zones.store import client
from devstack.environment import for_children
from devstack.infrastructure import apply_secrets
from tests.mill import Mill, grinding
from tests.secrets_and_logs import AWS

SWEEP = "mill_sweep"
SETTINGS = {
    "WATERSHED_BELLS": "false",
    "WATERSHED_SWEEP_CRON": "* * * * * */5",
    "WATERSHED_WATCH_CRON": "off",
    "WATERSHED_WAREHOUSE_CONN": "kept_secret",
    **AWS,
}


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """A stack whose warehouse nobody can reach before its connection is made a secret."""
    with grinding(tmp_path_factory.mktemp("mill"), SETTINGS) as made:
        warehouse = made.env["AIRFLOW_CONN_WAREHOUSE"]
        apply_secrets({"AIRFLOW_CONN_KEPT_SECRET": warehouse, "AIRFLOW_VAR_KEPT_SECRET": "a word"})
        command(made, "common.cli", "apply")
        yield made


def command(mill: Mill, *words: str) -> str:
    """Run a module in the stack's environment and tell what it prints."""
    env = for_children({**os.environ, **mill.stack.env})
    done = subprocess.run([sys.executable, "-m", *words], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def runs(mill: Mill) -> dict[str, list[str]]:
    """Name the runs of each DAG."""
    found = mill.ask("GET", "/dags/~/dagRuns?limit=1000")["dag_runs"]
    return {dag: [run["dag_run_id"] for run in found if run["dag_id"] == dag] for dag in mill.dags()}


def test_sweeps_alone_bring_everything_and_rest_when_nothing_is_due(mill: Mill) -> None:
    for number in range(8):
        mill.deliver(number)
    mill.settle()
    mill.account()
    known = runs(mill)
    assert all(run.startswith("sweep__") for dag in known.keys() - {SWEEP, "mill_master"} for run in known[dag])
    mill.until(lambda: len(runs(mill)[SWEEP]) > len(known[SWEEP]) + 2, "sweeps that find nothing")
    later = runs(mill)
    assert {dag: later[dag] for dag in later.keys() - {SWEEP}} == {dag: known[dag] for dag in known.keys() - {SWEEP}}
    states = {task["state"] for task in mill.ask("GET", f"/dags/{SWEEP}/dagRuns/~/taskInstances")["task_instances"]}
    assert states <= {"success", "running", "queued", "scheduled", None}


def test_connections_and_variables_are_read_from_secrets_manager(mill: Mill) -> None:
    assert "AIRFLOW_CONN_KEPT_SECRET" not in mill.stack.env
    assert mill.taken("mill.sacks@warehouse"), "a worker that did not find it would have loaded nothing"
    assert command(mill, "airflow", "variables", "get", "kept_secret").strip().endswith("a word")


def test_task_logs_are_kept_encrypted_in_the_object_store_and_read_from_there(mill: Mill) -> None:
    local = Path(mill.stack.env["AIRFLOW_HOME"], "logs")
    for page in client().get_paginator("list_objects_v2").paginate(Bucket="watershed", Prefix="logs/"):
        for entry in page["Contents"]:
            kept = client().get_object(Bucket="watershed", Key=entry["Key"])
            assert kept["ServerSideEncryption"] == "AES256"
    tasks = mill.ask("GET", "/dags/mill_sacks_to_silver/dagRuns/~/taskInstances?state=success")["task_instances"]
    told = [task for task in tasks if "hop published" in json.dumps(log(mill, task))]
    assert told, "no task says what it has done"
    assert not any("hop published" in found.read_text() for found in local.rglob("*.log")), "it is read from the disk"


def log(mill: Mill, task: dict[str, str | int]) -> list[dict[str, str]]:
    """Read a task's log as the UI does."""
    run = f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
    return list(mill.ask("GET", f"{run}/logs/{task['try_number']}")["content"])
