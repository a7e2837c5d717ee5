"""The nouns of the platform, frozen: dataset, batch, counts, head."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from common.core.errors import ConfigError
from common.core.places import BronzeFile, Place, RawFile, Rerun, SourceRange, Unnamed, from_json, to_json


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

    `place` says where the data lies; `rerun` is set where the batch processes records of an earlier one again.
    """

    id: str
    asset: str
    records: int = 0
    bytes: int = 0
    checksum: str = ""
    partition: str | None = None
    contract: str = ""
    place: Place = field(default_factory=Unnamed)
    rerun: Rerun | None = None
    parents: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Batch":
        """Read a batch; raises NewerVersion where its place is of a newer version."""
        place, rerun = from_json(values["place"])
        rest = {name: value for name, value in values.items() if name != "place"}
        return cls(**rest | {"parents": tuple(values["parents"])}, place=place, rerun=rerun)

    @property
    def raw(self) -> RawFile:
        """The file in raw that a batch is; raises TypeError where it is none."""
        if not isinstance(self.place, RawFile):
            raise TypeError(f"Batch {self.id} of {self.asset} is no file in raw.")
        return self.place

    @property
    def bronze(self) -> BronzeFile:
        """The file in bronze that a batch is; raises TypeError where it is none."""
        if not isinstance(self.place, BronzeFile):
            raise TypeError(f"Batch {self.id} of {self.asset} is no file in bronze.")
        return self.place

    @property
    def range(self) -> SourceRange:
        """The range of a source that a batch is; raises TypeError where it is none."""
        if not isinstance(self.place, SourceRange):
            raise TypeError(f"Batch {self.id} of {self.asset} is no range of a source.")
        return self.place

    @property
    def json(self) -> dict[str, Any]:
        """The batch as a JSON object."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("place", "rerun")}
        return values | {"place": to_json(self.place, self.rerun), "parents": list(self.parents)}


@dataclass(frozen=True)
class Consumer:
    """One dataset or model into one table of one target.

    `ordered` consumers read versions of Delta tables: they take batches in order, never a part of them, and stop on an
    error; the others may narrow to the batch at fault and park it. `to` names the warehouse that it loads, `part`
    what it takes of its dataset where it leaves the rest to others, as one study.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    contract: str
    ordered: bool
    dataset: Dataset
    to: str = ""
    part: str = ""


@dataclass(frozen=True)
class Head:
    """What a target says of itself: number and attempt of its last commit; hop 0 is an untouched target."""

    hop: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class Reason:
    """Who decides something, and why."""

    who: str
    why: str


@dataclass(frozen=True)
class Refusal:
    """Refused rows or one refused file of a batch, by cause, and where they were put."""

    batch: str
    reason: str
    count: int
    rule: str = ""
    column: str = ""
    place: str = ""
    of: Literal["row", "file"] = "file"
