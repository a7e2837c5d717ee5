"""What a process makes once and keeps: until it is told to forget, or the files that it was read from change."""

import time
from collections.abc import Callable, Hashable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
LOOK_AGAIN = 1.0  # seconds for which files are taken as unchanged

_kept: list[Callable[[], None]] = []


def per_process(make: Callable[P, R], *, on_forget: Callable[[R], Any] | None = None) -> Callable[P, R]:
    """Keep what a function returns for each of its arguments, which must be hashable, until `forget`.

    `on_forget` is given each value that is forgotten, to close what it holds open.
    """
    values: dict[Hashable, R] = {}

    @wraps(make)
    def kept(*args: P.args, **words: P.kwargs) -> R:
        key = (args, tuple(sorted(words.items())))
        if key not in values:
            values[key] = make(*args, **words)
        return values[key]

    def drop() -> None:
        while values:
            _, value = values.popitem()
            if on_forget:
                on_forget(value)

    _kept.append(drop)
    return kept


def per_files(files: Callable[P, Iterable[Path]]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep what a function reads from files until one of them changes, comes or goes, or until `forget`.

    `files` lists them for the function's arguments; it is asked once in LOOK_AGAIN seconds.
    """

    def decorate(read: Callable[P, R]) -> Callable[P, R]:
        values: dict[Hashable, tuple[float, Any, R]] = {}

        @wraps(read)
        def kept(*args: P.args, **words: P.kwargs) -> R:
            key, moment = (args, tuple(sorted(words.items()))), time.monotonic()
            if key in values and moment - values[key][0] < LOOK_AGAIN:
                return values[key][2]
            stamp = [(path, _changed(path)) for path in files(*args, **words)]
            value = values[key][2] if key in values and values[key][1] == stamp else read(*args, **words)
            values[key] = (moment, stamp, value)
            return value

        _kept.append(values.clear)
        return kept

    return decorate


def _changed(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def forget() -> None:
    """Forget everything that this process has kept, as when its environment is another."""
    for drop in _kept:
        drop()
