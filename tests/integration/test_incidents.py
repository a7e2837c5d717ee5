"""Somebody is told, once: incidents become episodes, episodes messages, and no channel waits for another."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from common.core.errors import TargetUnavailable
from common.ledger.database import transaction
from common.ledger.incidents import PARKED, STOPPED, SUPERSEDED, close_incidents, open_incident
from common.notify import direct, outbox
from common.notify.alerts import alert_failure, recovered
from common.notify.channel import Undelivered
from common.notify.direct import adopt_alerts
from common.notify.message import Message, Severity, State
from common.notify.outbox import tell
from common.notify.routes import FILE, FOLDER
from common.notify.say import say
from common.utils import run_overdue_alert
from tests.channels import Kept, dead, kept_channels, refused
from tests.world import World, forget

ROUTES = """
routes:
  - {to: "slack:#all", fallback: "mail:duty@example.org"}
  - {to: "pagerduty:duty", at_least: critical}
"""
LOAD = "ecommerce.users.warehouse"


@pytest.fixture
def channels(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Kept]]:
    folder = world.folder / FOLDER
    folder.mkdir()
    (folder / FILE).write_text(ROUTES, encoding="utf-8")
    monkeypatch.setattr("common.notify.routes.routes_file", lambda: folder / FILE)
    with kept_channels("slack", "mail", "pagerduty") as found:
        yield found


def opened(kind: str, consumer: str, detail: str, *batches: str) -> None:
    with transaction() as connection:
        for batch in batches or ("",):
            open_incident(connection, kind, consumer, detail, batch)


def closed(kind: str, consumer: str, *batches: str) -> None:
    with transaction() as connection:
        close_incidents(connection, kind, consumer, batches or ("",))


def pass_by(interval: str) -> None:
    """Let time pass: everything in the outbox happened so much earlier."""
    with transaction() as connection:
        for column in ("queued_at", "due_at", "lease_until", "ended_at"):
            connection.execute(text(f"UPDATE outbox SET {column} = {column} - interval '{interval}'"))


def failure(name: str, error: Exception, run: str = "run-1") -> dict[str, Any]:
    task = SimpleNamespace(task_id=name, try_number=1, log_url="http://log")
    return {"dag_run": SimpleNamespace(dag_id="a_dag", run_id=run), "task_instance": task, "exception": error}


def test_an_incident_is_told_once_and_so_is_its_end(channels: dict[str, Kept]) -> None:
    slack = channels["slack"]
    opened(PARKED, "ecommerce.users.silver", "no column id", "a-batch")
    assert [tell(), tell()] == [1, 0]
    (message,) = [message for _, message, _ in slack.kept]
    assert (message.title, message.state, message.error) == ("Parked: ecommerce.users.silver", "opened", "no column id")
    assert ("Batch", "a-batch") in message.facts
    assert "watershed parked show a-batch" in message.advice
    assert ("Owner", "shop") in message.facts or dict(message.facts)["Owner"]
    closed(PARKED, "ecommerce.users.silver", "a-batch")
    assert [tell(), tell()] == [1, 0]
    assert slack.titles[1:] == ["Resolved: Parked: ecommerce.users.silver"]
    assert slack.kept[0][1].key == slack.kept[1][1].key, "channels join the two by it"
    assert channels["pagerduty"].kept == channels["mail"].kept == []


def test_severity_says_who_is_told(channels: dict[str, Kept]) -> None:
    opened(STOPPED, LOAD, "the model divides by zero")
    tell()
    assert channels["pagerduty"].titles == channels["slack"].titles == [f"Stopped: {LOAD}"]
    assert channels["pagerduty"].kept[0][0] == "duty"


def test_fifty_batches_parked_for_one_reason_are_one_message_and_one_end(channels: dict[str, Kept]) -> None:
    names = [f"b{n}" for n in range(50)]
    opened(PARKED, "ecommerce.users.silver", "1 rows of 'x' are too old", *names[:1])
    tell()
    opened(PARKED, "ecommerce.users.silver", "27 rows of 'y' are too old", *names[1:])
    tell()
    assert len(channels["slack"].kept) == 1, "numbers and values make no other reason"
    closed(PARKED, "ecommerce.users.silver", *names[:49])
    assert tell() == 0, "one is still open"
    closed(PARKED, "ecommerce.users.silver", *names[49:])
    assert tell() == 1
    assert channels["slack"].titles[-1] == "Resolved: Parked: ecommerce.users.silver (50 times)"


def test_another_reason_is_another_message(channels: dict[str, Kept]) -> None:
    opened(PARKED, "ecommerce.users.silver", "no column id", "a")
    opened(PARKED, "ecommerce.users.silver", "no column name", "b")
    opened(PARKED, "ecommerce.events.silver", "no column id", "c")
    assert tell() == 3


def test_opened_and_over_before_it_was_sent_is_not_told(channels: dict[str, Kept]) -> None:
    channels["slack"].fault = dead
    opened(PARKED, LOAD, "why", "a")
    assert tell() == 0
    closed(PARKED, LOAD, "a")
    channels["slack"].fault = None
    pass_by("1 hour")
    assert (tell(), channels["slack"].kept) == (0, [])
    opened(PARKED, LOAD, "why", "b")
    closed(PARKED, LOAD, "b")
    assert (tell(), channels["slack"].kept) == (0, [])


def test_what_joins_an_incident_that_ends_before_it_was_told_is_told(channels: dict[str, Kept]) -> None:
    channels["slack"].fault = dead
    opened(PARKED, LOAD, "why", "a")
    tell()
    opened(PARKED, LOAD, "why", "b")
    outbox.find_out()
    closed(PARKED, LOAD, "a")
    channels["slack"].fault = None
    pass_by("1 hour")
    assert tell() == 1
    assert ("Batch", "b") in channels["slack"].kept[0][1].facts


def test_it_is_told_again_after_a_day_unless_somebody_answers_for_it(channels: dict[str, Kept]) -> None:
    from common.core.nouns import Reason
    from common.ledger.decisions import acknowledge
    from common.ledger.incidents import Incident

    opened(PARKED, LOAD, "why", "a")
    tell()
    pass_by("23 hours")
    assert tell() == 0
    pass_by("2 hours")
    assert [tell(), tell()] == [1, 0]
    assert channels["slack"].titles[-1] == f"Still open: Parked: {LOAD}"
    pass_by("25 hours")
    assert tell() == 1
    with transaction() as connection:
        acknowledge(connection, [Incident(PARKED, LOAD, "a")], Reason("me", "on it"))
    pass_by("25 hours")
    assert tell() == 0
    closed(PARKED, LOAD, "a")
    assert tell() == 1, "its end is told"


def test_what_is_muted_is_told_when_that_ends(channels: dict[str, Kept]) -> None:
    from common.core.clock import now
    from common.core.nouns import Reason
    from common.ledger.decisions import mute

    with transaction() as connection:
        mute(connection, "ecommerce.users", "", now() + timedelta(hours=1), Reason("me", "a migration"))
    opened(PARKED, LOAD, "why", "a")
    opened(PARKED, "ecommerce.events.warehouse", "why", "b")
    assert tell() == 1, "the other is not muted"
    with transaction() as connection:
        connection.execute(text("UPDATE mute SET until = now()"))
    assert tell() == 1


def test_a_notice_is_told_and_over(channels: dict[str, Kept], world: World) -> None:
    opened(SUPERSEDED, "ecommerce.users.bronze", "users/1.csv", "a")
    assert [tell(), tell()] == [1, 0]
    assert world.rows("SELECT resolution FROM incident WHERE closed_at IS NOT NULL", "ledger") == [("told",)]


def test_a_dead_channel_delays_no_other_and_falls_back(channels: dict[str, Kept], world: World) -> None:
    channels["slack"].fault = dead
    opened(STOPPED, LOAD, "why")
    for told in (1, 0, 1):  # pagerduty at once, the mail after three tries
        assert tell() == told
        pass_by("1 hour")
    assert channels["mail"].titles == channels["pagerduty"].titles == [f"Stopped: {LOAD}"]
    assert channels["mail"].kept[0][0] == "duty@example.org"
    ((tries, error),) = world.rows("SELECT tries, error FROM outbox WHERE channel = 'slack'", "ledger")
    assert (tries, error) == (3, "the port is dead")
    channels["slack"].fault = None
    pass_by("2 hours")
    assert tell() == 1
    assert channels["slack"].kept[0][2], "it may have arrived before"


def test_whoever_is_told_anyway_is_not_told_again_in_place_of_another(channels: dict[str, Kept], world: World) -> None:
    same = ROUTES + '  - {to: "mail:duty@example.org"}\n'
    (world.folder / FOLDER / FILE).write_text(same, encoding="utf-8")
    channels["slack"].fault = refused
    opened(PARKED, LOAD, "why", "a")
    tell()
    tell()
    assert channels["mail"].titles == [f"Parked: {LOAD}"]


def test_a_refused_token_falls_back_at_once(channels: dict[str, Kept]) -> None:
    channels["slack"].fault = refused
    opened(PARKED, LOAD, "why", "a")
    tell()
    tell()
    assert channels["mail"].titles == [f"Parked: {LOAD}"]


def test_what_a_channel_asks_for_is_waited(channels: dict[str, Kept], world: World) -> None:
    def busy(message: Message, to: str) -> None:
        raise Undelivered("ratelimited", retry_after=600)

    channels["slack"].fault = busy
    opened(PARKED, LOAD, "why", "a")
    tell()
    channels["slack"].fault = None
    pass_by("9 minutes")
    assert tell() == 0
    pass_by("2 minutes")
    assert tell() == 1


def test_a_sender_that_dies_between_sending_and_recording_sends_the_same_delivery_again(
    channels: dict[str, Kept],
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    opened(PARKED, LOAD, "why", "a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox.outbox, "end", kill)
        with pytest.raises(Killed):
            tell()
    assert tell() == 0, "it is leased"
    pass_by("2 minutes")
    assert tell() == 1
    (_, first, no), (_, second, yes) = channels["slack"].kept
    assert first.delivery == second.delivery
    assert (no, yes) == (False, True)


def test_two_senders_send_each_message_once(channels: dict[str, Kept]) -> None:
    channels["slack"].fault = lambda message, to: time.sleep(0.01)
    for n in range(20):
        opened(PARKED, f"ecommerce.t{n}.silver", "why", "a")
    threads = [threading.Thread(target=tell, args=(30,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(channels["slack"].titles) == sorted(f"Parked: ecommerce.t{n}.silver" for n in range(20))


def test_ten_thousand_incidents_are_one_bounded_message(channels: dict[str, Kept]) -> None:
    with transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO incident (kind, consumer, batch, detail) "
                "SELECT 'parked', 'ecommerce.users.silver', n::text, n || ' rows' FROM generate_series(1, 10000) n"
            )
        )
    assert tell(60) == 1
    ((_, message, _),) = channels["slack"].kept
    assert message.title == "Parked: ecommerce.users.silver (10,000 times)"
    assert len(json.dumps(message.json)) < 3000


def test_a_message_of_a_megabyte_is_cut(channels: dict[str, Kept]) -> None:
    opened(PARKED, LOAD, "x" * 1_000_000 + "the end", "a")
    tell()
    error = channels["slack"].kept[0][1].error
    assert len(error) <= 4000
    assert error.endswith("the end")


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
    assert adopt_alerts() == 0, "it has arrived"
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
    assert adopt_alerts() == 0, "whoever began to tell may still be at it"
    away.setattr(direct, "AT_IT", timedelta())
    assert [adopt_alerts(), adopt_alerts()] == [1, 0]
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
