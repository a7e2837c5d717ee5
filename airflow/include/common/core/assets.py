"""Names of assets: a dataset in a zone."""

from dataclasses import dataclass
from enum import StrEnum

from common.core.errors import ConfigError
from common.core.nouns import Dataset


class Zone(StrEnum):
    """Where data of one quality lives; `manifests` holds the hops' own records, `staging` parts on their way.

    `source` is what is no file yet, known by the ranges that are to be fetched from it.
    """

    SOURCE = "source"
    RAW = "raw"
    PROCESSING = "processing"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    QUARANTINE = "quarantine"
    ARCHIVE = "archive"
    MANIFESTS = "manifests"
    STAGING = "staging"


@dataclass(frozen=True)
class Asset:
    """A dataset in a zone, written `domain.dataset.zone`."""

    dataset: Dataset
    zone: Zone

    @classmethod
    def parse(cls, name: str) -> "Asset":
        """Read the name of an asset; raises ConfigError where it is none of the lake's."""
        dataset, _, zone = name.rpartition(".")
        if zone not in tuple(Zone):
            zones = ", ".join(Zone)
            raise ConfigError(f"'{name}' is no asset of a zone: expected domain.dataset.zone. Zones: {zones}.")
        return cls(Dataset.parse(dataset), Zone(zone))

    def __str__(self) -> str:
        return f"{self.dataset}.{self.zone}"


def asset_name(dataset: Dataset, zone: Zone) -> str:
    """Return the name of the asset of a dataset in a zone, as in `ecommerce.transactions.silver`."""
    return str(Asset(dataset, zone))
