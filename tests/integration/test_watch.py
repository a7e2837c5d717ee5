"""What did not happen is an incident once it has lasted, and over when it holds again."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from common.cli.main import app
from common.ledger.database import transaction
from common.ledger.incidents import FAILED, OVERDUE, open_incident
from common.upkeep.watch import watch
from tests.channels import Kept, kept_channels
from tests.world import World, forget

RUN = CliRunner()
SALE = b"customer_id,date,number_of_cds,dollar_value\n00001,19970101,1,1.00\n"


class Runs:
    """What Airflow says of runs, as the test wants it."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.count = 0

    def ended(self, dag_id: str, run_id: str) -> bool:
        return run_id in self.over

    def successes(self, dag_id: str) -> int:
        return self.count


@pytest.fixture
def slack(world: World) -> Any:
    with kept_channels("slack") as found:
        yield found["slack"]


def pass_by(hours: float) -> None:
    """Let hours pass: all that the ledger knows happened so much earlier."""
    earlier = timedelta(hours=hours)
    moments = {
        "batch": ("created_at",),
        "hop": ("opened_at", "published_at"),
        "heartbeat": ("at",),
        "consumer": ("applied_at",),
    }
    with transaction() as connection:
        for table, columns in moments.items():
            for column in columns:
                connection.execute(text(f"UPDATE {table} SET {column} = {column} - :earlier"), {"earlier": earlier})
        rows = connection.execute(text("SELECT value FROM heartbeat WHERE name = 'watch'")).scalar()
        if rows:
            from datetime import datetime

            moved = {name: (datetime.fromisoformat(at) - earlier).isoformat() for name, at in rows["since"].items()}
            begun = (datetime.fromisoformat(rows["begun"]) - earlier).isoformat()
            kept = json.dumps(rows | {"since": moved, "begun": begun})
            connection.execute(
                text("UPDATE heartbeat SET value = CAST(:kept AS jsonb) WHERE name = 'watch'"), {"kept": kept}
            )


def open_ones(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT kind, consumer FROM incident WHERE closed_at IS NULL ORDER BY kind, consumer", "ledger")


def test_all_is_well_and_the_check_says_so(world: World, slack: Kept) -> None:
    asked = RUN.invoke(app, ["status", "--check"])
    assert (asked.exit_code, "has never looked" in asked.output) == (3, True)
    world.land("transactions/1.csv", SALE)
    world.flow()
    assert watch(Runs()) == {}
    asked = RUN.invoke(app, ["status", "--check"])
    assert (asked.exit_code, asked.output) == (0, "All is well.\n")
    pass_by(1)
    assert RUN.invoke(app, ["status", "--check", "--json"]).exit_code == 3


def test_work_that_waits_too_long_is_told_and_its_end_is(world: World, slack: Kept) -> None:
    world.land("transactions/1.csv", SALE)
    world.flow("bronze")
    assert watch(Runs()) == {}, "it has just arrived"
    pass_by(1.5)
    assert "waiting" in watch(Runs())
    assert ("waiting", "ecommerce.transactions.silver") in open_ones(world)
    assert "due" in slack.kept[0][1].error
    assert RUN.invoke(app, ["status", "--check"]).exit_code == 1
    world.flow()
    watch(Runs())
    assert ("waiting", "ecommerce.transactions.silver") not in open_ones(world)
    assert any(title.startswith("Resolved: Waiting") for title in slack.titles)


def test_work_that_goes_on_does_not_wait(world: World, slack: Kept) -> None:
    for n in range(3):
        world.land(f"transactions/{n}.csv", SALE.replace(b"00001", b"0000%d" % n))
        world.flow("bronze", "silver", "gold", "load")
        world.land(f"transactions/next{n}.csv", SALE.replace(b"00001", b"0001%d" % n))
        world.flow("bronze")
        assert "waiting" not in watch(Runs())
        pass_by(0.9)


def test_a_source_that_is_silent_and_a_table_that_is_late(world: World, slack: Kept) -> None:
    world.land("transactions/1.csv", SALE)
    world.flow()
    pass_by(24 * 40)
    watch(Runs())
    assert ("silent", "ecommerce.transactions") in open_ones(world)
    world.land("transactions/2.csv", SALE.replace(b"00001", b"00002"))
    world.flow("bronze")
    watch(Runs())
    assert ("late", "ecommerce.transactions") in open_ones(world)
    assert ("silent", "ecommerce.transactions") not in open_ones(world)
    world.flow()
    watch(Runs())
    assert not [name for kind, name in open_ones(world) if name == "ecommerce.transactions"]


def test_a_sweep_that_does_not_come(world: World, slack: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    from common.pipelines.work import due_of

    watch(Runs())
    assert ("unswept", "ecommerce_sweep") not in open_ones(world), "it may still come"
    pass_by(1)
    watch(Runs())
    assert ("unswept", "ecommerce_sweep") in open_ones(world)
    due_of("ecommerce")
    watch(Runs())
    assert ("unswept", "ecommerce_sweep") not in open_ones(world)
    monkeypatch.setenv("WATERSHED_SWEEP_CRON", "off")
    forget()
    pass_by(1)
    watch(Runs())
    assert ("unswept", "ecommerce_sweep") not in open_ones(world)


def test_a_queue_that_nobody_drains(world: World, slack: Kept) -> None:
    world.land("transactions/1.csv", SALE)
    watch(Runs())
    pass_by(1.5)
    watch(Runs())
    assert ("undrained", "ecommerce") in open_ones(world)


def test_runs_that_were_late_or_failed_are_over_when_airflow_says_so(world: World, slack: Kept) -> None:
    with transaction() as connection:
        open_incident(connection, OVERDUE, "a_dag", "late", "run-1", {"DAG": "a_dag", "Run": "run-1"})
        open_incident(connection, FAILED, "a_dag", "killed", facts={"DAG": "a_dag", "Run": "run-1"})
    runs = Runs()
    watch(runs)
    assert [kind for kind, _ in open_ones(world)] == ["failed", "overdue"]
    runs.over.add("run-1")
    watch(runs)
    assert [kind for kind, _ in open_ones(world)] == ["failed"]
    runs.count = 1
    watch(runs)
    assert open_ones(world) == []


def test_each_look_asks_the_dead_mans_switch(world: World, slack: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) == 1 else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Switch)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("WATERSHED_HEARTBEAT_URL", f"http://127.0.0.1:{server.server_port}/ping/1")
    forget()
    watch(Runs())
    watch(Runs())
    assert asked == ["/ping/1", "/ping/1"]
    server.shutdown()
    server.server_close()
    thread.join()
    watch(Runs())  # nobody is there: the watch goes on
