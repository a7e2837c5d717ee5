"""Versions of what is written for ever: one reader for each, and a clear end where none fits."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from common.core.errors import NewerVersion

T = TypeVar("T")
Json = Mapping[str, Any]


def read_versioned(stored: Json, readers: Mapping[int, Callable[[Json], T]], what: str) -> T:
    """Read a JSON object by the reader of its version `v`; an object without one is of version 1.

    Raises NewerVersion where there is no such reader; `what` names the object.
    """
    version = stored.get("v", 1)
    if version not in readers:
        raise NewerVersion(f"{what} is of version {version}, known are {', '.join(map(str, readers))}")
    return readers[version](stored)
