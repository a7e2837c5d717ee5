"""Keys in raw that are named after a range of a source: its batch's id in letters, no pattern takes them for a date."""

import re

HEX, LETTERS = "0123456789abcdef", "abcdefghijklmnop"
RANGE = re.compile(rf"\.([{LETTERS}]{{32}})(?:\.[^/]*)?$")
# A version is named by a moment before the id: without both the key is that of all versions. PostgreSQL reads it too.
VERSION = rf"(\.[0-9-]{{10}}T[0-9.]{{13}}Z)?\.[{LETTERS}]{{32}}"


def lettered(id_: str) -> str:
    """Write a batch's id in letters."""
    return id_.translate(str.maketrans(HEX, LETTERS))


def range_of(key: str) -> str | None:
    """Return the id of the batch that a key in raw is named after; None where a producer has named it."""
    found = RANGE.search(key)
    return found[1].translate(str.maketrans(LETTERS, HEX)) if found else None


def without_version(key: str) -> str:
    """Return a key in raw without what tells one version of a sheet or a file from another; others stay as they are."""
    return re.sub(VERSION, "", key, count=1)
