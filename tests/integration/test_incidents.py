"""Somebody is told, once: incidents become episodes, episodes messages, and no channel waits for another."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from common.ledger.database import transaction
from common.ledger.incidents import PARKED, STOPPED, SUPERSEDED, close_incidents, open_incident
from common.notify import outbox
from common.notify.channel import Undelivered
from common.notify.message import Message
from common.notify.outbox import tell
from common.notify.routes import FILE, FOLDER
from tests.channels import Kept, dead, kept_channels, refused
from tests.world import World

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
