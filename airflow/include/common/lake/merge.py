"""Merge rows into a lake table by key in one commit: only the files in which such a key stands are written anew."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import polars as pl

from common.lake.entry import Action, added, changed, commit, files, removed
from common.lake.parts import PART_ROWS, address, read_file, sorted_parts, stage_parts
from common.lake.schema import Layout
from common.lake.statistics import holding
from common.lake.table import CHANGE, LakeTable, reading
from common.zones.store import storage_options

FILE, PARTITION, ROW = "_address", "_partition", "_row"
SMALL_FILES = 16  # of one partition: with so many, the next merge that adds rows to it joins them


def merge(
    table: LakeTable, rows: pl.DataFrame, key: Sequence[str], hop: int, attempt: int, gone: str | None = None
) -> None:
    """Commit rows by key: rows of a known key replace it, others are inserted; where column `gone` is true, removed.

    Columns that the rows lack stay what they are. Raises CommitConflict, UnknownFeature, StoreUnavailable.
    """
    leaving = rows[gone] if gone else pl.repeat(value=False, n=rows.height, eager=True)
    rows = rows.drop(gone) if gone else rows

    def actions() -> list[Action]:
        with reading(table.uri):
            made = Merge(table, key, f"{hop}/{attempt}/{uuid4().hex[:8]}")
            return list(made.actions(rows, leaving))

    commit(table, hop, attempt, "MERGE", actions, table.snapshot.schema())


class Merge:
    """One try to merge into the table as it is loaded: parts are staged, and the actions that name them returned."""

    def __init__(self, table: LakeTable, key: Sequence[str], under: str) -> None:
        self.table, self.key, self.under = table, list(key), under
        self.layout = Layout(table.columns, tuple(table.snapshot.metadata().partition_columns), tuple(key))
        self.partition = pl.struct(self.layout.partition_by) if self.layout.partition_by else pl.lit(None, pl.Boolean)
        known = files(table.snapshot)
        addresses = pl.Series(FILE, [address(table, path) for path in known["path"]], pl.String)
        self.files = known.with_columns(addresses, pl.col("partition").alias(PARTITION))
        self.before: list[pl.DataFrame] = []

    def actions(self, rows: pl.DataFrame, leaving: pl.Series) -> Iterator[Action]:
        """Return which files go and come, and where files go what readers of changes are told in place of that."""
        rows = rows.with_row_index(ROW)
        found = self._found(rows)
        after = self._placed(rows.filter(~leaving), found)
        small = self._small(after.filter(pl.col(FILE).is_null()))
        going = self.files.join(pl.concat([found.select(FILE), small.select(FILE)]), on=FILE, how="semi")
        frames = self._frames(after, found, going, set(small[FILE]))
        parts = list(stage_parts(self.table, frames, self.layout, self.under))
        yield from (removed(file, change=True) for file in going.iter_rows(named=True))
        yield from (added(part, change=True) for part in parts)
        if going.height:
            told = [self._feed(after.select(list(self.layout.schema)))]
            yield from map(changed, stage_parts(self.table, told, self.layout, self.under, "_change_data/"))

    def _found(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Find the keys that the table has: the file of each, and what stands there that the rows lack.

        The key has no column of the partition, whose values are not in the files.
        """
        near = holding(self.files, rows.select(self.key))
        lacking = [name for name in self.layout.schema if name not in rows.columns]
        inside = {name: self.layout.schema[name] for name in (*self.key, *lacking)}
        wanted = rows.select(ROW, *self.key).lazy()
        found = _scan(near[FILE].to_list(), inside).join(wanted, on=self.key, nulls_equal=True)
        # Streaming: in memory, polars 2.1 misses NaN where it joins sorted columns.
        return found.collect(engine="streaming").join(near.select(FILE, PARTITION), on=FILE)

    def _placed(self, rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
        """Give each row the file where its key stands already, or none; one that changes its partition is new there."""
        both = rows.join(found.unique(subset=ROW).drop(self.key), on=ROW, how="left")
        here = pl.when(self.partition.eq_missing(pl.col(PARTITION))).then(FILE).alias(FILE)
        return both.select(*self.layout.schema, here)

    def _small(self, new: pl.DataFrame) -> pl.DataFrame:
        """Return the small files of those partitions that get new rows and have too many of them."""
        where = new.with_columns(self.partition.alias(PARTITION))
        small = self.files.filter(pl.col("num_records") < PART_ROWS // 2)
        beside = small.join(where, on=PARTITION, how="semi", nulls_equal=True)
        return beside.filter(pl.len().over(PARTITION) >= SMALL_FILES)

    def _frames(
        self, after: pl.DataFrame, found: pl.DataFrame, going: pl.DataFrame, small: set[str]
    ) -> Iterator[pl.DataFrame]:
        """Return what is written: files with their rows replaced, then new rows together with the small files."""
        of_file, none = after.partition_by(FILE, as_dict=True, include_key=False), after.clear().drop(FILE)
        new = [of_file.get((None,), none)]
        for file in going.iter_rows(named=True):
            old, keys = read_file(self.table, file, self.layout.schema), found.filter(pl.col(FILE) == file[FILE])
            self.before.append(self._known(old, keys))
            rows = pl.concat([self._unknown(old, keys), of_file.get((file[FILE],), none)])
            if file[FILE] in small:
                new.append(rows)
            else:
                yield from sorted_parts(rows, self.key) if rows.height > 2 * PART_ROWS else [rows]
        yield from sorted_parts(pl.concat(new), [*self.layout.partition_by, *self.key])

    def _feed(self, after: pl.DataFrame) -> pl.DataFrame:
        """Return the changed rows, each with its kind of change; call it when all files are read."""
        before = pl.concat([after.clear(), *self.before])
        kinds = {
            "update_preimage": self._known(before, after),
            "delete": self._unknown(before, after),
            "update_postimage": self._known(after, before),
            "insert": self._unknown(after, before),
        }
        return pl.concat(rows.with_columns(pl.lit(kind).alias(CHANGE)) for kind, rows in kinds.items())

    def _known(self, rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
        return rows.join(others, on=self.key, how="semi", nulls_equal=True)

    def _unknown(self, rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
        known = self._known(rows.select(self.key).with_row_index(ROW), others)
        return rows.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(known[ROW].implode()))  # cheaper than a join


def _scan(addresses: list[str], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """Read a few columns of some files, each row with the address of its file."""
    if not addresses:
        return pl.LazyFrame(schema={**schema, FILE: pl.String()})
    return pl.scan_parquet(
        addresses,
        schema=schema,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
        include_file_paths=FILE,
        storage_options=storage_options(),
    )
