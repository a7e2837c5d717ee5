"""What cannot be made holds up nothing else, and `status` says what it was."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from tests.world import World, forget, other_contract

DEAD = json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "x", "schema": "x"})
RUN = CliRunner()


def test_a_warehouse_that_does_not_answer_keeps_nothing_else_from_being_applied(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_WAREHOUSE", DEAD)
        forget()
        world.rows("DELETE FROM consumer WHERE name LIKE '%@%' RETURNING name", "ledger")
        done = RUN.invoke(app, ["apply", "--json"])
        assert done.exit_code == 1
        (fault,) = json.loads(done.stdout)["faults"]
        assert "TargetUnavailable" in fault
        assert "connection 'warehouse'" in fault
        waits = json.loads(RUN.invoke(app, ["status", "--json"]).stdout)["waits"]
        assert {wait["consumer"].rpartition("@")[2] for wait in waits} == {"warehouse"}, "DuckDB's loads were made"
        assert len(waits) > 1
        for wait in waits:
            assert wait["word"] == "unapplied"
            assert "run `watershed apply`" in wait["why"]
            assert "TargetUnavailable" in wait["why"]
    forget()
    assert RUN.invoke(app, ["apply"]).exit_code == 0
    assert json.loads(RUN.invoke(app, ["status", "--json"]).stdout)["waits"] == []


def test_a_plan_prints_the_sql_of_each_engine_and_changes_nothing(world: World, tmp_path: Path) -> None:
    def planned() -> dict[str, Any]:
        return dict(json.loads(RUN.invoke(app, ["apply", "--plan", "--json"]).stdout))

    assert planned() == {"changes": {}}
    added = "SELECT\n    'x' AS said,\n    "
    with other_contract(
        world, tmp_path, "daily_revenue", lambda text: text.replace("SELECT\n", added, 1), applied=False
    ):
        expected = {
            "ecommerce.daily_revenue@duckdb": [
                'ALTER TABLE "ecommerce"."daily_revenue" ADD COLUMN IF NOT EXISTS "said" TEXT'
            ],
            "ecommerce.daily_revenue@warehouse": [
                'ALTER TABLE "ecommerce"."daily_revenue" ADD COLUMN IF NOT EXISTS "said" VARCHAR'
            ],
        }
        assert planned() == planned() == {"changes": expected}
        assert RUN.invoke(app, ["apply"]).exit_code == 0
        assert planned() == {"changes": {}}
    with psycopg.connect(world.env["WAREHOUSE_URL"]) as connection:
        connection.execute("DROP TABLE ecommerce.daily_revenue")
    (statements,) = planned()["changes"].values()
    assert [statement.split(" (")[0] for statement in statements] == [
        'CREATE SCHEMA IF NOT EXISTS "ecommerce"',
        'CREATE TABLE IF NOT EXISTS "ecommerce"."daily_revenue"',
    ]
