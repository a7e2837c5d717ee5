"""What docker-compose.yaml promises, in the order in which a user would find out; each test builds on the ones before."""

import json
from pathlib import Path

import httpx
import pytest

from tests.compose.conftest import REPOSITORY, Compose
from tests.secrets_and_logs import AWS, CHOSEN

ANSWERS = "SELECT count(*), count(DISTINCT customer_id), sum(amount), sum(cds) FROM ecommerce.fact_transactions"
SERVICES = (
    "postgres",
    "warehouse",
    "s3",
    "standins",
    "redshift",
    "snowflake",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
)


def test_the_example_of_an_override_points_at_aws_and_drops_the_stand_ins(compose: Compose) -> None:
    files = "docker-compose.yaml:compose.override.example.yaml"
    config = ("compose", "--profile", "celery", "config", "--format", "json")
    services = json.loads(compose.run(*config, COMPOSE_FILE=files).stdout)["services"]
    assert not {"s3", "standins", "redshift", "snowflake"} & set(services)
    del services["flower"]  # it has nothing to do with the store
    ours = {name: service["environment"] for name, service in services.items() if service["image"] == "watershed:test"}
    assert {env["AWS_ENDPOINT_URL"] for env in ours.values()} == {""}
    assert not [name for name, env in ours.items() if "s3:4566" in json.dumps(env)]


def test_the_example_of_an_env_file_changes_nothing(compose: Compose) -> None:
    config = ("compose", "config", "--format", "json")
    files = ".env.example", "tests/compose/none.env"
    plain, copied = (
        json.loads(compose.run(*config, ENV_FILE_PATH=file, COMPOSE_ENV_FILES=env).stdout)["services"]
        for file, env in zip(files, (".env.example", "/dev/null"), strict=True)
    )
    assert plain == copied


def test_everything_is_usable_once_up_returns(compose: Compose) -> None:
    assert compose.healthy(*SERVICES)
    health = httpx.get(f"http://{compose.address('api-server', 8080)}/api/v2/monitor/health", timeout=30).json()
    assert {part: health[part]["status"] for part in health} == dict.fromkeys(health, "healthy")
    assert compose.inside("scheduler", "id", "-u").strip() == "50000"


def test_the_demo_ends_with_the_exact_numbers(compose: Compose) -> None:
    demo = ("compose", "run", "--rm", "-T", "demo")
    told = compose.run(*demo).stdout
    answer = "69,659 purchases of 23,570 customers: 167,881 CDs for 2,500,315.63 dollars."
    assert answer in told
    assert "From the last file put to the last warehouse row: " in told
    again = compose.run(*demo).stdout
    assert answer in again
    assert "The warehouse had all of it before" in again
    (found,) = compose.answer(ANSWERS)
    assert (found[0], found[1], float(found[2]), found[3]) == (69_659, 23_570, 2_500_315.63, 167_881)
    compose.purchases = found[0]
    compose.account()


def test_the_alert_of_the_failed_dag_reached_slack_and_so_did_its_end(compose: Compose) -> None:
    why = "ConfigError: No stage 'platinum' in ecommerce. Known: bronze, silver, gold, load."
    failed = [text for text in compose.alerts() if "ecommerce_master.check" in text]
    assert failed == 2 * [
        f"❌ Failed: ecommerce_master.check: {why}",
        "✅ Resolved: Failed: ecommerce_master.check",
    ]


def test_logs_can_be_read(compose: Compose) -> None:
    lines = compose.run("compose", "logs", "--no-color", "scheduler").stdout.splitlines()
    assert any("INFO" in line.upper() for line in lines)
    assert not any("\x1b[" in line for line in lines)


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_service_is_started_again(compose: Compose, service: str) -> None:
    compose.deliver()
    compose.kill(service)  # while those that were killed before it are still coming back
    compose.deliver()


def test_after_the_deaths_everything_is_healthy_and_what_was_delivered_arrived_once(compose: Compose) -> None:
    compose.until(lambda: compose.healthy(*SERVICES), "all services to be healthy again")
    compose.account()


def test_connections_and_variables_are_secrets_of_the_emulator_too(compose: Compose) -> None:
    backend = f"AIRFLOW__SECRETS__BACKEND={AWS['AIRFLOW__SECRETS__BACKEND']}"
    without = ("env", "-u", "AIRFLOW_CONN_WAREHOUSE", backend)
    told = compose.inside("scheduler", *without, "airflow", "connections", "get", "warehouse", "-o", "json")
    (found,) = json.loads(told[told.index("[{") :])
    assert (found["conn_type"], found["host"], found["password"]) == ("postgres", "warehouse", "letmein")


