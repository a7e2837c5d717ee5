"""Which dataset a landed file is of: by its folder, by its name, or else by its columns."""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from common.contracts.contract import Contract
from common.core.errors import UnreadableFile
from common.core.scratch import scratch
from common.zones.store import Changed


def dataset_of_file(known: Mapping[str, Contract], key: str, download: Callable[[Path], None]) -> str | None:
    """Return the name of the one dataset that claims a file, or None where none or several do.

    `key` is the file's in raw; `download` copies it to a path, and is called where its columns must tell.
    """
    below = key.partition("/")[2]
    folder, inside, _ = below.partition("/")
    if inside and folder in known:
        return folder
    claims = [name for name, contract in known.items() if any(_fits(below, one) for one in contract.files.names)]
    claims = claims or list(_by_columns(known, below, download))
    return claims[0] if len(claims) == 1 else None


def _fits(below: str, pattern: str) -> bool:
    """Return whether a key has the folders and the name of a pattern; a `*` stops at a slash."""
    parts, wanted = below.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _by_columns(known: Mapping[str, Contract], below: str, download: Callable[[Path], None]) -> Iterator[str]:
    candidates = {name: contract for name, contract in known.items() if contract.files.columns}
    if not candidates:
        return
    from common.formats import sniff  # engines, which a look at names alone does without

    with scratch() as folder:
        path = folder / "file"
        try:
            download(path)
        except Changed:  # the hop that finds it gone says so
            return
        for name, contract in candidates.items():
            try:
                shape = sniff(path, below.rpartition("/")[2], contract.dialect, contract.sources)
            except UnreadableFile:
                continue
            if not set(contract.files.columns) - (set(shape.columns) - set(shape.absent)):
                yield name
