"""What is to be said, before any channel renders it."""

import re
from collections.abc import Mapping
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
    """A title, facts in their order, the error's text, what to do, and where to read more.

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
        first = self.error.strip().partition("\n")[0]
        return f"{self.title}: {first}" if first else self.title

    @property
    def bounded(self) -> "Message":
        """Return the message as every channel can bear it: texts cut in their middle, no password of an address."""
        return replace(
            self,
            title=_cut(" ".join(self.title.split()), LONGEST_TITLE),
            facts=tuple((_cut(name, LONGEST_TITLE), _cut(value, LONGEST_FACT)) for name, value in self.facts)[
                :MOST_FACTS
            ],
            error=_cut(self.error, LONGEST_TEXT),
            advice=_cut(self.advice, LONGEST_FACT),
        )


def _cut(text: str, most: int) -> str:
    """Return a text without logins and unprintable characters, whose middle is left out where it is too long."""
    sound = LOGIN.sub(r"\1:***@", "".join(c for c in text if c in "\n\t" or category(c) not in UNSEEN))
    if len(sound) <= most:
        return sound
    half = (most - len(CUT)) // 2
    return f"{sound[:half]}{CUT}{sound[-half:]}"
