"""What cannot be made holds up nothing else, and `status` says what it was."""

import json

import pytest
from typer.testing import CliRunner

from common.cli.main import app
from tests.world import World, forget

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
