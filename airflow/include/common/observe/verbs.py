"""What happens in a hop, moment by moment, for whoever wants to see it: timings, spans, metrics, lineage, and tests.

A listener is called in the middle of the hop: what it raises, the hop fails with.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.core.nouns import Batch


@dataclass(frozen=True)
class Moment:
    """One moment of a verb in one kind of hop: `before` it, `after` it, `failed`, or a moment of its own inside it."""

    kind: str
    verb: str
    when: str
    batches: tuple[Batch, ...] = ()

    @property
    def name(self) -> str:
        """The moment in one word, as in `silver:publish.before`."""
        return f"{self.kind}:{self.verb}.{self.when}"


Listener = Callable[[Moment], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call a listener at every moment that this process passes inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def passed(kind: str, moment: str, batches: Iterable[Batch] = ()) -> None:
    """Say that a moment, `verb.when`, is passed."""
    if _listeners:
        word, _, when = moment.partition(".")
        found = Moment(kind, word, when, tuple(batches))
        for listener in tuple(_listeners):
            listener(found)


@contextmanager
def verb(kind: str, name: str, batches: Iterable[Batch] = ()) -> Iterator[None]:
    """Say when a verb begins, and when it ends well or fails."""
    passed(kind, f"{name}.before", batches)
    try:
        yield
    except BaseException:
        passed(kind, f"{name}.failed", batches)
        raise
    passed(kind, f"{name}.after", batches)
