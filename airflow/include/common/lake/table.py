"""One Delta table that one consumer writes: its head, its versions, its changes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import polars as pl
from arro3.core import Table as ArrowTable
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError, TableNotFoundError

from common.core.assets import Zone
from common.core.caches import per_process
from common.core.errors import CommitConflict, ContractError, NotApplied, StoreUnavailable
from common.core.nouns import Batch, Dataset, Head
from common.core.places import TableVersion
from common.lake.entry import CHECKPOINT_INTERVAL, COMMIT_RETRIES
from common.lake.schema import Layout
from common.lake.widen import holds_all, widen
from common.zones.store import ZoneStore, storage_options
from common.zones.zone import folder

RECENT_COMMITS = (1, 20)
KEPT_VERSIONS = 8
KEEP_FOR_EVER = PostCommitHookProperties(cleanup_expired_logs=False)
CHANGE = "_change_type"


class LakeTable:
    """A Delta table as its one consumer sees it.

    The object that `head` loads is the one that everything is read from and committed on, so that a commit by
    anybody else in between is noticed (a commit by URI would not be).
    """

    def __init__(self, zone: Zone, dataset: Dataset, consumer: str, key: Sequence[str] = ()) -> None:
        self.store = ZoneStore(zone)
        self.dataset = dataset
        self.folder = folder(dataset)
        self.uri = self.store.uri(self.folder)
        self.consumer = consumer
        self.key = tuple(key)
        self._loaded: DeltaTable | None = None

    def ensure(self, layout: Layout, *, remade: bool = False) -> None:
        """Make the empty table where there is none, with its change feed on; add new columns and widen known ones.

        What else is other than the table was made with is left to the next hop where that replaces all rows
        (`remade`). Else raises ContractError where a type does not hold all that the column has, or partition or
        identity are others; CommitConflict where a hop commits meanwhile.
        """
        if DeltaTable.is_deltatable(self.uri, storage_options()):
            if not remade:
                self._refuse(layout)
            self._evolve(layout)
            return
        DeltaTable.create(
            self.uri,
            schema=delta_schema(layout.schema),
            partition_by=list(layout.partition_by),
            description=layout.description,
            mode="ignore",
            configuration={
                "delta.enableChangeDataFeed": "true",
                "delta.logRetentionDuration": "interval 3650 days",
                # Every load reads the commits since the last checkpoint, one request each.
                CHECKPOINT_INTERVAL: "10",
            },
            storage_options=storage_options(),
        )

    def _evolve(self, layout: Layout) -> None:
        table, wanted, schema = self.load(), delta_schema(layout.schema), layout.schema
        known = self.columns
        changed = {name: kind for name, kind in schema.items() if name in known and holds_all(known[name], kind)}
        changed = {name: kind for name, kind in changed.items() if known[name] != kind}
        if changed:
            fields = {field.name: field for field in wanted.fields}
            widen(
                self, changed, DeltaSchema([fields[f.name] if f.name in changed else f for f in table.schema().fields])
            )
            table = self.load()
        if new := [field for field in wanted.fields if field.name not in known]:
            table.alter.add_columns(new)
        if layout.description and table.metadata().description is None:  # made before tables said what a row is
            table.alter.set_table_description(layout.description)

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Return the columns of the loaded table."""
        return dict(pl.Schema(self.snapshot.schema().to_arrow()))

    def _refuse(self, layout: Layout) -> None:
        """Refuse a layout that the table cannot be given while it keeps its rows; raises ContractError."""
        known, meta = self.columns, self.snapshot.metadata()
        other = {name: kind for name, kind in layout.schema.items() if name in known and known[name] != kind}
        narrower = {name: kind for name, kind in other.items() if not holds_all(known[name], kind)}
        reasons = [f"{name} is {_named(known[name])}, asked for is {_named(kind)}" for name, kind in narrower.items()]
        found, wanted = meta.partition_columns, list(layout.partition_by)
        if found != wanted:
            reasons.append(f"its partition is {found or 'none'}, asked for is {wanted or 'none'}")
        if layout.description and meta.description not in (None, layout.description):
            reasons.append(f"it has {meta.description}, asked for is {layout.description}")
        if reasons:
            raise ContractError(
                f"{self.uri} was made otherwise: {'; '.join(reasons)}. In place only decimals become wider, and "
                "integers decimal(19,0) or wider. For anything else do all of the table anew under the new contract, "
                f"`watershed backfill run {self.dataset} --all --why ...`, then `watershed apply`; or take it back."
            )

    def differs(self, layout: Layout) -> bool:
        """Return whether rows of a layout do not fit the loaded table: in a type, or in the partition."""
        known = {field.name: field.type for field in self.snapshot.schema().fields}
        types = any(known.get(field.name) != field.type for field in delta_schema(layout.schema).fields)
        return types or self.snapshot.metadata().partition_columns != list(layout.partition_by)

    def require_columns(self, columns: Sequence[str]) -> None:
        """Check that the loaded table has these columns, which would be lost else; raises NotApplied."""
        if missing := sorted(set(columns) - self.columns.keys()):
            raise NotApplied(f"{self.uri} has no column {', '.join(missing)} yet. Run `watershed apply`.")

    def require(self, layout: Layout) -> None:
        """Check that the loaded table is made as its rows will be; raises NotApplied, ContractError."""
        self._refuse(layout)
        self.require_columns(list(layout.schema))
        known = self.columns
        if wider := [name for name, kind in layout.schema.items() if known[name] != kind]:
            raise NotApplied(f"{self.uri} has an older type of {', '.join(wider)}. Run `watershed apply`.")

    def load(self) -> DeltaTable:
        """Load the table as it is now; raises NotApplied where there is none, StoreUnavailable."""
        self._loaded = None
        with reading(self.uri):
            self._loaded = DeltaTable(self.uri, storage_options=storage_options())
        return self._loaded

    def reload(self) -> DeltaTable:
        """Bring the loaded table to what its log says now, most often by one request; raises as `load` does."""
        table, self._loaded = self._loaded, None  # one that could not be brought there is loaded anew
        if table is None:
            return self.load()
        with reading(self.uri):
            table.update_incremental()
        self._loaded = table
        return table

    @property
    def snapshot(self) -> DeltaTable:
        """Return the object loaded last."""
        return self._loaded or self.load()

    def rows(self) -> pl.LazyFrame:
        """Return the rows of the table as it was loaded."""
        return pl.scan_delta(self.snapshot)

    def head(self) -> Head:
        """Read number and attempt of the last hop committed here, from the log as it is now."""
        table = self.reload()
        return Head(
            table.transaction_version(self.consumer) or 0,
            table.transaction_version(f"{self.consumer}/attempt") or 0,
        )

    def properties(self, hop: int, attempt: int) -> CommitProperties:
        """Return what makes a commit this hop: two app transactions, and a note for whoever reads the history.

        Raises CommitConflict where the loaded table is not at the hop before.
        """
        self.require_before(hop)
        return CommitProperties(
            app_transactions=[Transaction(*mark) for mark in self.marks(hop, attempt).items()],
            custom_metadata=self.note(hop),
            max_commit_retries=COMMIT_RETRIES,
        )

    def require_before(self, hop: int) -> None:
        """Check that the loaded table is at the hop before; raises CommitConflict."""
        if (self.snapshot.transaction_version(self.consumer) or 0) != hop - 1:
            raise CommitConflict(f"{self.uri} is not at hop {hop - 1} of {self.consumer}; it will be read again.")

    def checkpoint(self) -> None:
        """Sum up the log as it is now, so that whoever loads the table reads few entries; raises StoreUnavailable."""
        table = self.reload()
        with reading(self.uri):
            table.create_checkpoint()

    def marks(self, hop: int, attempt: int) -> dict[str, int]:
        """Return the app transactions of a commit by name: they are what `head` reads."""
        return {self.consumer: hop, f"{self.consumer}/attempt": attempt}

    def note(self, hop: int) -> dict[str, str]:
        """Return what a commit says to whoever reads the table's history."""
        return {"watershed.hop": str(hop), "watershed.consumer": self.consumer}

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Complete an output with the Delta version that its hop made."""
        if not isinstance(batch.place, TableVersion):
            raise TypeError(f"Batch {batch.id} of {batch.asset} is no commit of a lake table.")
        return replace(batch, place=replace(batch.place, version=self.version_of(hop)))

    def version_of(self, hop: int) -> int:
        """Find the version that a hop made; the current one for hops older than the kept log."""
        for depth in (*RECENT_COMMITS, None):
            for commit in self.snapshot.history(depth):
                if commit.get("watershed.hop") == str(hop) and commit.get("watershed.consumer") == self.consumer:
                    return int(commit["version"])
        return int(self.snapshot.version())

    def commits(self) -> dict[int, list[int]]:
        """Return the versions that each hop of the consumer has made."""
        found: dict[int, list[int]] = {}
        for commit in self.snapshot.history():
            if commit.get("watershed.consumer") == self.consumer:
                found.setdefault(int(commit["watershed.hop"]), []).append(int(commit["version"]))
        return found

    def parts_of(self, version: int) -> set[str]:
        """Return the files that one version has added; none where its log entry is no longer kept."""
        entry = self.store.read(f"{self.folder}/_delta_log/{version:020}.json") or b""
        actions = map(json.loads, entry.splitlines())
        return {unquote(action["add"]["path"]) for action in actions if "add" in action}


def _named(kind: pl.DataType) -> str:
    """Name a type as contracts do."""
    if isinstance(kind, pl.Decimal):
        return f"decimal({kind.precision},{kind.scale})"
    names = {pl.String(): "string", pl.Int64(): "integer", pl.Float64(): "number", pl.Boolean(): "boolean"}
    return "timestamp" if isinstance(kind, pl.Datetime) else names.get(kind, str(kind).lower())


def delta_schema(schema: Mapping[str, pl.DataType]) -> DeltaSchema:
    """Return columns as Delta has them."""
    return DeltaSchema.from_arrow(ArrowTable(pl.DataFrame(schema=schema)).schema)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Translate what engines raise when the store fails under them; raises StoreUnavailable, NotApplied.

    Classes tell that from what cannot be computed, whatever words a message quotes: polars has an OSError for the store
    and its own errors for data; of delta-rs's, a schema that does not fit comes of the data.
    """
    try:
        yield
    except TableNotFoundError as error:
        raise NotApplied(f"There is no table for {what}. Run `watershed apply`.") from error
    except SchemaMismatchError:
        raise
    except (DeltaError, OSError) as error:
        raise StoreUnavailable(f"{what} cannot be read: {error}") from error


