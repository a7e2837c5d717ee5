"""One Delta table that one consumer writes: its head, its versions, its changes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import polars as pl
from arro3.core import Table as ArrowTable
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError, TableNotFoundError

from common.core.assets import Zone
from common.core.errors import CommitConflict, ContractError, NotApplied, StoreUnavailable
from common.core.nouns import Batch, Dataset, Head
from common.core.places import TableVersion
from common.lake.widen import holds_all, widen
from common.zones.store import ZoneStore, storage_options
from common.zones.zone import folder

COMMIT_RETRIES = 50
RECENT_COMMITS = 20
KEEP_FOR_EVER = PostCommitHookProperties(cleanup_expired_logs=False)
CHANGE = "_change_type"


class LakeTable:
    """A Delta table as its one consumer sees it.

    The object that `head` loads is the one that everything is read from and committed on, so that a commit by
    anybody else in between is noticed (a commit by URI would not be).
    """

    def __init__(self, zone: Zone, dataset: Dataset, consumer: str) -> None:
        self.store = ZoneStore(zone)
        self.folder = folder(dataset)
        self.uri = self.store.uri(self.folder)
        self.consumer = consumer
        self._loaded: DeltaTable | None = None

    def ensure(self, schema: dict[str, pl.DataType], partition_by: Sequence[str] = ()) -> None:
        """Make the empty table where there is none, with its change feed on; add new columns and widen known ones.

        Raises ContractError where a column has another type that does not hold all its values, or the partition is
        another, CommitConflict where a hop commits meanwhile.
        """
        if DeltaTable.is_deltatable(self.uri, storage_options()):
            self._evolve(schema, partition_by)
            return
        DeltaTable.create(
            self.uri,
            schema=_delta_schema(schema),
            partition_by=list(partition_by),
            mode="ignore",
            configuration={
                "delta.enableChangeDataFeed": "true",
                "delta.logRetentionDuration": "interval 3650 days",
                # Every load reads the commits since the last checkpoint, one request each.
                "delta.checkpointInterval": "10",
            },
            storage_options=storage_options(),
        )

    def _evolve(self, schema: Mapping[str, pl.DataType], partition_by: Sequence[str]) -> None:
        table, wanted = self.load(), _delta_schema(schema)
        known = dict(pl.scan_delta(table).collect_schema())
        other = {field.name for field in table.schema().fields} & {
            field.name for field in wanted.fields if field not in table.schema().fields
        }
        changed = {name: schema[name] for name in schema if name in other and known[name] != schema[name]}
        narrower = [name for name, kind in changed.items() if not holds_all(known[name], kind)]
        self._refuse(narrower, known, schema, partition_by)
        if changed:
            fields = {field.name: field for field in wanted.fields}
            widen(
                self, changed, DeltaSchema([fields[f.name] if f.name in changed else f for f in table.schema().fields])
            )
            table = self.load()
        if new := [field for field in wanted.fields if field.name not in known]:
            table.alter.add_columns(new)

    def _refuse(
        self,
        narrower: Sequence[str],
        known: Mapping[str, pl.DataType],
        schema: Mapping[str, pl.DataType],
        partition_by: Sequence[str],
    ) -> None:
        found = self.snapshot.metadata().partition_columns
        reasons = [f"{name} is {_named(known[name])}, asked for is {_named(schema[name])}" for name in narrower]
        if found != list(partition_by):
            reasons.append(f"its partition is {found or 'none'}, asked for is {list(partition_by) or 'none'}")
        if reasons:
            raise ContractError(
                f"{self.uri} was made with other types of {list(narrower) or 'none'}: {'; '.join(reasons)}. In place "
                "only decimals become wider, and integers decimal(19,0) or wider. For anything else take the new "
                "contract back, or do all of the table anew under it (a backfill of the whole table)."
            )

    def require(self, columns: Sequence[str]) -> None:
        """Check that the loaded table has these columns, which would be lost else; raises NotApplied."""
        if missing := sorted(set(columns) - {field.name for field in self.snapshot.schema().fields}):
            raise NotApplied(f"{self.uri} has no column {', '.join(missing)} yet. Run `watershed apply`.")

    def load(self) -> DeltaTable:
        """Load the table as it is now; raises NotApplied where there is none, StoreUnavailable."""
        try:
            self._loaded = DeltaTable(self.uri, storage_options=storage_options())
        except TableNotFoundError as error:
            raise NotApplied(f"There is no table at {self.uri}. Run `watershed apply`.") from error
        except (DeltaError, OSError) as error:
            raise StoreUnavailable(f"{self.uri} cannot be read: {error}") from error
        return self._loaded

    @property
    def snapshot(self) -> DeltaTable:
        """Return the object loaded last."""
        return self._loaded or self.load()

    def head(self) -> Head:
        """Read number and attempt of the last hop committed here, from a fresh load."""
        table = self.load()
        return Head(
            table.transaction_version(self.consumer) or 0,
            table.transaction_version(f"{self.consumer}/attempt") or 0,
        )

    def properties(self, hop: int, attempt: int) -> CommitProperties:
        """Return what makes a commit this hop: two app transactions, and a note for whoever reads the history.

        Raises CommitConflict where the loaded table is not at the hop before.
        """
        if (self.snapshot.transaction_version(self.consumer) or 0) != hop - 1:
            raise CommitConflict(f"{self.uri} is not at hop {hop - 1} of {self.consumer}; it will be read again.")
        return CommitProperties(
            app_transactions=[Transaction(self.consumer, hop), Transaction(f"{self.consumer}/attempt", attempt)],
            custom_metadata={"watershed.hop": str(hop), "watershed.consumer": self.consumer},
            max_commit_retries=COMMIT_RETRIES,
        )

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Complete an output with the Delta version that its hop made."""
        if not isinstance(batch.place, TableVersion):
            raise TypeError(f"Batch {batch.id} of {batch.asset} is no commit of a lake table.")
        return replace(batch, place=replace(batch.place, version=self.version_of(hop)))

    def version_of(self, hop: int) -> int:
        """Find the version that a hop made; the current one for hops older than the kept log."""
        for depth in (RECENT_COMMITS, None):
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


def _delta_schema(schema: Mapping[str, pl.DataType]) -> DeltaSchema:
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
    rows = pl.scan_delta(uri, version=version, storage_options=storage_options())
    return padded(rows, schema) if schema else rows


def padded(rows: pl.LazyFrame, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Add the columns of the schema that rows lack, as null."""
    known = rows.collect_schema()
    return rows.with_columns(pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in known)


def changes(uri: str, after: int, upto: int, columns: Sequence[str]) -> pl.DataFrame:
    """Read the changed rows between two versions, with `_change_type`, `after` itself excluded.

    Types are insert, delete, update_preimage and update_postimage.
    """
    wanted = [_quoted(name) for name in (*columns, CHANGE, "_commit_version")]
    table = DeltaTable(uri, storage_options=storage_options())
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
