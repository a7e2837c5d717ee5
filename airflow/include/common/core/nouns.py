"""The nouns of the platform, frozen: dataset, batch, counts, head."""

from dataclasses import dataclass, field
from typing import Any

from common.core.errors import ConfigError


@dataclass(frozen=True, order=True)
class Dataset:
    """One kind of record in a domain, written `domain.name`."""

    domain: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Dataset":
        """Read `domain.name`; raises ConfigError on anything else."""
        domain, dot, name = text.partition(".")
        if not (domain and dot and name) or "." in name:
            raise ConfigError(f"'{text}' is not a dataset: expected domain.name, as in ecommerce.transactions.")
        return cls(domain, name)

    def __str__(self) -> str:
        return f"{self.domain}.{self.name}"


@dataclass(frozen=True)
class Counts:
    """What went into a hop and what became of it: files up to bronze, records after it."""

    taken: int = 0
    good: int = 0
    merged: int = 0
    refused: int = 0

    @property
    def balanced(self) -> bool:
        """Whether everything taken is accounted for."""
        return min(self.good, self.merged, self.refused) >= 0 and self.taken == (self.good + self.merged + self.refused)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.taken + other.taken,
            self.good + other.good,
            self.merged + other.merged,
            self.refused + other.refused,
        )

    def __str__(self) -> str:
        return f"{self.taken} in = {self.good} good + {self.merged} merged + {self.refused} refused"


@dataclass(frozen=True)
class Batch:
    """One atomic publication of data into an asset.

    `place` says where the data is: an object's key, ETag and size, or a Delta version.
    """

    id: str
    asset: str
    records: int = 0
    bytes: int = 0
    checksum: str = ""
    partition: str | None = None
    contract: str = ""
    place: dict[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Head:
    """What a target says of itself: number and attempt of its last commit; hop 0 is an untouched target."""

    hop: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class Refusal:
    """Refused records or one refused file of a batch, by cause, and where they were put."""

    batch: str
    reason: str
    count: int
    rule: str = ""
    column: str = ""
    place: str = ""
