"""Folders on local disk for files that are on their way; who needs one removes what killed processes have left."""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.core.caches import per_process

PREFIX = "watershed-"
LOCK = ".lock"
AGE = 60.0  # seconds, in which a new folder has got its lock


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder of this process for the length of a block.

    The operating system holds its lock for as long as the process lives, however that ends: a folder whose lock is free
    belongs to nobody. Where it lies says TMPDIR.
    """
    _tidy(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, (Path(folder) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(folder)


@per_process
def _tidy(where: str) -> int:
    """Remove the folders of processes that are gone, once a process; return how many there were."""
    gone = 0
    for folder in Path(where).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or somebody else removes it
            if time.time() - folder.stat().st_mtime < AGE:
                continue
            with (folder / LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                gone += 1
    return gone
