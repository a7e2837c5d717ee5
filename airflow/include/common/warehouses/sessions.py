"""Sessions with a warehouse that wait to be used again: to sign in costs more than most of what a load asks."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar


class Session(Protocol):
    """Whatever a driver calls a connection."""

    def close(self) -> object:
        """End it."""
        ...


S = TypeVar("S", bound=Session)


def waiting_sessions(owner: object) -> list[S]:
    """Make the list of an object's sessions, which are closed when the object goes."""
    waiting: list[S] = []
    weakref.finalize(owner, _close, waiting)
    return waiting


def _close(waiting: list[S]) -> None:
    while waiting:
        waiting.pop().close()


@contextmanager
def session(waiting: list[S], sign_in: Callable[[], S], answers: Callable[[S], bool]) -> Iterator[S]:
    """Give a session for the length of a block: one that waits and still answers, or a new one.

    After an error nobody knows in what state a session is, so it is closed.
    """
    found = _one_that_answers(waiting, answers) or sign_in()
    try:
        yield found
    except BaseException:
        found.close()
        raise
    waiting.append(found)


def _one_that_answers(waiting: list[S], answers: Callable[[S], bool]) -> S | None:
    while waiting:
        found = waiting.pop()
        if answers(found):
            return found
        found.close()
    return None
