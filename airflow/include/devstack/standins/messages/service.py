"""What a stand-in says about itself: its API, how it fails, and what a person would see."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter
from fastapi.responses import Response

from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.mailbox import Mailbox, Record

Failures = Mapping[Kind, Callable[[Fault], Response]]


@dataclass(frozen=True)
class Account:
    """Where a service keeps messages, the secret that it takes them with, and its address."""

    box: Mailbox
    token: str
    address: str

    def admits(self, token: str) -> bool:
        """Return whether this is the secret."""
        return secrets.compare_digest(token.encode(), self.token.encode())


@dataclass(frozen=True)
class Service:
    """A service that carries messages.

    `articles` writes its messages, oldest first, as HTML. `paths` are where its API begins, `delivery` is how the path
    of a call ends that delivers a message, `failures` are its own answers where it is busy, broken, or refuses a token.
    """

    name: str
    title: str
    articles: Callable[[Sequence[Record]], list[str]]
    routes: Callable[[Account], APIRouter] | None = None
    paths: tuple[str, ...] = ()
    delivery: str = ""
    failures: Failures = field(default_factory=dict)
