"""A folder elsewhere, on a disk that workers share or in another object store: each version of a file is fetched."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from common.contracts.contract import Contract
from common.contracts.sources import SourceSpec
from common.core.connections import connection
from common.core.errors import ConfigError, SourceUnavailable
from common.core.ids import short_hash
from common.core.places import SourceRange
from common.sources.source import ROLE, Found, Gone, Known, moment_name

BLOCK = 1 << 20
LOCAL = "file://"


class Folder:
    """The files below a folder whose path matches a pattern."""

    def __init__(self, spec: SourceSpec, contract: Contract) -> None:
        del contract
        self.spec = spec

    def suffix(self, pinned: SourceRange) -> str:
        """Return what the file's own name ends with, from its first dot on."""
        return _ending(pinned.source)

    def look(self, known: Known) -> Found:
        """Name every file that there is now, by what tells one version of it from another."""
        del known
        store, root = self._opened()
        try:
            found = store.find(root, detail=True)
            if not found and not store.exists(root):
                raise ConfigError(
                    f"There is no folder {self.spec.url} for Airflow Connection '{self.spec.conn}'. Nothing was read."
                )
        except (OSError, ValueError) as error:
            raise self._meaning(error) from error
        files = list(self._matching(found, root))
        return Found(tuple(files), f"no file in {self.spec.url} that matches '{self.spec.pattern}' is new")

    def _matching(self, found: dict[str, Any], root: str) -> Iterator[SourceRange]:
        for path, info in sorted(found.items()):
            name = path.removeprefix(root).lstrip("/")
            if info.get("type") == "file" and fnmatchcase(name, self.spec.pattern):
                version = _version(info)
                changed = _changed(info)
                stem = name.removesuffix(_ending(name))
                yield SourceRange("file", name, f"{stem}.{changed}", seen=version)

    def fetch(self, pinned: SourceRange, to: Path) -> int:
        """Copy the bytes of the pinned version; raises Gone where the file is gone, or another one now."""
        store, root = self._opened()
        path = f"{root.rstrip('/')}/{pinned.source}"
        try:
            with store.open(path, "rb") as source, to.open("wb") as target:
                while block := source.read(BLOCK):
                    target.write(block)
            store.invalidate_cache()
            now = _version(store.info(path))
        except FileNotFoundError:
            raise Gone(f"{pinned.source} in {self.spec.url} is not there any more.") from None
        except (OSError, ValueError) as error:
            raise self._meaning(error) from error
        if now != pinned.seen:
            raise Gone(f"{pinned.source} in {self.spec.url} was overwritten before it was read.")
        return 1

    def _opened(self) -> tuple[Any, str]:
        """Open the file system of the address: that of Airflow's provider where the address is none of this machine."""
        if self.spec.url.startswith(LOCAL):
            from fsspec.implementations.local import LocalFileSystem

            return LocalFileSystem(), "/" + self.spec.url.removeprefix(LOCAL).strip("/")
        connection(self.spec.conn, ROLE)
        from airflow.sdk import ObjectStoragePath

        at = ObjectStoragePath(self.spec.url.rstrip("/"), conn_id=self.spec.conn)
        at.fs.invalidate_cache()
        return at.fs, str(at.path)

    def _meaning(self, error: Exception) -> Exception:
        text = f"Folder {self.spec.url} by Airflow Connection '{self.spec.conn}': {type(error).__name__} {error}"
        if isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError | ValueError):
            return ConfigError(f"{text}. Check address, bucket and credentials.")
        return SourceUnavailable(f"{text}. It will be tried again.")


def _ending(name: str) -> str:
    """Return how a file's name ends, from its first dot on; a dot that it begins with is part of the name."""
    found = re.search(r"(?<=[^/])\.[^/]*$", name)
    return name[found.start() :] if found and "/" not in name[found.start() :] else ""


def _version(info: dict[str, Any]) -> str:
    """Return what tells one version of a file from another: its ETag, or size and time."""
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    return etag or f"{info.get('size')}-{info.get('ino', '')}-{info.get('mtime', '')}"


def _changed(info: dict[str, Any]) -> str:
    """Return when a file was changed, so that the names of two versions sort as they came."""
    at = info.get("LastModified") or info.get("mtime")
    if isinstance(at, int | float):
        at = datetime.fromtimestamp(at, UTC)
    return moment_name(at.astimezone(UTC)) if isinstance(at, datetime) else short_hash(_version(info))
