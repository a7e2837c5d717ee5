"""Commands that answer from the ledger, and alerts through the real Slack provider."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError, QualityError
from common.notify.alerts import alert_failure
from common.notify.outbox import tell
from common.utils import task_failure_alert
from devstack.folder import INCLUDE
from tests.world import World, forget

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
    assert told("apply") == "Applied: 4 landing, 3 silver, 4 model, 7 load.\n"


def test_status_answers_while_the_store_is_down_and_says_who_was_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.ledger.database import transaction
    from common.ledger.incidents import PARKED, open_incident

    world.land("transactions/1.csv", b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\n")
    assert json.loads(told("status", "--json"))["raw"] == {"ecommerce": 1}
    with transaction() as connection:
        open_incident(connection, PARKED, "ecommerce.users.silver", "why", "a-batch")
    (incident,) = json.loads(told("status", "--json"))["incidents"]
    assert not incident["told"]
    assert tell() == 1
    assert json.loads(told("status", "--json"))["incidents"][0]["told"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    forget()
    assert json.loads(told("status", "--json"))["raw"] == {"ecommerce": None}
    assert "raw/ecommerce: the store does not answer" in told("status")


def test_one_failure_gives_one_message_whoever_reports_it(world: World) -> None:
    run = SimpleNamespace(dag_id=f"dag-{world.env['WATERSHED_BUCKET']}", run_id="run-1")
    task = SimpleNamespace(task_id="load", try_number=2, log_url="http://log")
    context = {"dag_run": run, "task_instance": task, "exception": ValueError("boom")}
    for _ in range(2):
        task_failure_alert(context)
        task_failure_alert({"dag_run": run, "reason": "task_failure"})
    (message,) = received(world, run.dag_id)
    text = json.dumps(message)
    for part in ("load", "run-1", "*Try*", "ValueError: boom", "http://log|Open the log"):
        assert part in text


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
    for _ in range(2):
        world.flow()
        tell()
    (message,) = received(world, f"too many in {world.env['WATERSHED_BUCKET']}")
    assert "Parked: ecommerce.transactions.silver" in json.dumps(message)
    assert "watershed parked show" in json.dumps(message)
    status = json.loads(told("status", "--json"))
    assert [i["kind"] for i in status["incidents"]] == ["parked"]
    assert "parked" in told("status")


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["status", "nosuch"], "ecommerce.users.silver"),
        (["hops", "nosuch"], "ecommerce.users.silver"),
        (["hops", "--state", "bogus"], "open, published"),
        (["quarantine", "ls", "--reason", "bogus"], "short_row"),
        (["quarantine", "ls", "--state", "bogus"], "redriven"),
        (["quarantine", "ls", "nosuch"], "ecommerce.users.silver"),
        (["ledger", "verify", "nosuch"], "ecommerce.users.silver"),
        (["lineage", "up", "ecommerce.users@snow"], "warehouse, duckdb"),
        (
            ["backfill", "run", "ecommerce.transactions", "--from", "1997-02", "--to", "1997-01", "--why", "x"],
            "1997-02",
        ),
        (["backfill", "status", "ecommerce.transactions", "--from", "1997-02", "--to", "1997-01"], "1997-02"),
        (["replay", "some", "--why", " "], "--why"),
    ],
)
def test_a_wrong_word_is_answered_with_those_that_are_known(world: World, words: list[str], known: str) -> None:
    result = RUN.invoke(app, words)
    assert isinstance(result.exception, ConfigError), result.output
    assert known in str(result.exception)


def test_a_known_word_without_anything_to_show_is_no_fault(world: World) -> None:
    assert "Nothing was refused." in told("quarantine", "ls", "--reason", "truncated")
    assert "Nothing was refused." in told("quarantine", "ls", "ecommerce.users", "--reason", "range")


@pytest.mark.parametrize(
    "where",
    [
        "nosuch = 1",
        "amount =",
        "amount",
        "coalesce() = 1",
        "greatest() = amount",
        "customer_id = '\udcff'",
        "a ~ '(url'",
    ],
)
def test_a_condition_that_is_none_is_answered_with_the_columns(world: World, where: str) -> None:
    world.land("transactions/1.csv", b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\n")
    world.flow()
    result = RUN.invoke(app, ["lineage", "up", "ecommerce.transactions", "--where", where])
    assert isinstance(result.exception, ConfigError)
    text = str(result.exception)
    assert "customer_id, purchased_on" in text
    assert "\n" not in text
    assert "FROM" not in text.upper().replace("FROM T", "")


def test_a_batch_done_again_that_is_parked_is_not_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.land("transactions/1.csv", b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\n")
    world.flow()
    (batch,) = json.loads(told("batches", "ecommerce.transactions.bronze", "--json"))

    def refuse(*_: object) -> None:
        raise QualityError("too many")

    monkeypatch.setattr("common.pipelines.silver.require", refuse)
    result = RUN.invoke(app, ["replay", batch["id"], "--why", "x", "--now"])
    assert result.exit_code == 1
    assert "Not done" in result.output
    assert "too many" in result.output


def test_one_dataset_at_fault_keeps_no_other_from_being_made(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = tmp_path / "domains"
    shutil.copytree(INCLUDE / "domains" / "ecommerce", domains / "ecommerce")
    shutil.rmtree(domains / "ecommerce" / "gold")
    folder = domains / "ecommerce" / "contracts"
    users = (folder / "users.yaml").read_text()
    (folder / "users.yaml").write_text(users.replace("required: true", "requierd: true", 1))
    (folder / "events.yaml").write_text((folder / "events.yaml").read_text().replace("by: month", "by: week"))
    (folder / "more.yml").write_text(
        (folder / "transactions.yaml").read_text().replace("name: transactions", "name: more")
    )
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(domains))
    forget()
    result = RUN.invoke(app, ["apply"])
    assert result.exit_code == 1
    for part in ("users.yaml", "'requierd'", "events.yaml", "no 'week'", "Applied: 3 landing, 2 silver"):
        assert part in result.output
    assert "ecommerce.more.silver" in told("status")
    forget()
