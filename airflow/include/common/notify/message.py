"""What is to be said, before any channel renders it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any
from unicodedata import category

LONGEST_TITLE, LONGEST_FACT, LONGEST_TEXT, MOST_FACTS = 250, 1000, 4000, 20
CUT = " [...] "
UNSEEN = ("Cc", "Cs")  # control characters, and halves of characters
LOGIN = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")  # of an address: user and password


class Severity(StrEnum):
    """How bad something is, the least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return its number in the order."""
        return list(Severity).index(self)


class State(StrEnum):
    """What a message says of its subject."""

    OPENED = "opened"
    STILL_OPEN = "still open"
    RESOLVED = "resolved"
    REPORT = "report"  # of what nobody has to do anything about


@dataclass(frozen=True)
class Message:
    """A title, facts in their order, the error's text, what to do, where to read more, and prose for what is no error.

    `key` is equal for all messages of one incident, `delivery` for each time that one message is sent.
    """

    title: str
    state: State = State.OPENED
    severity: Severity = Severity.ERROR
    facts: tuple[tuple[str, str], ...] = ()
    error: str = ""
    advice: str = ""
    link: str = ""
    key: str = ""
    delivery: str = ""
    text: str = ""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Message":
        """Read a message."""
        facts = tuple((name, value) for name, value in values["facts"])
        words = {"state": State(values["state"]), "severity": Severity(values["severity"])}
        return cls(**{**values, **words, "facts": facts})

    @property
    def json(self) -> dict[str, Any]:
        """The message as a JSON object."""
        return asdict(self)

    @property
    def plain(self) -> str:
        """Return the message as one line, for notifications and clients without blocks."""
        first = (self.error.strip() or self.text.strip()).partition("\n")[0]
        return f"{self.title}: {first}" if first else self.title

    @property
    def bounded(self) -> "Message":
        """Return the message as every channel can bear it: texts cut in their middle, no password of an address."""
        facts = self.facts
        if (left_out := len(facts) - MOST_FACTS + 1) > 1:
            facts = (*facts[: MOST_FACTS - 1], ("Left out", f"{left_out} more facts"))
        return replace(self, facts=facts).changed(_sound).within(LONGEST_TEXT)

    def changed(self, change: Callable[[str], str]) -> "Message":
        """Return the message with each of its texts changed."""
        return replace(
            self,
            title=change(self.title),
            facts=tuple((change(name), change(value)) for name, value in self.facts),
            error=change(self.error),
            advice=change(self.advice),
            link=change(self.link),
            text=change(self.text),
        )

    def within(self, most: int) -> "Message":
        """Return the message with no text longer than `most` characters, and none longer than its kind may be."""
        title, fact, text = (min(most, longest) for longest in (LONGEST_TITLE, LONGEST_FACT, LONGEST_TEXT))
        return replace(
            self,
            title=_one_line(self.title, title),
            facts=tuple((_one_line(name, title), cut(value, fact)) for name, value in self.facts),
            error=cut(self.error, text),
            advice=cut(self.advice, fact),
            text=cut(self.text, text),
        )


def cut(text: str, most: int) -> str:
    """Return a text whose middle is left out where it is too long."""
    if len(text) <= most:
        return text
    half = (most - len(CUT)) // 2
    return f"{text[:half]}{CUT}{text[len(text) - half :]}"


def _one_line(text: str, most: int) -> str:
    return cut(" ".join(text.split()), most)


def _sound(text: str) -> str:
    """Return a text without logins and unprintable characters."""
    return LOGIN.sub(r"\1:***@", "".join(c for c in text if c in "\n\t" or category(c) not in UNSEEN))
