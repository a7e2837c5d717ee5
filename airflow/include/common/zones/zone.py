"""The zones of the platform and where each one lives."""

from dataclasses import dataclass

from common.core.assets import Zone
from common.core.nouns import Dataset
from common.core.settings import Settings


@dataclass(frozen=True)
class Place:
    """A bucket and the prefix of one zone in it (empty, or ending in a slash)."""

    bucket: str
    prefix: str

    def uri(self, key: str = "") -> str:
        """Return the s3:// address of a key of this zone."""
        return f"s3://{self.bucket}/{self.prefix}{key}"


def place(zone: Zone, settings: Settings) -> Place:
    """Return where a zone lives: a bucket of its own, or a prefix of the common one."""
    own = settings.zone_buckets.get(zone)
    return Place(own, "") if own else Place(settings.bucket, f"{zone}/")


def folder(dataset: Dataset) -> str:
    """Return the folder of a dataset, the same below every zone."""
    return f"{dataset.domain}/{dataset.name}"
