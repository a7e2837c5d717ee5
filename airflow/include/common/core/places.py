"""Where the data of a batch lies, and what a batch that processes records again is to do: types, and their JSON.

The JSON is one flat object, written for ever into manifests, the audit log and the ledger: its keys stay, an absent key
differs from null, and keys that this version does not know are kept as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from common.core.arrivals import microseconds
from common.core.errors import NewerVersion
from common.core.shape import Shape

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class RawFile:
    """A delivery: a file below the raw zone, as the look that recorded it saw it.

    `arrival` is its place in the order of the dataset's deliveries: when it was modified, in microseconds since 1970,
    raised until no other delivery has it.
    """

    key: str
    etag: str
    size: int
    modified: str
    arrival: int | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arrived(self) -> int:
        """Its arrival; one that was recorded before there were arrivals has the moment it was modified."""
        return microseconds(self.modified) if self.arrival is None else self.arrival


@dataclass(frozen=True)
class BronzeFile:
    """A file in bronze: its key, the raw key it came from, when it landed, and how it is read (None: found out).

    `arrival` is that of its delivery; files that were copied before there were arrivals have none.
    """

    ALWAYS: ClassVar = ("shape",)
    key: str
    etag: str
    size: int
    name: str
    raw: str
    landed: str
    shape: Shape | None
    arrival: int | None = None
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arrived(self) -> int:
        """The arrival of its delivery, or the moment it landed where that has none."""
        return microseconds(self.landed) if self.arrival is None else self.arrival


@dataclass(frozen=True)
class TableVersion:
    """A commit of a lake table: its version, once it is known, the partitions it touched, the slices that wait.

    `unrestored` counts the keys whose row it withdrew without the row before that, which is not kept; `tied` those of
    which several rows have the latest version, so that their content has decided; `unknown` the columns of its files
    that the contract lacks. Where it is `remade`, its rows took the place of all that were there, maybe with other
    types, key or partition, so no feed tells the change.
    """

    partitions: tuple[str, ...] = ()
    version: int | None = None
    waiting: Mapping[str, list[str]] | None = None
    unrestored: int | None = None
    tied: int | None = None
    unknown: int | None = None
    remade: bool | None = None
    other: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WarehouseTable:
    """A table of a warehouse."""

    table: str
    other: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceRange:
    """What is to be fetched from a source that is no file of raw: pinned before anything is read.

    `range` is what it is one of: `watermark` (rows after one mark up to another), `day` (the table of a day),
    `revision` (what a sheet holds), `file` (a version of one). `source` names what is read, `name` is what the object
    in raw is called after, `seen` tells one content from another.
    """

    range: str
    source: str
    name: str
    after: str | None = None
    upto: str | None = None
    seen: str | None = None
    other: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unnamed:
    """A place of a kind that this module has no type for; a replay of all deliveries has none of its own."""

    other: Mapping[str, Any] = field(default_factory=dict)


Place = RawFile | BronzeFile | TableVersion | WarehouseTable | SourceRange | Unnamed


@dataclass(frozen=True)
class StoredAt:
    """An object of a zone, by key and ETag."""

    key: str
    etag: str
    size: int
    zone: str


@dataclass(frozen=True)
class RefusedRows:
    """The rows of one refusal in a Parquet file of quarantine."""

    place: str
    batch: str
    reason: str
    rule: str
    column: str


@dataclass(frozen=True)
class Replay:
    """What is done again: for one consumer or for all, some slices or all of them.

    With `whole` it is every delivery of a dataset at once, and the table holds nothing but what they give. With `keys`
    a load carries the rows of these alone: each names the columns of the key with their values as texts. With `waiting`
    nothing is done again: a delivery takes those of its waiting rows that need not wait any more.
    """

    consumer: str = ""
    first: str = ""
    last: str = ""
    whole: bool = False
    keys: tuple[Mapping[str, str], ...] = ()
    waiting: bool = False


@dataclass(frozen=True)
class Rerun:
    """How a batch processes records of an earlier one again.

    `of` is that batch; `at` a refused file in quarantine, read in place of the one in raw; `only` and `skip` name
    refused records by the shape `was`; `file` is the bronze key that mended rows were refused from.
    """

    of: str | None = None
    at: StoredAt | None = None
    only: tuple[RefusedRows, ...] | None = None
    skip: tuple[RefusedRows, ...] | None = None
    was: Shape | None = None
    file: str | None = None
    replay: Replay | None = None


def to_json(place: Place, rerun: Rerun | None = None) -> Json:
    """Return a place, and how it is processed again, as one JSON object."""
    written = _written(place) | dict(place.other)
    return written | (_written(rerun) if rerun else {})


def from_json(stored: Mapping[str, Any]) -> tuple[Place, Rerun | None]:
    """Read a place, and how it is processed again; raises NewerVersion where a shape has fields unknown here."""
    again = {key: value for key, value in stored.items() if key in _RERUN and value is not None}
    rest = {key: value for key, value in stored.items() if key not in again}
    return _read(_kind(rest), rest), _read(Rerun, again) if again else None


def _kind(stored: Json) -> type[Place]:
    if "modified" in stored:
        return RawFile
    if "range" in stored:
        return SourceRange
    if "landed" in stored:
        return BronzeFile
    if "table" in stored:
        return WarehouseTable
    return TableVersion if "partitions" in stored else Unnamed


def _written(thing: Any) -> Json:
    always = getattr(thing, "ALWAYS", ())
    values = ((f.name, getattr(thing, f.name)) for f in fields(thing) if f.name != "other")
    return {name: _plain(value) for name, value in values if value is not None or name in always}


def _plain(value: Any) -> Any:
    match value:
        case Replay():
            words = {"for": value.consumer, "from": value.first, "to": value.last, "whole": value.whole}
            words |= {"keys": [dict(key) for key in value.keys], "waiting": value.waiting}
            return {word: meant for word, meant in words.items() if meant}
        case Shape():
            defaults = {f.name: f.default for f in fields(value) if f.name in value.ADDED}
            written = {name: v for name, v in asdict(value).items() if name not in defaults or v != defaults[name]}
            return {name: list(v) if isinstance(v, tuple) else v for name, v in written.items()}
        case StoredAt():
            return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(value).items()}
        case tuple():
            return [asdict(item) if isinstance(item, RefusedRows) else item for item in value]
        case _:
            return value


def _read(kind: type[T], stored: Json) -> T:
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    always = getattr(kind, "ALWAYS", ())
    filled = [name for name in names if name in stored and (stored[name] is not None or name in always)]
    known = {name: _READERS.get(name, _same)(stored[name]) for name in filled}
    other = {name: value for name, value in stored.items() if name not in filled}
    return kind(**known, **({"other": other} if "other" in names else {}))


def _same(value: Any) -> Any:
    return value


def shape_from_json(stored: Json | None) -> Shape | None:
    """Read how a file is read; raises NewerVersion where it has fields unknown here."""
    if stored is None:
        return None
    if unknown := stored.keys() - {f.name for f in fields(Shape)}:
        raise NewerVersion(f"The shape of a file has {', '.join(sorted(unknown))}")
    values: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    return Shape(**values)


def _replay(stored: Json) -> Replay:
    keys = tuple(dict(key) for key in stored.get("keys", []))
    span = stored.get("for", ""), stored.get("from", ""), stored.get("to", "")
    return Replay(*span, stored.get("whole", False), keys, stored.get("waiting", False))


def _refused(stored: list[Json]) -> tuple[RefusedRows, ...]:
    return tuple(RefusedRows(**item) for item in stored)


_RERUN = {f.name for f in fields(Rerun)}
_READERS: dict[str, Callable[[Any], Any]] = {
    "shape": shape_from_json,
    "was": shape_from_json,
    "partitions": tuple,
    "at": lambda said: StoredAt(**said),
    "only": _refused,
    "skip": _refused,
    "replay": _replay,
}
