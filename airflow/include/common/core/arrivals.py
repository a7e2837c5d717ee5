"""The order of deliveries: when each was modified, raised until no two of a dataset are the same."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: str) -> int:
    """Return a point in time, given in ISO 8601 with its offset, as microseconds since 1970."""
    return (datetime.fromisoformat(moment) - EPOCH) // timedelta(microseconds=1)


def raised(moments: Iterable[int], taken: Collection[int] = ()) -> Iterator[int]:
    """Return each moment, raised by one until it is neither taken nor that of one before."""
    used, free = set(taken), dict[int, int]()
    for moment in moments:
        at = free.get(moment, moment)
        while at in used:
            at += 1
        used.add(at)
        free[moment] = at + 1
        yield at
