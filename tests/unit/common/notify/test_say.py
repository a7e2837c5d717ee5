"""What is sent at once: with retries, for as long as there is patience, and never a trouble to who asked."""

import time
from dataclasses import dataclass, field

import pytest
import structlog

from common.core.errors import ConfigError
from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message
from common.notify.say import send_directly, send_now

MESSAGE = Message("t")


@dataclass
class Scripted:
    """A channel that fails as it is told, then delivers."""

    failures: list[Undelivered]
    sent: list[tuple[str, bool]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        assert to == "here" and 0.0 < patience <= 10.0
        self.sent.append((message.delivery, again))
        self.times.append(time.monotonic())
        if self.failures:
            raise self.failures.pop(0)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    channel = Scripted([])
    monkeypatch.setitem(CHANNELS, "slack", channel)
    return channel


def test_a_message_is_tried_again_as_the_same_delivery(channel: Scripted) -> None:
    channel.failures = [Undelivered("busy"), Undelivered("busy")]
    assert send_directly(MESSAGE, "slack", "here")
    first, second, third = channel.sent
    assert first[0] and first[0] == second[0] == third[0]
    assert [again for _, again in channel.sent] == [False, True, True]


def test_a_channel_that_asks_for_time_gets_it(channel: Scripted) -> None:
    channel.failures = [Undelivered("busy", retry_after=0.6)]
    assert send_directly(MESSAGE, "slack", "here")
    assert channel.times[1] - channel.times[0] >= 0.6


def test_nobody_waits_for_longer_than_the_patience(channel: Scripted) -> None:
    channel.failures = [Undelivered("busy", retry_after=30.0)]
    assert not send_directly(MESSAGE, "slack", "here", patience=1.0)
    assert len(channel.sent) == 1, "there is no time for what the channel asks"
    channel.failures = [Undelivered("busy")] * 100
    assert not send_directly(MESSAGE, "slack", "here", patience=1.0)
    assert channel.failures, "there is no time for so many tries"


def test_what_lasts_is_not_tried_again(channel: Scripted) -> None:
    channel.failures = [Undelivered("no such channel", lasting=True)]
    with structlog.testing.capture_logs() as lines:
        assert not send_directly(MESSAGE, "slack", "here")
    assert len(channel.sent) == 1
    (line,) = lines
    assert line["why"] == "no such channel" and line["channel"] == "slack"


def test_who_must_know_is_told_why(channel: Scripted) -> None:
    channel.failures = [Undelivered("no such channel", lasting=True)]
    with pytest.raises(Undelivered, match="no such channel"):
        send_now(MESSAGE, "slack", "here")
    with pytest.raises(ConfigError, match="Known: slack"):
        send_now(MESSAGE, "smoke", "here")
    assert not send_directly(MESSAGE, "smoke", "here")


def test_a_repeat_of_somebody_elses_try_is_one(channel: Scripted) -> None:
    send_now(Message("t", delivery="mine"), "slack", "here", again=True)
    assert channel.sent == [("mine", True)]
