"""Slowly changing dimension, type 2: one row for each interval in which the tracked columns of a key stay the same.

Intervals are made of the whole history of a key, so in whatever order versions come; those of a touched key replace
all of its rows. They are made here and not in SQL, for engines do not agree on what is equal (trailing blanks,
collations, NULL); and one share of the keys after another, so in memory that does not grow with the table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, DELETED_COLUMN, Contract, LoadSpec
from common.core.scratch import scratch
from common.lake.changes import GONE
from common.lake.schema import silver_schema
from common.load import incremental
from common.load.plan import LoadPlan
from common.warehouses.warehouse import Rows, Statement

TIME = pl.Datetime("us", "UTC")
SHARE_ROWS = 200_000  # versions that are folded at once
GROUP_ROWS = 10_000  # as many of each share are held until they are written
BEGINS = "_begins"


def statements(plan: LoadPlan) -> list[Statement]:
    """Return the statements: all rows of a touched key go, its intervals come."""
    return incremental.statements(plan)


@dataclass(frozen=True)
class Intervals:
    """How versions become intervals: of `key`, by the columns of `order`, where one of `track` changes.

    A row is the newest version within its interval: what is not tracked has the value that it ended with. `names` are
    those of begin, end, and whether there is no end.
    """

    key: tuple[str, ...]
    order: tuple[str, ...]
    track: tuple[str, ...]
    shown: dict[str, pl.DataType]
    names: tuple[str, str, str]

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns of the table."""
        return {**self.shown, **dict(zip(self.names, (TIME, TIME, pl.Boolean()), strict=True))}

    @property
    def identity(self) -> tuple[str, ...]:
        """Name the columns that tell one row of the table from another."""
        return *self.key, self.names[0]

    def of(self, versions: pl.LazyFrame) -> pl.LazyFrame:
        """Return the intervals of some keys, of which all versions are given."""
        begin, end, current = self.names
        known = versions.collect_schema()
        gone = pl.col(DELETED_COLUMN).fill_null(value=False) if DELETED_COLUMN in known else pl.lit(value=False)
        moments = (
            versions.with_columns(pl.col(self.order[0]).cast(TIME).alias(begin), gone.alias(DELETED_COLUMN))
            .sort(*self.key, *self.order)
            .filter(~_same((*self.key, begin), -1))  # of one instant the newest: there is no time for the others
        )
        goes_on = _same((*self.key, DELETED_COLUMN), 1) & (pl.col(DELETED_COLUMN) | _same(self.track, 1))
        spans = moments.with_columns((~goes_on).alias(BEGINS)).with_columns(
            pl.when(BEGINS).then(begin).forward_fill().alias(begin),
            pl.when(_same(self.key, -1)).then(pl.col(begin).shift(-1)).alias(end),
        )
        ends = pl.col(BEGINS).shift(-1, fill_value=True)
        rows = spans.filter(ends & ~pl.col(DELETED_COLUMN))
        return rows.with_columns(pl.col(end).is_null().alias(current)).select(list(self.schema))

    def count(self, versions: pl.LazyFrame) -> int:
        """Count the intervals of some keys, of which all versions are given."""
        with self.spooled(versions, pl.DataFrame(schema={name: self.shown[name] for name in self.key})) as rows:
            return rows.count

    @contextmanager
    def spooled(self, versions: pl.LazyFrame, touched: pl.DataFrame) -> Iterator[Rows]:
        """Give the intervals as rows, from local disk until the block ends.

        After them come those of the `touched` keys that have no interval any more, marked as `_gone`.
        """
        with scratch() as folder:
            paths = self._folded(versions, folder)
            known = pl.scan_parquet(paths) if paths else pl.LazyFrame(schema=self.schema)
            count = int(known.select(pl.len()).collect().item())
            lost = touched.lazy().join(known, on=list(self.key), how="anti").collect()
            schema: dict[str, pl.DataType] = {**self.schema, GONE: pl.Boolean()}

            def frames() -> Iterator[pl.DataFrame]:
                yield from (pl.read_parquet(path).with_columns(pl.lit(value=False).alias(GONE)) for path in paths)
                if lost.height:
                    without = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in self.key]
                    yield lost.with_columns(without).with_columns(pl.lit(value=True).alias(GONE))

            yield Rows(count + lost.height, schema, frames)

    def _folded(self, versions: pl.LazyFrame, folder: Path) -> list[Path]:
        """Write the intervals into one file for each share of the keys."""
        written = []
        for number, share in enumerate(self._shares(versions, folder)):
            written.append(folder / f"{number:06d}.parquet")
            self.of(pl.scan_parquet(share)).collect().write_parquet(written[-1], compression="lz4")
            for path in share:
                path.unlink()
        return written

    def _shares(self, versions: pl.LazyFrame, folder: Path) -> list[list[Path]]:
        """Write versions to disk, all of one key into the same share."""
        spool, shares = folder / "versions.parquet", folder / "shares"
        versions.sink_parquet(spool, compression="lz4", row_group_size=GROUP_ROWS)
        many = int(pl.scan_parquet(spool).select(pl.len()).collect().item()) // SHARE_ROWS + 1
        if many == 1:
            return [[spool]]
        share = (pl.struct(self.key).hash() % many).alias("share")
        into = pl.PartitionBy(shares, key=share, include_key=False)
        pl.scan_parquet(spool).sink_parquet(into, compression="lz4", row_group_size=GROUP_ROWS, mkdir=True)
        spool.unlink()
        return [sorted(part.glob("*.parquet")) for part in shares.iterdir()]


def intervals(contract: Contract, load: LoadSpec) -> Intervals:
    """Return how a load makes intervals of the versions that a contract's table keeps."""
    order = contract.versions or (ARRIVAL_COLUMN,)
    others = tuple(c.name for c in contract.columns if c.name not in (*contract.key, *order))
    shown = {name: kind for name, kind in silver_schema(contract).items() if name != DELETED_COLUMN}
    return Intervals(contract.key, order, others if load.track is None else load.track, shown, load.interval)


def _same(names: tuple[str, ...], away: int) -> pl.Expr:
    """Return whether columns have the values of the row `away` from each, null being equal to null."""
    alike = (pl.col(name).eq_missing(pl.col(name).shift(away)) for name in names)
    return pl.all_horizontal(pl.lit(value=True), *alike)
