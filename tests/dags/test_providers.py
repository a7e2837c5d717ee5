"""Airflow's providers: those that connections need are there, and no DAG loads a service's client to be parsed."""

import os
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Which hook each kind of connection is reached by; each must import, whatever the locks leave out.
HOOKS = {
    "amazon": "airflow.providers.amazon.aws.hooks.redshift_data.RedshiftDataHook",
    "cncf-kubernetes": "airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator",
    "google": "airflow.providers.google.suite.hooks.sheets.GSheetsHook",
    "postgres": "airflow.providers.postgres.hooks.postgres.PostgresHook",
    "slack": "airflow.providers.slack.hooks.slack.SlackHook",
    "smtp": "airflow.providers.smtp.hooks.smtp.SmtpHook",
    "snowflake": "airflow.providers.snowflake.hooks.snowflake.SnowflakeHook",
    "standard": "airflow.providers.standard.operators.trigger_dagrun.TriggerDagRunOperator",
}
CLIENTS = (
    "snowflake.connector",
    "airflow.providers.snowflake.hooks.snowflake",
    "airflow.providers.google.suite.hooks.sheets",
    "google_auth_httplib2",
    "redshift_connector",
    "slack_sdk",
    "psycopg",
)
LOADED = f"""
import sys, warnings
warnings.simplefilter("ignore")
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset
Asset(name="first", uri="s3://bucket/first")  # at the first one Airflow asks every provider for its kinds of assets
before = set(sys.modules)
bag = DagBag(sys.argv[1])
assert bag.dags and not bag.import_errors, bag.import_errors
print("clients:", *[name for name in {CLIENTS} if name in set(sys.modules) - before])
"""


@pytest.mark.filterwarnings("ignore")  # the manager's own
def test_airflow_shows_the_fields_of_a_vaults_connection_and_can_test_it() -> None:
    from airflow.providers_manager import ProvidersManager

    known = ProvidersManager()
    hook = known.hooks["veeva"]
    assert hook
    assert (hook.hook_class_name, hook.connection_testable) == ("common.hooks.veeva.VeevaHook", True)
    fields = {name for name in known.connection_form_widgets if name.startswith("extra__veeva__")}
    assert fields == {f"extra__veeva__{name}" for name in ("vault_id", "vault_dns", "api_version")}
    assert known.field_behaviours["veeva"]["relabeling"]["host"] == "Vault DNS"


@pytest.mark.filterwarnings("ignore")  # the providers' own
@pytest.mark.parametrize("provider", HOOKS)
def test_a_provider_is_there_and_its_hook_can_be_used(provider: str) -> None:
    module, _, name = HOOKS[provider].rpartition(".")
    assert metadata.version(f"apache-airflow-providers-{provider}")
    assert getattr(import_module(module), name)


def test_the_list_of_providers_is_that_of_the_project() -> None:
    required = metadata.requires("watershed") or []
    prefix = "apache-airflow-providers-"
    asked = {text.removeprefix(prefix) for text in required if text.startswith(prefix) and "extra ==" not in text}
    assert {text.partition("[")[0].partition(">")[0] for text in asked} == set(HOOKS)


def test_no_dag_loads_the_client_of_a_service_when_it_is_parsed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(ROOT / "airflow" / "dags")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "airflow" / "include")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "clients:"
