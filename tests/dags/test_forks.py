"""Airflow's services load what their forks need, once, and nothing that must be seen anew or does not outlive a fork."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

INCLUDE = Path(__file__).parents[2] / "airflow" / "include"
# What a fork finds loaded, what its first asset and its first client load, and what it reads of a module. A service's
# second fork comes after a change of that module.
FORK = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import airflow
from airflow.sdk import DAG
from pathlib import Path

def tell(**said):
    os.write(1, json.dumps(said).encode() + b"\\n")

def fork():
    if not os.fork():
        found, read = sorted(sys.modules), []
        from airflow.sdk import Asset
        Asset(name="first", uri="s3://bucket/first")
        from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
        sys.addaudithook(lambda event, args: event == "open" and "botocore" in str(args[0]) and read.append(args[0]))
        import boto3.session
        boto3.session.Session().client("s3", region_name="us-east-1")
        import common.core.ids as ids
        tell(found=found, all=sorted(sys.modules), read=[str(path) for path in read], new=getattr(ids, "NEW", None))
        os._exit(0)
    os.wait()

fork()
ids = Path(sys.argv[2]) / "common" / "core" / "ids.py"
ids.write_text(ids.read_text() + "\\nNEW = 1\\n")
fork()
tell(loaded=sorted(sys.modules))
"""
ENGINES = {"polars", "duckdb", "deltalake"}
HEAVY = {"boto3", "google.cloud.storage", "airflow.providers.amazon.aws.triggers.sqs"}
OURS = {"common.dags.stages", "common.pipelines.work"}


@pytest.fixture
def include(tmp_path: Path) -> Path:
    """This project's code with a faulty contract, to be changed."""
    made = shutil.copytree(INCLUDE, tmp_path / "include", ignore=shutil.ignore_patterns("__pycache__"))
    (made / "domains" / "ecommerce" / "contracts" / "users.yaml").write_text("no: [contract")
    return made


def forks(service: str, include: Path) -> list[dict[str, Any]]:
    """Return what two forks of a service say, and what the service has loaded in the end."""
    env = {**os.environ, "PYTHONPATH": str(include)}
    command = [sys.executable, "-c", FORK, service, str(include)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_service_that_forks_has_what_its_forks_need(include: Path) -> None:
    first, second, service = forks("scheduler", include)
    assert {*HEAVY, *OURS} <= set(first["found"])
    assert set(service["loaded"]) >= HEAVY
    assert not first["read"], "AWS says what its services are to each fork anew"
    tops = {name.partition(".")[0] for name in service["loaded"]}
    assert not tops & {*ENGINES, "domains"}
    assert (first["new"], second["new"]) == (None, 1), "a change must be seen by the next fork"
    assert not OURS & set(second["found"])


def test_others_load_nothing(include: Path) -> None:
    service = forks("api-server", include)[-1]
    assert not {*HEAVY, *OURS} & set(service["loaded"])


def test_all_services_that_fork_are_meant() -> None:
    from airflow_local_settings import FORKING

    assert {"scheduler", "dag-processor", "celery"} <= FORKING
