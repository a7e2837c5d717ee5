"""What may go wrong on the way to people loses no message, and repeats none that could be told apart from a new one."""

from datetime import datetime, timedelta, tzinfo
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from common.core.nouns import Reason
from common.ledger.database import transaction
from common.ledger.decisions import acknowledge, mute
from common.ledger.heartbeats import clock
from common.ledger.incidents import PARKED, SUPERSEDED, Incident
from common.ledger.outbox import Recipient, queue_message
from common.notify import outbox
from common.notify.channel import Undelivered
from common.notify.message import Message
from common.notify.outbox import tell
from common.observe.verbs import Moment, listening
from tests.channels import Kept, dead, refused
from tests.integration.test_incidents import LOAD, channels, closed, opened, pass_by
from tests.world import World, forget

__all__ = ["channels"]


class Killed(BaseException):
    """The end of a sender."""


def die_at(point: str) -> None:
    def act(moment: Moment) -> None:
        if moment.name == point:
            raise Killed

    with listening(act), pytest.raises(Killed):
        tell()


def unsure(channel: Kept) -> Any:
    """Let a channel keep what it is sent and give no answer."""

    def fault(message: Message, to: str) -> None:
        channel.kept.append((to, message, False))
        raise Undelivered("no answer", unknown=True)

    return fault


def rows(world: World, columns: str, channel: str = "slack") -> list[tuple[Any, ...]]:
    return world.rows(f"SELECT {columns} FROM outbox WHERE channel = '{channel}' ORDER BY queued_at", "ledger")


def test_the_end_is_told_of_what_may_have_been_shown(channels: dict[str, Kept]) -> None:
    slack = channels["slack"]
    slack.fault = unsure(slack)
    opened(PARKED, LOAD, "why", "a")
    assert tell() == 0
    slack.fault = dead  # this one surely did not arrive, which says nothing of the one before
    pass_by("1 hour")
    assert tell() == 0
    slack.fault = None
    closed(PARKED, LOAD, "a")
    pass_by("2 hours")
    tell()
    tell()
    assert slack.titles == [f"Parked: {LOAD}", f"Resolved: Parked: {LOAD}"]


def test_the_end_is_told_of_what_a_dead_sender_has_sent(channels: dict[str, Kept]) -> None:
    opened(PARKED, LOAD, "why", "a")
    die_at("outbox:send.after")
    closed(PARKED, LOAD, "a")
    pass_by("2 minutes")
    tell()
    tell()
    assert channels["slack"].titles == [f"Parked: {LOAD}", f"Resolved: Parked: {LOAD}"]


def test_a_sender_that_dies_before_it_sends_costs_a_lease(channels: dict[str, Kept], world: World) -> None:
    opened(PARKED, LOAD, "why", "a")
    die_at("outbox:send.before")
    assert tell() == 0, "it is leased"
    pass_by("2 minutes")
    assert tell() == 1
    assert rows(world, "outcome, tries") == [("sent", 2)]


def test_a_death_at_the_third_try_still_leads_to_the_fallback(channels: dict[str, Kept]) -> None:
    channels["slack"].fault = dead
    opened(PARKED, LOAD, "why", "a")
    for _ in range(2):
        tell()
        pass_by("1 hour")
    die_at("outbox:send.before")
    pass_by("1 hour")
    tell()
    assert channels["mail"].titles == [f"Parked: {LOAD}"]


@pytest.mark.parametrize("fault", [dead, refused])
def test_a_report_falls_back_once(channels: dict[str, Kept], world: World, fault: Any) -> None:
    channels["slack"].fault = fault
    message = Message("Daily report").json
    with transaction() as connection:
        queue_message(connection, message, Recipient("slack", "#all", "mail:duty@example.org"), uuid4())
    for _ in range(6):
        tell()
        pass_by("2 hours")
    assert channels["mail"].titles == ["Daily report"]
    channels["slack"].fault = None
    assert [tell(), tell()] == [1, 0]
    assert channels["slack"].titles == ["Daily report"], "late, and once"


def test_a_channel_that_is_dead_for_an_hour_is_told_late_and_once(channels: dict[str, Kept]) -> None:
    for word in ("slack", "pagerduty"):
        channels[word].fault = dead
    opened("stopped", LOAD, "why")
    for _ in range(6):
        tell()
        pass_by("10 minutes")
    assert channels["mail"].titles == [f"Stopped: {LOAD}"], "the fallback"
    for word in ("slack", "pagerduty"):
        channels[word].fault = None
    pass_by("1 hour")
    assert [tell(), tell()] == [2, 0]
    closed("stopped", LOAD)
    assert tell() == 3, "its end, to each who knows of it"
    for word in ("slack", "pagerduty", "mail"):
        assert channels[word].titles == [f"Stopped: {LOAD}", f"Resolved: Stopped: {LOAD}"]


def test_a_channel_that_is_dead_for_weeks_is_told_when_it_is_back(channels: dict[str, Kept], world: World) -> None:
    channels["slack"].fault = dead
    opened(PARKED, LOAD, "why", "a")
    for _ in range(3):
        tell()
        pass_by("5 days")
    assert rows(world, "event, outcome") == [("opened", "given up")]
    channels["slack"].fault = None
    assert tell() == 2, "the fallback hears of it again, too"
    assert channels["slack"].titles == [f"Still open: Parked: {LOAD}"]


