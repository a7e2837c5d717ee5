"""Keys in raw that are named after a range: its batch's id in letters, which no pattern takes for a date."""

import re

from common.core.nouns import Batch, Dataset
from common.zones.zone import folder

HEX, LETTERS = "0123456789abcdef", "abcdefghijklmnop"
RANGE = re.compile(rf"\.([{LETTERS}]{{32}})(?:\.[^/]*)?$")


def raw_key(dataset: Dataset, batch: Batch, suffix: str) -> str:
    """Return the key in raw of what was fetched for a range: the range's name, then the batch's id."""
    letters = batch.id.translate(str.maketrans(HEX, LETTERS))
    return f"{folder(dataset)}/{batch.range.name}.{letters}{suffix}"


def range_of(key: str) -> str | None:
    """Return the id of the batch that a key in raw is named after; None where a producer has named it."""
    found = RANGE.search(key)
    return found[1].translate(str.maketrans(LETTERS, HEX)) if found else None
