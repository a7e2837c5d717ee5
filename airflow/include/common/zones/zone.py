"""The zones of the platform and where each one lives."""

from dataclasses import dataclass

from common.core.assets import Zone
from common.core.nouns import Dataset
from common.core.settings import Settings


@dataclass(frozen=True)
class Place:
    """A bucket and the prefix of one zone in it (empty, or ending in a slash).

    Keys are relative to it. `of` is the folder, ending in a slash, of which alone it is the place; its name, with which
    keys begin everywhere, is left out there.
    """

    bucket: str
    prefix: str
    of: str = ""

    def uri(self, key: str = "") -> str:
        """Return the s3:// address of a key of this zone."""
        return f"s3://{self.bucket}/{self.name(key)}"

    def name(self, key: str) -> str:
        """Return the name that the bucket has for a key."""
        return self.prefix + key.removeprefix(self.of)

    def key(self, name: str) -> str:
        """Return the key that a name of the bucket is."""
        return self.of + name[len(self.prefix) :]


def place(zone: Zone, settings: Settings, key: str = "") -> Place:
    """Return where a zone lives, or the part of it in which a key is.

    It is a bucket of its own, or a prefix of the common one; a domain may have places of its own.
    """
    domain, slash, _ = key.partition("/")
    if slash and (own := settings.zone_buckets.get(f"{domain}.{zone}")):
        return _place(own, f"{domain}/")
    common = settings.zone_buckets.get(zone)
    return _place(common) if common else Place(settings.bucket, f"{zone}/")


def places(zone: Zone, settings: Settings) -> list[Place]:
    """Return the places of a zone: first those of domains, then the common one."""
    own = [name.partition(".")[0] for name in settings.zone_buckets if name.endswith(f".{zone}")]
    return [*(place(zone, settings, f"{domain}/") for domain in own), place(zone, settings)]


def _place(address: str, of: str = "") -> Place:
    bucket, _, prefix = address.rstrip("/").partition("/")
    return Place(bucket, f"{prefix}/" if prefix else "", of)


def folder(dataset: Dataset) -> str:
    """Return the folder of a dataset, the same below every zone."""
    return f"{dataset.domain}/{dataset.name}"