def committing(what: str, error: Exception) -> Exception:
    """Translate what delta-rs raises at a commit; whether anything was committed, only the head can say."""
    if isinstance(error, CommitFailedError):
        return CommitConflict(f"{what}: {error}")
    if isinstance(error, DeltaError | OSError) and not isinstance(error, SchemaMismatchError):
        return StoreUnavailable(f"{what}: {error}")
    return error


def read_at(uri: str, version: int, schema: Mapping[str, pl.DataType] | None = None) -> pl.LazyFrame:
    """Read a table at an exact version; columns of `schema` that it did not have then are null."""
    rows = pl.scan_delta(_at(uri, version))
    return padded(rows, schema) if schema else rows


def _at(uri: str, version: int) -> DeltaTable:
    """Load a table at an exact version, which never changes: the last few are kept, for as long as their credentials.

    Raises NotApplied, StoreUnavailable.
    """
    with reading(uri):
        return _versions()(uri, version, tuple(sorted(storage_options().items())))


@per_process
def _versions() -> Callable[[str, int, tuple[tuple[str, str], ...]], DeltaTable]:
    return lru_cache(KEPT_VERSIONS)(
        lambda uri, version, options: DeltaTable(uri, version=version, storage_options=dict(options))
    )


def padded(rows: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Add the columns of the schema that rows lack, as null."""
    known = rows.collect_schema()
    return rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in known)


def changes(uri: str, after: int, upto: int, columns: Sequence[str]) -> pl.DataFrame:
    """Read the changed rows between two versions, with `_change_type`, `after` itself excluded.

    Types are insert, delete, update_preimage and update_postimage.
    """
    wanted = [_quoted(name) for name in (*columns, CHANGE, "_commit_version")]
    table = _at(uri, upto) if after < upto else None
    if table is None or not set(columns) <= {field.name for field in table.schema().fields}:
        table = DeltaTable(uri, storage_options=storage_options())  # columns that came later are null
    if after >= upto:
        empty = pl.scan_delta(table).select(columns).head(0).collect()
        return empty.with_columns(pl.lit("").alias(CHANGE), pl.lit(0, pl.Int64).alias("_commit_version"))
    feed: Any = table.load_cdf(starting_version=after + 1, ending_version=upto, columns=wanted)
    return pl.DataFrame(feed)


def _quoted(name: str) -> str:
    """Quote a name for delta-rs, which reads names of a feed's columns as SQL: `end` is a word, capitals are lost."""
    return '"' + name.replace('"', '""') + '"'


def row_count(uri: str, version: int) -> int:
    """Return how many rows a table has at a version, from what its log says of the files."""
    return int(read_at(uri, version).select(pl.len()).collect().item())


def current_version(uri: str) -> int:
    """Return the newest version of a table."""
    return int(DeltaTable(uri, storage_options=storage_options()).version())
