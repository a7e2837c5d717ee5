"""Commands that answer from the ledger, and alerts through the real Slack provider."""

import json
from types import SimpleNamespace

import httpx
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import QualityError
from common.notify.alerts import alert_failure
from common.utils import task_failure_alert
from tests.world import World

RUN = CliRunner()


def told(*arguments: str) -> str:
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def slack(world: World) -> str:
    return str(json.loads(world.env["AIRFLOW_CONN_SLACK_DEFAULT"])["extra"]["base_url"]).removesuffix("/api/")


def received(world: World, about: str) -> list[dict[str, object]]:
    return [m for m in httpx.get(f"{slack(world)}/messages").json() if about in json.dumps(m)]


def test_status_batches_and_quarantine_answer_from_the_ledger(world: World) -> None:
    assert "Nothing was refused." in told("quarantine", "ls")
    world.land("transactions/1.csv", b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\nshort\n")
    world.flow()
    found = {row["consumer"]: row for row in json.loads(told("status", "--json"))["consumers"]}
    silver = found["ecommerce.transactions.silver"]
    assert (silver["taken"], silver["good"], silver["refused"], silver["waiting"]) == (2, 1, 1, 0)
    assert "ecommerce.transactions.silver" in told("status")
    (batch,) = json.loads(told("batches", "ecommerce.transactions.bronze", "--json"))
    assert batch["place"]["raw"] == "ecommerce/transactions/1.csv"
    (refusal,) = json.loads(told("quarantine", "ls", "--json"))
    assert (refusal["reason"], refusal["origin"]) == ("short_row", "ecommerce/transactions/1.csv")
    assert told("apply") == "Applied: 4 landing, 3 silver, 8 model, 11 load.\n"


def test_one_failure_gives_one_message_whoever_reports_it(world: World) -> None:
    run = SimpleNamespace(dag_id=f"dag-{world.env['WATERSHED_BUCKET']}", run_id="run-1")
    task = SimpleNamespace(task_id="load", try_number=2, log_url="http://log")
    context = {"dag_run": run, "task_instance": task, "exception": ValueError("boom")}
    for _ in range(2):
        task_failure_alert(context)
        task_failure_alert({"dag_run": run, "reason": "task_failure"})
    (message,) = received(world, run.dag_id)
    text = json.dumps(message)
    for part in ("load", "run-1", "*Try*\\\\n2", "ValueError: boom", "http://log|Open the log"):
        assert part.replace("\\\\", "\\") in text


def test_a_killed_task_is_reported_by_its_dag(world: World) -> None:
    run = SimpleNamespace(dag_id=f"killed-{world.env['WATERSHED_BUCKET']}", run_id="run-1")
    alert_failure({"dag_run": run, "reason": "task_failure"})
    assert len(received(world, run.dag_id)) == 1


def test_a_dead_slack_changes_nobodys_outcome(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = {"conn_type": "slack", "password": "x", "extra": {"base_url": "http://127.0.0.1:1/api/"}}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(dead))
    run = SimpleNamespace(dag_id="d", run_id="r")
    task_failure_alert({"dag_run": run, "exception": ValueError("boom")})
    task_failure_alert({})


def test_a_parked_batch_is_announced_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise QualityError(f"too many in {world.env['WATERSHED_BUCKET']}")

    monkeypatch.setattr("common.pipelines.silver.require", refuse)
    world.land("transactions/1.csv", b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\n")
    world.flow()
    world.flow()
    (message,) = received(world, f"too many in {world.env['WATERSHED_BUCKET']}")
    assert "Incident: parked in ecommerce.transactions.silver" in json.dumps(message)
    assert "watershed parked show" in json.dumps(message)
    status = json.loads(told("status", "--json"))
    assert [i["kind"] for i in status["incidents"]] == ["parked"]
    assert "parked" in told("status")