def test_a_wrong_setting_is_named(compose: Compose) -> None:
    apply = ("airflow-init", "watershed", "apply")
    done = compose.run(
        "compose", "run", "--rm", "-T", "--no-deps", "-e", "WATERSHED_LEASE_SECONDS=0", *apply, check=False
    )
    assert done.returncode != 0
    assert "WATERSHED_LEASE_SECONDS" in done.stderr + done.stdout


def test_down_keeps_data_and_keys(compose: Compose) -> None:
    compose.inside("scheduler", "airflow", "connections", "add", "mine", "--conn-uri", "http://me:secret@host")
    alerts = compose.alerts()
    compose.run("compose", "down")
    compose.up()
    assert compose.alerts()[: len(alerts)] == alerts, "what has come since is news"
    assert "secret" in compose.inside("scheduler", "airflow", "connections", "get", "mine")
    compose.deliver()
    compose.account()


def test_celery_takes_over_by_one_setting(compose: Compose, tmp_path: Path) -> None:
    """Its workers find the warehouse's connection in Secrets Manager alone, and keep their logs in the object store."""
    secret = compose.inside("scheduler", "printenv", "AIRFLOW_CONN_WAREHOUSE").strip()
    compose.aws("secretsmanager").create_secret(Name="airflow/connections/kept_secret", SecretString=secret)
    lines = (REPOSITORY / ".env.example").read_text(), "WATERSHED_WAREHOUSE_CONN=kept_secret", *CHOSEN, ""
    (tmp_path / "env").write_text("\n".join(lines))
    celery = {"COMPOSE_PROFILES": "celery", "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}
    compose.chosen = {**celery, "ENV_FILE_PATH": str(tmp_path / "env")}
    compose.up()
    workers = {state["Id"][:12] for state in compose.states("worker")}
    assert len(workers) == 2
    assert httpx.get(f"http://{compose.address('flower', 5555)}/", timeout=30).status_code == 200
    compose.kill("redis")
    compose.kill("worker")
    compose.until(lambda: compose.healthy("redis", "worker"), "broker and workers to be healthy again")
    ask = ("psql", "-U", "airflow", "-At", "-c")
    since = compose.inside("postgres", *ask, "SELECT now()").strip()
    compose.deliver()
    compose.account()
    hosts = f"SELECT DISTINCT hostname FROM task_instance WHERE state = 'success' AND start_date > '{since}'"
    found = set(compose.inside("postgres", *ask, f"{hosts} AND hostname <> ''").split())
    assert found
    assert found <= workers
    compose.chosen = {}


def test_logs_of_workers_are_kept_encrypted_in_the_object_store(compose: Compose) -> None:
    s3 = compose.aws("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="watershed", Prefix="logs/dag_id=ecommerce_")
    kept = [s3.get_object(Bucket="watershed", Key=entry["Key"]) for page in pages for entry in page["Contents"]]
    assert {log["ServerSideEncryption"] for log in kept} == {"AES256"}
    assert any(b"hop published" in log["Body"].read() for log in kept)


def test_the_data_of_another_user_is_refused_by_name(compose: Compose) -> None:
    compose.run("compose", "stop", "s3")
    done = compose.run("compose", "run", "--rm", "-T", "--no-deps", "s3", check=False, AIRFLOW_UID="1234")
    assert done.returncode == 1
    assert "Set AIRFLOW_UID=50000 in .env again" in done.stdout + done.stderr


def test_down_with_volumes_forgets(compose: Compose) -> None:
    compose.run("compose", "--profile", "celery", "down", "--volumes")
    left = compose.run("volume", "ls", "--quiet", "--filter", "label=com.docker.compose.project=watershed-test").stdout
    assert left == ""


def test_the_production_image_holds_the_code_and_refuses_to_start_without_keys(compose: Compose) -> None:
    image = "watershed:test-production"
    compose.run("build", "--tag", image, "--file", "deploy/docker/Dockerfile", ".")
    refused = compose.run("run", "--rm", image, "scheduler", check=False)
    assert refused.returncode == 78
    assert "AIRFLOW__CORE__FERNET_KEY is not set" in refused.stderr
    compose.run("run", "--rm", image, "watershed", "contract", "lint")
    settings = ("-e", "WATERSHED_BUCKET=watershed", "-e", "WATERSHED_LEDGER_URL=postgresql://nobody@localhost/nothing")
    parse = (
        "from airflow.dag_processing.dagbag import DagBag; b = DagBag('/opt/airflow/dags'); "
        "import os, importlib.util as u; print(*b.dags); print(b.import_errors, os.getuid(), u.find_spec('devstack'))"
    )
    dags, told = compose.run("run", "--rm", *settings, image, "python", "-c", parse).stdout.splitlines()[-2:]
    catalogue = (REPOSITORY / "docs/dags/README.md").read_text().splitlines()
    assert sorted(dags.split()) == [line.removeprefix("## ") for line in catalogue if line.startswith("## ")]
    assert told == "{} 50000 None"
