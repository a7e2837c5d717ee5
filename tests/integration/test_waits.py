"""`watershed status` says why something waits, in one word and with the next step."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError, DataError, ModelError, NotApplied, QualityError, TargetUnavailable
from common.ledger.claims import claim
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.incidents import LEDGER_AHEAD, UNFORESEEN, open_incident
from common.pipelines.kinds import consumer_named
from common.pipelines.work import due_of
from tests.world import World, forget

HEAD = b"customer_id,date,number_of_cds,dollar_value\n"
GOOD = HEAD + b"00001,19970101,1,1.00\n"
BRONZE, SILVER = "ecommerce.transactions.bronze", "ecommerce.transactions.silver"
LOAD = "ecommerce.fact_transactions@warehouse"


def waits(consumer: str = "") -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["status", consumer, "--json"])
    assert result.exit_code == 0, result.output
    return list(json.loads(result.output)["waits"])


def wait(consumer: str) -> dict[str, Any]:
    """Give the one wait of a consumer, which people are shown too."""
    (found,) = waits(consumer)
    shown = " ".join(CliRunner().invoke(app, ["status", consumer]).output.split())
    assert f" {found['word']} " in shown
    return found


def failing(monkeypatch: pytest.MonkeyPatch, where: str, error: Exception) -> pytest.MonkeyPatch:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(where, fail)
    return monkeypatch


def arrive(world: World, *stages: str) -> None:
    world.land("transactions/1.csv", GOOD)
    if stages:
        world.flow(*stages)
    else:
        due_of("ecommerce", "bronze")


def test_nothing_waits_where_nothing_is_due(world: World) -> None:
    assert waits() == []
    arrive(world, "bronze", "silver", "gold", "load")
    assert waits() == []


def test_what_is_due_waits_for_the_next_sweep(world: World) -> None:
    arrive(world)
    found = wait(BRONZE)
    assert (found["word"], found["batches"]) == ("due", 1)
    assert "`watershed sweep ecommerce`" in found["why"]
    assert "DAG ecommerce_raw_to_bronze may be paused" in found["why"]


@pytest.mark.parametrize(("error", "word"), [(QualityError("too many"), "held"), (DataError("broken"), "parked")])
def test_what_is_set_aside_says_whether_a_gate_holds_it(
    world: World, monkeypatch: pytest.MonkeyPatch, error: DataError, word: str
) -> None:
    failing(monkeypatch, "common.pipelines.silver.require", error)
    arrive(world, "bronze", "silver")
    found = wait(SILVER)
    assert (found["word"], found["batches"]) == (word, 1)
    assert str(error) in found["why"]
    assert "`watershed parked show " in found["why"]


def test_a_model_that_stopped_names_its_cause(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError):
        failing(monkeypatch, "common.pipelines.gold.run", ModelError("sums differ"))
        arrive(world, "bronze", "silver", "gold")
    found = wait("ecommerce.daily_revenue.gold")
    assert (found["word"], "sums differ" in found["why"]) == ("stopped", True)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TargetUnavailable("no answer"), "outage"),
        (ConfigError("no such"), "failed"),
        (NotApplied("no table"), "unapplied"),
    ],
)
@pytest.mark.parametrize("where", ["head", "stage"])
def test_a_failure_is_told_until_a_hop_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str, where: str
) -> None:
    arrive(world, "bronze", "silver", "gold")
    with monkeypatch.context() as patch, pytest.raises(type(error)):
        failing(patch, f"common.pipelines.loading.LoadStep.{where}", error)
        world.do(LOAD)
    found = wait(LOAD)
    assert (found["word"], str(error) in found["why"]) == (word, True)
    assert found["since"]
    world.flow("load")
    assert waits(LOAD) == []
    assert world.rows("SELECT count(*) FROM failure", "ledger") == [(0,)]


def test_an_error_that_nobody_has_classified_is_told_without_values(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(world, "bronze")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        failing(patch, "common.pipelines.silver.require", RuntimeError("odd 'secret'"))
        world.do(SILVER)
    found = wait(SILVER)
    assert (found["word"], "RuntimeError" in found["why"], "secret" in found["why"]) == ("failed", True, False)


def test_a_hop_that_is_open_says_who_is_at_work_or_is_gone(world: World) -> None:
    arrive(world, "bronze")
    with transaction() as connection:
        lock(connection, SILVER)
        claim(connection, consumer_named(SILVER), "somebody")
    found = wait(SILVER)
    assert (found["word"], "somebody is at work on hop 1" in found["why"]) == ("working", True)
    world.rows("UPDATE hop SET lease_until = now() - interval '1 second' RETURNING n", "ledger")
    found = wait(SILVER)
    assert (found["word"], "somebody left hop 1 open" in found["why"]) == ("died", True)


@pytest.mark.parametrize(("kind", "word"), [(LEDGER_AHEAD, "ledger_ahead"), (UNFORESEEN, "unforeseen")])
def test_an_open_incident_is_the_reason(world: World, kind: str, word: str) -> None:
    arrive(world)
    with transaction() as connection:
        open_incident(connection, kind, BRONZE, "why it is so")
    found = wait(BRONZE)
    assert (found["word"], "why it is so" in found["why"]) == (word, True)


def test_what_was_not_applied_and_what_nobody_declares_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(world)
    folder = Path(world.env["WATERSHED_DOMAINS_DIR"]).parent
    world.rows("DELETE FROM consumer WHERE name = 'ecommerce.users.silver' RETURNING name", "ledger")
    (found,) = [one for one in waits() if one["consumer"] == "ecommerce.users.silver"]
    assert (found["word"], "`watershed apply`" in found["why"]) == ("unapplied", True)
    (folder / "none").mkdir(exist_ok=True)
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(folder / "none"))
    forget()
    assert wait(BRONZE)["word"] == "undeclared"


def test_a_faulty_contract_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d" / "ecommerce" / "contracts").mkdir(parents=True)
    (tmp_path / "d" / "ecommerce" / "contracts" / "users.yaml").write_text("a: [")
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path / "d"))
    forget()
    found = wait("ecommerce.users")
    assert (found["word"], "users.yaml: is not YAML" in found["why"]) == ("faulty", True)
