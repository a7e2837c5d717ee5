"""The log files of a stack, one after another or as they grow."""

import time
from collections.abc import Iterator
from pathlib import Path

from common.core.errors import ConfigError
from devstack.folder import StateFolder

LOOK = 0.3
LINES = 200


def log_of(folder: StateFolder, unit: str = "") -> list[Path]:
    """Find the log of a unit, or of all units.

    Raises ConfigError where there is none, naming those that exist.
    """
    known = {path.stem: path for path in sorted((folder.path / "logs").glob("*.log"))}
    if not unit:
        return list(known.values())
    if unit not in known:
        raise ConfigError(f"No log named {unit!r} in {folder.path}. Known: {', '.join(known) or 'none yet'}.")
    return [known[unit]]


def follow(files: list[Path], *, wait: bool) -> Iterator[str]:
    """Return the last lines of each file, and then, if asked to wait, each new line; Ctrl-C ends it."""
    marked = len(files) > 1
    places: dict[Path, int] = {}
    for path in files:
        content = path.read_bytes()
        places[path] = len(content)
        yield from _named(path, _lines(content)[-LINES:], marked=marked)
    try:
        while wait:
            time.sleep(LOOK)
            for path in files:
                yield from _named(path, _lines(_news(path, places)), marked=marked)
    except KeyboardInterrupt:
        return


def _news(path: Path, places: dict[Path, int]) -> bytes:
    with path.open("rb") as file:
        file.seek(places[path] if path.stat().st_size >= places[path] else 0)
        content = file.read()
        complete = content[: content.rfind(b"\n") + 1]
        places[path] = file.tell() - len(content) + len(complete)
    return complete


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", errors="replace").splitlines()


def _named(path: Path, lines: list[str], *, marked: bool) -> Iterator[str]:
    for line in lines:
        yield f"{path.stem} | {line}" if marked else line
