"""Channels for tests: they keep what they are sent, and fail as they are told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from common.notify import outbox
from common.notify.channel import Undelivered
from common.notify.look import heading
from common.notify.message import Message


@dataclass
class Kept:
    """A channel that keeps messages; `fault` is called before each is kept."""

    fault: Callable[[Message, str], None] | None = None
    kept: list[tuple[str, Message, bool]] = field(default_factory=list)

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        if self.fault:
            self.fault(message, to)
        self.kept.append((to, message, again))

    @property
    def titles(self) -> list[str]:
        return [heading(message) for _, message, _ in self.kept]


def dead(message: Message, to: str) -> None:
    raise Undelivered("the port is dead")


def refused(message: Message, to: str) -> None:
    raise Undelivered("invalid_auth", lasting=True)


@contextmanager
def kept_channels(*words: str) -> Iterator[dict[str, Kept]]:
    """Put channels that keep messages in place of all others."""
    found = {word: Kept() for word in words}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "CHANNELS", found)
        yield found
