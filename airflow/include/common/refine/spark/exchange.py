"""Where executors leave what they find for the worker: on the disk that they share, or in the staging zone."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.core.assets import Zone
from common.core.errors import StoreUnavailable
from common.zones.store import Changed, ZoneStore


class Exchange(Protocol):
    """Files that each are put once, under a name that is nobody else's."""

    def put(self, file: Path) -> str:
        """Hand a local file over, and return its name."""
        ...

    def get(self, name: str, folder: Path) -> Path:
        """Return a file of that name on local disk; what has to be copied is put into the folder."""
        ...


@dataclass(frozen=True)
class SharedDisk:
    """A folder of the worker's, whose own threads the executors are."""

    folder: Path

    def put(self, file: Path) -> str:
        """Move a file into the folder."""
        name = _name()
        shutil.move(file, self.folder / name)
        return name

    def get(self, name: str, folder: Path) -> Path:  # noqa: ARG002
        """Return the file where it is."""
        return self.folder / name


@dataclass(frozen=True)
class Staged:
    """Objects of the staging zone below hop and attempt: executors are on other machines."""

    under: str

    def put(self, file: Path) -> str:
        """Write a file to the store."""
        name = _name()
        with file.open("rb") as content:
            ZoneStore(Zone.STAGING).write_part(f"{self.under}/{name}", content)
        return name

    def get(self, name: str, folder: Path) -> Path:
        """Fetch a file from the store; raises StoreUnavailable where it is gone."""
        store, key, path = ZoneStore(Zone.STAGING), f"{self.under}/{name}", folder / name
        found = store.head(key)
        try:
            store.download(key, path, found.etag if found else "")
        except Changed as error:
            raise StoreUnavailable(f"{store.uri(key)}, which an executor wrote, is gone.") from error
        return path


@contextmanager
def staged(under: str) -> Iterator[Staged]:
    """Give a place in the staging zone, emptied after the block; what comes later, retention removes."""
    try:
        yield Staged(under)
    finally:
        store = ZoneStore(Zone.STAGING)
        with suppress(StoreUnavailable):  # retention removes it, and what failed before is the error to tell
            for item in store.list(f"{under}/"):
                with suppress(Changed):
                    store.delete(item.key, item.etag)


def _name() -> str:
    return f"{uuid.uuid4().hex}.parquet"
