"""The key in raw of what was fetched for a range."""

from common.core.nouns import Batch, Dataset
from common.core.range_keys import lettered
from common.zones.zone import folder


def raw_key(dataset: Dataset, batch: Batch, suffix: str) -> str:
    """Return the key in raw of what was fetched for a range: the range's name, then the batch's id."""
    return f"{folder(dataset)}/{batch.range.name}.{lettered(batch.id)}{suffix}"
