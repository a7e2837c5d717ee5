"""Work out a little ahead what somebody else is going to use."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_AHEAD = 2
T = TypeVar("T")
R = TypeVar("R")


def ahead(items: Iterator[T], work: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Yield items and what was worked out from each, in order.

    One thread makes items, two others work on them, while the caller uses those that are ready.
    """
    with ThreadPoolExecutor(1) as maker, ThreadPoolExecutor(_AHEAD) as workers:
        coming: deque[Future[tuple[T, R] | None]] = deque()

        def finish(item: Future[T | None]) -> tuple[T, R] | None:
            made = item.result()
            return None if made is None else (made, work(made))

        def begin() -> None:
            coming.append(workers.submit(finish, maker.submit(next, items, None)))

        for _ in range(_AHEAD):
            begin()
        while (ready := coming.popleft().result()) is not None:
            begin()
            yield ready
