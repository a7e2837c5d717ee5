"""What Airflow says of tasks and runs is told once, too, and outages of the ledger are told without it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.core.clock import now
from common.core.errors import TargetUnavailable
from common.ledger.incidents import PARKED, STOPPED
from common.notify import direct
from common.notify.alerts import alert_failure, recovered
from common.notify.direct import adopt_alerts
from common.notify.message import Message, Severity, State
from common.notify.outbox import tell
from common.notify.say import say
from common.utils import run_overdue_alert
from tests.channels import Kept, dead
from tests.integration.test_incidents import LOAD, channels, opened
from tests.world import World, forget

__all__ = ["channels"]


def failure(name: str, error: Exception, run: str = "run-1") -> dict[str, Any]:
    task = SimpleNamespace(task_id=name, try_number=1, log_url="http://log")
    return {"dag_run": SimpleNamespace(dag_id="a_dag", run_id=run), "task_instance": task, "exception": error}


def test_a_failing_task_is_one_incident_until_it_succeeds(channels: dict[str, Kept], world: World) -> None:
    for run in ("run-1", "run-2"):
        for _ in range(2):
            alert_failure(failure("load", ValueError("boom"), run))
            alert_failure({"dag_run": SimpleNamespace(dag_id="a_dag", run_id=run), "reason": "task_failure"})
    assert channels["slack"].titles == ["Failed: a_dag.load"]
    recovered("a_dag", "load")
    assert channels["slack"].titles[1:] == ["Resolved: Failed: a_dag.load"]
    alert_failure(failure("load", ValueError("boom")))
    assert len(channels["slack"].kept) == 3, "it fails again"


def test_fifty_tasks_that_fail_for_one_reason_make_one_message(channels: dict[str, Kept]) -> None:
    for n in range(50):
        alert_failure(failure(f"t{n}", TargetUnavailable(f"The warehouse does not answer: try {n}.")))
    assert channels["slack"].titles == ["Failed: a_dag.t0"]
    for n in range(50):
        recovered("a_dag", f"t{n}")
    assert channels["slack"].titles[1:] == ["Resolved: Failed: a_dag.t0 and 49 more"]


def test_a_task_that_fails_for_another_reason_is_told_again_as_the_same_incident(channels: dict[str, Kept]) -> None:
    alert_failure(failure("load", ValueError("boom after 3 s")))
    alert_failure(failure("load", ValueError("boom after 17 s")))
    alert_failure(failure("load", KeyError("gone")))
    assert [m.error for _, m, _ in channels["slack"].kept] == ["ValueError: boom after 3 s", "KeyError: •••"]
    recovered("a_dag", "load")
    assert channels["slack"].titles[2:] == ["Resolved: Failed: a_dag.load"]
    assert len({m.key for _, m, _ in channels["slack"].kept}) == 1, "so that PagerDuty ends what it began"


def test_one_of_several_that_fails_for_another_reason_leaves_them(channels: dict[str, Kept]) -> None:
    for name in ("one", "two"):
        alert_failure(failure(name, ValueError("boom")))
    alert_failure(failure("two", KeyError("gone")))
    assert channels["slack"].titles == ["Failed: a_dag.one", "Failed: a_dag.two"]
    recovered("a_dag", "one")
    recovered("a_dag", "two")
    assert len(channels["slack"].titles) == 4


def test_a_run_that_has_ended_is_not_overdue(channels: dict[str, Kept]) -> None:
    for state in ("failed", "success", "running"):
        run = {"dag_id": "a_dag", "dag_run_id": state, "state": state}
        run_overdue_alert({"dag_run": run, "deadline": {"deadline_time": "2026-11-26T07:36:24.315298+00:00"}})
    ((_, message, _),) = channels["slack"].kept
    assert message.error == "The run should have been done by 2026-11-26 07:36:24 UTC."
    assert ("Run", "running") in message.facts


def test_a_failure_that_an_incident_tells_of_is_not_told_twice(channels: dict[str, Kept]) -> None:
    error = TargetUnavailable("the model divides by zero")
    opened(STOPPED, LOAD, str(error))
    alert_failure(failure("load", error))
    alert_failure({"dag_run": SimpleNamespace(dag_id="a_dag", run_id="run-1"), "reason": "task_failure"})
    assert channels["slack"].titles == [f"Stopped: {LOAD}"]


def test_an_error_of_others_is_told_without_the_values_that_it_quotes(channels: dict[str, Kept]) -> None:
    alert_failure(failure("load", ValueError("duplicate key (email)=('ann@example.org')")))
    assert "ann@" not in json.dumps([message.json for _, message, _ in channels["slack"].kept])


def test_tell_never_raises(channels: dict[str, Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(message: Message, to: str) -> None:
        raise RuntimeError("a fault of ours")

    channels["slack"].fault = broken
    opened(PARKED, LOAD, "why", "a")
    assert tell() == 0


def test_routes_that_cannot_be_read_lose_no_message(channels: dict[str, Kept]) -> None:
    from common.notify import routes

    Path(routes.routes_file()).write_text("routes: [{to: 'pigeon:me'}]", encoding="utf-8")
    opened(PARKED, LOAD, "why", "a")
    assert tell() == 1
    assert channels["slack"].kept[0][0] == "#data-alerts"
    assert "names no channel" in routes.route_faults()[0]


@pytest.fixture
def away(channels: dict[str, Kept], monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let the ledger be away; undo brings it back."""
    monkeypatch.setattr("common.notify.channels.CHANNELS", channels)
    monkeypatch.setattr("common.notify.direct.PATIENCE", 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATERSHED_LEDGER_URL", "postgresql://u:p@127.0.0.1:1/x")
        forget()
        yield patch
    forget()


def test_an_outage_of_the_ledger_is_told_once_without_it(channels: dict[str, Kept], away: pytest.MonkeyPatch) -> None:
    for n in range(5):
        alert_failure(failure(f"t{n}", TargetUnavailable("The ledger's database does not answer.")))
    ((to, message, _),) = channels["slack"].kept
    assert (to, message.title) == ("#all", "Failed: a_dag.t0")
    assert "The ledger cannot be written" in message.advice
    away.undo()
    forget()
    away.setattr(direct, "AT_IT", timedelta())
    assert adopt_alerts(now()) == 0, "it has arrived"
    assert tell() == 0


def test_an_alert_of_an_outage_that_reaches_nobody_is_told_by_the_ledger_later(
    channels: dict[str, Kept], away: pytest.MonkeyPatch
) -> None:
    channels["slack"].fault = dead
    alert_failure(failure("load", TargetUnavailable("The ledger's database does not answer.")))
    assert channels["slack"].kept == []
    away.undo()
    forget()
    channels["slack"].fault = None
    assert adopt_alerts(now()) == 0, "whoever began to tell may still be at it"
    away.setattr(direct, "AT_IT", timedelta())
    assert [adopt_alerts(now()), adopt_alerts(now())] == [1, 0]
    assert tell() == 1
    assert channels["slack"].titles == ["Failed: a_dag.load"]


def test_a_message_that_is_no_incident_goes_by_the_outbox_once(channels: dict[str, Kept]) -> None:
    report = Message("Done: a_dag", State.REPORT, Severity.INFO, delivery="7b1c1f5e-1111-4222-8333-444455556666")
    for _ in range(2):  # a task that is tried again
        say(report, "mail", "me@example.org")
    ((to, message, _),) = channels["mail"].kept
    assert (to, message.title, message.delivery) == ("me@example.org", "Done: a_dag", report.delivery)


def test_without_a_ledger_it_is_said_directly(channels: dict[str, Kept], away: pytest.MonkeyPatch) -> None:
    say(Message("Done: a_dag"), "mail", "me@example.org")
    assert channels["mail"].titles == ["Done: a_dag"]
    for name in ("WATERSHED_LEDGER_URL", "WATERSHED_BUCKET"):
        away.delenv(name)
    forget()
    say(Message("Done: a_dag"), "mail", "me@example.org")
    assert channels["mail"].titles == ["Done: a_dag"] * 2, "a plain DAG has no settings at all"