def test_what_is_muted_or_answered_for_before_it_is_sent_waits(channels: dict[str, Kept]) -> None:
    channels["slack"].fault = dead
    opened(PARKED, LOAD, "why", "a")
    tell()
    with transaction() as connection:
        until = clock(connection) + timedelta(hours=1)
        mute(connection, "ecommerce.users", "", until, Reason("me", "a migration"))
    channels["slack"].fault = None
    pass_by("1 hour")
    assert tell() == 0
    with transaction() as connection:
        connection.execute(text("UPDATE mute SET until = now()"))
    assert tell() == 1
    channels["slack"].fault = dead
    pass_by("25 hours")
    tell()
    with transaction() as connection:
        acknowledge(connection, [Incident(PARKED, LOAD, "a")], Reason("me", "on it"))
    channels["slack"].fault = None
    pass_by("1 hour")
    assert tell() == 0


def test_a_notice_that_is_muted_waits_and_is_told(channels: dict[str, Kept]) -> None:
    with transaction() as connection:
        mute(connection, "ecommerce.users", "", clock(connection) + timedelta(hours=1), Reason("me", "a migration"))
    opened(SUPERSEDED, LOAD, "users/1.csv", "a")
    assert tell() == 0
    with transaction() as connection:
        connection.execute(text("UPDATE mute SET until = now()"))
    assert [tell(), tell()] == [1, 0]
    assert channels["slack"].titles == [f"Superseded: {LOAD}"]


def test_a_row_that_cannot_be_read_holds_up_no_other(channels: dict[str, Kept], world: World) -> None:
    with transaction() as connection:
        queue_message(connection, {"of": "a newer version"}, Recipient("slack", "#all"), uuid4())
        queue_message(connection, Message("to nobody").json, Recipient("pigeon", "me", "mail:me@example.org"), uuid4())
    opened(PARKED, LOAD, "why", "a")
    assert tell() == 2
    assert channels["slack"].titles == [f"Parked: {LOAD}"]
    assert channels["mail"].titles == ["to nobody"]
    assert len(world.rows("SELECT FROM outbox WHERE error <> '' AND ended_at IS NULL", "ledger")) == 2, "kept"


def test_a_fault_of_a_channel_holds_up_no_other(channels: dict[str, Kept]) -> None:
    def broken(message: Message, to: str) -> None:
        raise RuntimeError("a fault of ours")

    channels["slack"].fault = broken
    opened("stopped", LOAD, "why")
    assert tell() == 1
    assert channels["pagerduty"].titles == [f"Stopped: {LOAD}"]


def test_a_sender_that_is_frozen_holds_up_nobody(channels: dict[str, Kept]) -> None:
    opened(PARKED, LOAD, "why", "a")
    with transaction() as connection:
        outbox.outbox.hold(connection)
        assert tell() == 0
    assert tell() == 1


def test_a_sender_that_wakes_late_takes_the_lease_of_nobody(channels: dict[str, Kept], world: World) -> None:
    slack = channels["slack"]

    def sleep(message: Message, to: str) -> None:
        slack.fault = None
        pass_by("2 minutes")  # another takes over, and is at work
        with transaction() as connection:
            assert outbox.outbox.lease(connection, ()) is not None
        raise Undelivered("too late")

    slack.fault = sleep
    opened(PARKED, LOAD, "why", "a")
    tell()
    pass_by("40 seconds")
    assert tell() == 0
    assert rows(world, "tries, lease_until > now(), error") == [(2, True, "")]


@pytest.mark.parametrize("years", [-10, 10])
def test_a_process_whose_clock_is_wrong_tells_as_others_do(
    channels: dict[str, Kept], world: World, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=365 * years)  # noqa: TID251

    monkeypatch.setattr("common.core.clock.datetime", Wrong)
    channels["slack"].fault = dead
    opened(PARKED, LOAD, "why", "a")
    assert [tell(), tell()] == [0, 0]
    assert rows(world, "outcome, due_at < now() + interval '1 hour'") == [("", True)], "nothing is given up"
    channels["slack"].fault = None
    pass_by("1 hour")
    assert [tell(), tell()] == [1, 0]
    pass_by("25 hours")
    assert [tell(), tell()] == [1, 0]


def test_a_ledger_that_goes_away_while_people_are_told_loses_nothing(channels: dict[str, Kept], world: World) -> None:
    slack = channels["slack"]
    opened(PARKED, LOAD, "why", "a")
    with pytest.MonkeyPatch.context() as patch:

        def cut(message: Message, to: str) -> None:
            slack.fault = None
            patch.setenv("WATERSHED_LEDGER_URL", "postgresql://u:p@127.0.0.1:1/x")
            forget()

        slack.fault = cut
        assert [tell(), tell()] == [0, 0], "it cannot be recorded"
    forget()
    assert tell() == 0, "it is leased"
    pass_by("2 minutes")
    assert [tell(), tell()] == [1, 0]
    (_, first, no), (_, second, yes) = slack.kept
    assert (first.delivery, no, yes) == (second.delivery, False, True)
