"""What deploy/ says of the publisher is what its code reads, and a package may write nothing but its own prefix."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from dag_publisher.bundle import ReleaseDagBundle
from dag_publisher.cli.main import app
from dag_publisher.names import ENVIRONMENTS, PACKAGE

DEPLOY = Path(__file__).parents[3] / "deploy"
TERRAFORM = DEPLOY / "terraform" / "dag_publisher"
POLICY = (TERRAFORM / "main.tf").read_text()


def values(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "kubernetes" / name).read_text())


@pytest.mark.parametrize("component", ["dagProcessor", "workers", "triggerer"])
def test_each_component_has_the_sidecar_with_the_settings_that_sync_reads(component: str) -> None:
    (sidecar,) = values("sync-sidecar.yaml")[component]["extraContainers"]
    sync: Any = typer.main.get_command(app).commands["sync"]  # type: ignore[attr-defined]
    assert {one["name"] for one in sidecar["env"]} == {param.envvar for param in sync.params if param.envvar}
    assert sidecar["args"] == ["airflow-dag-publisher", "sync", "/opt/airflow/dags"]
    (mount,) = values("sync-sidecar.yaml")[component]["extraVolumeMounts"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/opt/airflow/dags", True)


def test_the_bundle_is_configured_as_airflow_takes_it() -> None:
    env = {one["name"]: one["value"] for one in values("release-bundle.yaml")["env"]}
    (bundle,) = json.loads(env["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    made = ReleaseDagBundle(name=bundle["name"], **bundle["kwargs"])
    assert bundle["classpath"] == f"{ReleaseDagBundle.__module__}.{ReleaseDagBundle.__name__}"
    assert made.refresh_interval == 2


def test_a_package_writes_its_own_prefix_and_airflow_nothing() -> None:
    statements = re.findall(r"statement \{(.*?)\n  \}", POLICY, re.DOTALL)
    writing = [one for one in statements if "PutObject" in one or "DeleteObject" in one]
    (own,) = writing
    assert '"${local.bucket_arn}/${each.value.environment}/${each.value.package}/*"' in own
    assert "s3:*" not in POLICY


def test_terraform_knows_the_same_names_as_the_tool() -> None:
    text = (TERRAFORM / "variables.tf").read_text()
    assert f"^{PACKAGE.pattern}$" in text
    assert json.dumps(list(ENVIRONMENTS)) in text


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed here")
def test_terraform_reads_the_files_and_would_write_them_so() -> None:
    assert subprocess.run(["terraform", "fmt", "-check", str(TERRAFORM)], check=False).returncode == 0
