"""A dataset's contract as frozen data, in the platform's own words."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from common.contracts.deliveries import DeliverSpec
from common.contracts.sources import SourceSpec
from common.core.nouns import Dataset
from common.core.shape import Dialect

ARRIVAL = "arrival"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # of domains, datasets and columns
ENDING = {"value": "part", "day": "day", "month": "month", "year": "year"}  # of the name of a partition's column
FILE_COLUMN, RECORD_COLUMN, ARRIVAL_COLUMN, DELETED_COLUMN = "_file", "_record", "_arrival", "_deleted"


class Kind(StrEnum):
    """The types a column can have."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"


TIMES = (Kind.DATE, Kind.TIMESTAMP)


class Delivery(StrEnum):
    """What a later delivery of a raw key does to an earlier one: stands beside it, or takes its place."""

    APPEND = "append"
    REPLACE = "replace"


class Refiner(StrEnum):
    """Where files are refined: on the machine of the task, or by the executors of a Spark."""

    POLARS = "polars"
    SPARK = "spark"


class LoadStrategy(StrEnum):
    """How a table can be loaded."""

    FULL = "full"
    INCREMENTAL = "incremental"
    SCD2 = "scd2"


class Evolution(StrEnum):
    """What becomes of a warehouse's table that is not what its load asks for."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Numbers:
    """How numbers are written in texts: the signs of fraction and thousands, and what may stand around the digits.

    `symbols` are texts before or after the number (`$`, `EUR`); `negative` says which ways of marking one are in use
    besides a minus before it: `trailing` (5-), `parentheses` ((5)).
    """

    decimal: str = "."
    group: str = ""
    symbols: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clock:
    """How times without an offset are meant: of which `zone`, and whether they may be missing or must be.

    `overlap` says which of two times is meant that a clock shows twice (`earlier`, `later`); without it such a time is
    refused, as one is that a clock never shows. With `cut`, digits beyond the microsecond are dropped.
    """

    zone: str = "UTC"
    offset: bool | None = None
    overlap: str | None = None
    cut: bool = False


@dataclass(frozen=True)
class Column:
    """One column: its type, how it is cleaned, and the rules its values obey.

    `source` is the name in the files; `formats` are strftime patterns tried in order; `nulls` are the texts
    that mean nothing is known; `case` and `normalise` name transformations of refining, after which `spellings` and
    `mail_domains` map a text, or the part behind the `@`, to the one that is meant. `accepted` and the limits
    are values of the column's own type; `above` and `below` are limits that a value must not reach.
    """

    name: str
    kind: Kind
    source: str
    description: str = ""
    precision: int = 18
    scale: int = 2
    required: bool = False
    formats: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ("",)
    case: str | None = None
    normalise: tuple[str, ...] = ()
    region: str | None = None
    spellings: tuple[tuple[str, str], ...] = ()
    mail_domains: tuple[tuple[str, str], ...] = ()
    numbers: Numbers = Numbers()
    clock: Clock = Clock()
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    accepted: tuple[Any, ...] = ()
    minimum: Any = None
    maximum: Any = None
    above: Any = None
    below: Any = None
    multiple_of: Decimal | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    form: str | None = None
    personal: bool = False

    @property
    def type(self) -> str:
        """Return the type as a contract writes it, such as `decimal(12,2)`."""
        return f"{self.kind}({self.precision},{self.scale})" if self.kind is Kind.DECIMAL else str(self.kind)


@dataclass(frozen=True)
class Partitioning:
    """How rows are grouped in the table: a date column by `day`, `month` or `year`, or any column by `value`.

    `path` is a regular expression with one group that finds the partition of a file in its raw key.
    """

    column: str | None = None
    by: str = "value"
    path: str | None = None

    @property
    def derived(self) -> str | None:
        """Name the column of the table that it is partitioned by."""
        return f"{self.column}_{ENDING.get(self.by, 'part')}" if self.column else None


@dataclass(frozen=True)
class DeleteMarker:
    """A record whose `column` has one of `values` says that its key is gone, from its version on."""

    column: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class LoadSpec:
    """Where a table is loaded to and how; with `history` every version of its keys, else the current ones.

    `evolution` says what becomes of a table there that is not as asked.

    The rest is of `scd2` alone: the columns whose change opens a row, by default all but key and version, and the names
    of the columns that it adds.
    """

    to: str
    strategy: str
    table: str | None = None
    history: bool = False
    evolution: str = Evolution.EVOLVE
    track: tuple[str, ...] | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    is_current: str | None = None

    @property
    def interval(self) -> tuple[str, str, str]:
        """Name the columns that `scd2` adds: begin, end, and whether there is no end."""
        return self.valid_from or "valid_from", self.valid_to or "valid_to", self.is_current or "is_current"


@dataclass(frozen=True)
class BatchRules:
    """What a batch must be like; one that is not is held back until a person releases or refuses it.

    `rows` and `of_median` are (least, most): records of the batch, and their share of the median of recent hops'
    batches. `max_age_hours` is the age of the newest `age_column` when the file landed. With `known_columns`, files
    with columns that the contract does not know, or without optional ones that it does, are held.
    """

    max_refused_share: float | None = None
    rows: tuple[float | None, float | None] = (None, None)
    of_median: tuple[float | None, float | None] = (None, None)
    max_age_hours: float | None = None
    age_column: str | None = None
    known_columns: bool = False


@dataclass(frozen=True)
class FileRoute:
    """How files are known that do not land in the dataset's own folder.

    `names` are patterns of the key below the domain's raw prefix, folder by folder; `columns` those that only files of
    this dataset have. The groups of `path`, a regular expression found in that key, are called after columns, and hold
    what each row of the file must have there.
    """

    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    path: str | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """Name the columns whose values a file's key may tell."""
        return tuple(re.compile(self.path).groupindex) if self.path else ()

    def values(self, key: str) -> dict[str, str]:
        """Return what a file's key in raw tells of columns; nothing where it is of another form."""
        found = re.search(self.path, key.partition("/")[2]) if self.path else None
        return {name: value for name, value in found.groupdict().items() if value is not None} if found else {}


