"""Airflow's services load what their forks need, once, and nothing that must be seen anew or does not outlive a fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "airflow" / "include"
FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import airflow
from airflow.sdk import DAG
before = set(sys.modules)
if not os.fork():
    from airflow.sdk import Asset
    Asset(name="first", uri="s3://bucket/first")
    from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
    read = []
    sys.addaudithook(lambda event, args: event == "open" and "botocore" in str(args[0]) and read.append(args[0]))
    import boto3.session
    boto3.session.Session().client("s3", region_name="us-east-1")
    os.write(1, " ".join([*sorted(sys.modules), *map(str, read)]).encode() + b"\\n")
    os._exit(0)
os.wait()
os.write(1, " ".join(sorted(set(sys.modules) - before)).encode() + b"\\n")
"""


def loaded(service: str) -> tuple[set[str], set[str]]:
    """Return what a fork of a service has in the end, and what the service has loaded for it."""
    env = {**os.environ, "PYTHONPATH": str(INCLUDE)}
    done = subprocess.run([sys.executable, "-c", FORK, service], env=env, capture_output=True, text=True, check=True)
    child, parent = done.stdout.split("\n")[-3:-1]
    return set(child.split()), set(parent.split())


@pytest.mark.parametrize("service", ["scheduler", "dag-processor", "celery"])
def test_a_service_that_forks_has_what_its_forks_need(service: str) -> None:
    child, parent = loaded(service)
    heavy = {"boto3", "google.cloud.storage", "airflow.providers.amazon.aws.triggers.sqs"}
    assert heavy <= child
    assert heavy <= parent
    assert not [name for name in child if "/botocore/data/" in name], "AWS says what its services are to each fork anew"
    assert not [
        name for name in parent if name.partition(".")[0] in ("common", "domains", "polars", "duckdb", "deltalake")
    ]


def test_others_load_nothing() -> None:
    _, parent = loaded("api-server")
    assert "google.cloud.storage" not in parent
