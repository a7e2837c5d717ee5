"""Drawn histories of keys, and the intervals that they must give: written from the definition, in plain Python."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH, MICRO = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
# Texts whose concatenations are equal, that differ in blanks or case alone, and nothing at all.
TEXTS = (None, None, "a", "an", "na", "n", "A", "a.b", "😀", "0")
AMOUNTS = (None, "1.50", "-1.50", "0.00", "1.49")
# Two instants of one microsecond's distance, several of a day, days, years.
INSTANTS = tuple(
    int((datetime(2024, 1, 1, tzinfo=UTC) - EPOCH) / MICRO) + offset
    for offset in (-(10**15), -1, 0, 1, 2, 3_600_000_000, 7_200_000_000, 86_400_000_000, 10**15)
)


@dataclass(frozen=True)
class Version:
    """One record of a key: since when it is valid (microseconds), what else orders it, its values, or that it is gone."""

    key: tuple[Any, ...]
    since: int
    order: tuple[Any, ...]
    values: tuple[Any, ...]
    gone: bool = False


@dataclass(frozen=True)
class Interval:
    """One row of the table."""

    key: tuple[Any, ...]
    values: tuple[Any, ...]
    begin: int
    end: int | None

    @property
    def row(self) -> tuple[Any, ...]:
        """Return it as the table has it."""
        return (*self.key, *self.values, self.begin, self.end, self.end is None)


def drawn(
    chance: random.Random, keys: Iterable[tuple[Any, ...]], instants: Sequence[int] = INSTANTS
) -> Iterator[Version]:
    """Draw a history of each key: up to eight records, corrections of a version and deletions among them."""
    for key in keys:
        few = chance.random() < 0.5  # of few values many are equal to their neighbours
        for _ in range(chance.choice((1, 1, 2, 3, 4, 5, 8))):
            values = chance.choice(TEXTS[-3:] if few else TEXTS), chance.choice(TEXTS), chance.choice(AMOUNTS)
            yield Version(key, chance.choice(instants), (chance.randrange(3),), values, chance.random() < 0.2)


def intervals(versions: Iterable[Version], tracked: Callable[[tuple[Any, ...]], Any]) -> list[Interval]:
    """Return the longest stretches of time in which a key is there and its tracked values are the same.

    A key's state at a time is its newest version since then or before. A stretch has the values of its last state.
    """
    of_key: dict[tuple[Any, ...], list[Version]] = {}
    for version in versions:
        of_key.setdefault(version.key, []).append(version)
    return [found for known in of_key.values() for found in _stretches(known, tracked)]


def _stretches(versions: list[Version], tracked: Callable[[tuple[Any, ...]], Any]) -> Iterator[Interval]:
    instants = sorted({version.since for version in versions})
    states = [max((v for v in versions if v.since <= now), key=lambda v: (v.since, v.order)) for now in instants]
    at = 0
    while at < len(states):
        upto = at
        while upto + 1 < len(states) and _alike(states[at], states[upto + 1], tracked):
            upto += 1
        if not states[at].gone:
            end = instants[upto + 1] if upto + 1 < len(states) else None
            yield Interval(states[at].key, states[upto].values, instants[at], end)
        at = upto + 1


def _alike(one: Version, other: Version, tracked: Callable[[tuple[Any, ...]], Any]) -> bool:
    return not one.gone and not other.gone and tracked(one.values) == tracked(other.values)
