"""Channels that keep what they are told to send."""

from typing import TypeAlias

import pytest

from common.notify.channels import CHANNELS
from common.notify.message import Message

Kept: TypeAlias = list[tuple[str, str, Message]]  # channel, recipient, message


class _Keeping:
    def __init__(self, word: str, kept: Kept) -> None:
        self.word, self.kept = word, kept

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:
        self.kept.append((self.word, to, message))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What was sent by any channel."""
    kept: Kept = []
    for word in CHANNELS:
        monkeypatch.setitem(CHANNELS, word, _Keeping(word, kept))
    return kept