@dataclass(frozen=True)
class Contract:
    """What a dataset promises: columns, identity of a row, rules, partition, freshness, targets.

    With `history` the table keeps every version of a key, a version being the `latest` columns; `deleted` tells
    which records say that a key is gone. `engine` is where its files are refined, `deliver` where its rows go as forms.
    """

    dataset: Dataset
    version: str
    hash: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()  # means nothing any more; read for one version, so that lint can say so
    history: bool = False
    deleted: DeleteMarker | None = None
    delivery: str = Delivery.APPEND
    partition: Partitioning = field(default_factory=Partitioning)
    dialect: Dialect = field(default_factory=Dialect)
    files: FileRoute = field(default_factory=FileRoute)
    loads: tuple[LoadSpec, ...] = ()
    batch: BatchRules = field(default_factory=BatchRules)
    owner: str = "data-platform"
    description: str = ""
    freshness_hours: float | None = None
    source: SourceSpec | None = None
    deliver: DeliverSpec | None = None
    engine: str | None = None  # None: what the settings say for all

    @property
    def identity(self) -> tuple[str, ...]:
        """Name the columns that tell one row from another: the key and, with history, the version; or the place."""
        if not self.key:
            return FILE_COLUMN, RECORD_COLUMN
        return (*self.key, *(self.versions or (ARRIVAL_COLUMN,))) if self.history else self.key

    @property
    def by_arrival(self) -> bool:
        """Return whether the place of a row in the order of deliveries says which of a key is the latest."""
        return ARRIVAL in self.latest

    @property
    def replaces(self) -> bool:
        """Return whether a later delivery of a raw key takes the place of the earlier ones."""
        return self.delivery == Delivery.REPLACE

    @property
    def versions(self) -> tuple[str, ...]:
        """Name the columns that tell the newer of two rows of a key."""
        return tuple(name for name in self.latest if name != ARRIVAL)

    @property
    def sources(self) -> tuple[str, ...]:
        """Name the columns expected in the files."""
        return tuple(column.source for column in self.columns)

    @property
    def needed(self) -> tuple[str, ...]:
        """Name the columns without which a file is refused whole."""
        return tuple(c.source for c in self.columns if c.required or c.name in (*self.key, *self.marking))

    @property
    def marking(self) -> tuple[str, ...]:
        """Name the columns, beside the key, that no row of a table with history or delete markers can lack."""
        marker = (self.deleted.column,) if self.deleted else ()
        return (*(self.versions if self.history else ()), *marker)

    @property
    def personal(self) -> frozenset[str]:
        """Name the columns that are tagged as personal data, which no listing shows."""
        return frozenset(column.name for column in self.columns if column.personal)

    def column(self, name: str) -> Column:
        """Find a column by name; raises KeyError."""
        return next(column for column in self.columns if column.name == name)
