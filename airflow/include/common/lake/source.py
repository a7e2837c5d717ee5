"""What models and loads read of a lake table: all of its rows, or of a table that keeps more the current ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, DELETED_COLUMN, Contract
from common.core.assets import Zone
from common.core.nouns import Dataset
from common.lake.changes import VERSION
from common.lake.schema import silver_schema
from common.lake.table import CHANGE, changes, read_at, row_count
from common.zones.store import ZoneStore
from common.zones.zone import folder


@dataclass(frozen=True)
class Current:
    """Which rows of a table that keeps more are current: of each key the newest, unless it is a delete marker."""

    key: tuple[str, ...]
    order: tuple[str, ...]
    deleted: bool

    def of(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the current ones of some rows, which must be all versions of their keys."""
        if self.order:
            rows = rows.sort(self.order).unique(subset=self.key, keep="last", maintain_order=True)
        return rows.filter(~pl.col(DELETED_COLUMN).fill_null(value=False)) if self.deleted else rows


@dataclass(frozen=True)
class LakeSource:
    """A table of the lake to read from: its columns, what identifies its rows, and which of them count."""

    dataset: Dataset
    zone: Zone
    schema: dict[str, pl.DataType]
    key: tuple[str, ...]
    contract: str
    current: Current | None = None

    @property
    def uri(self) -> str:
        """Return the address of the table."""
        return ZoneStore(self.zone).uri(folder(self.dataset))

    def at(self, version: int) -> pl.LazyFrame:
        """Return the rows at a version; columns that the table did not have then are null."""
        return self._of(self._all(version)).select(list(self.schema))

    def count(self, version: int) -> int:
        """Return how many rows there are at a version."""
        if self.current is None:
            return row_count(self.uri, version)
        return int(self._of(self._all(version)).select(pl.len()).collect(engine="streaming").item())

    def changes(self, after: int, upto: int, columns: Sequence[str]) -> pl.DataFrame:
        """Return what changed between two versions, `after` itself excluded, with `_change_type`.

        A row's current state has no place in the table's own feed: where the newest version of a key is removed, or a
        newer one comes, another row begins or ceases to be current. So the touched keys are compared at both ends.
        """
        if self.current is None or after >= upto:
            return changes(self.uri, after, upto, columns)
        touched = changes(self.uri, after, upto, self.key).select(self.key).unique()
        before, now = (
            self._of(self._all(version).join(touched.lazy(), on=self.key, how="semi", nulls_equal=True))
            .select(list(self.schema))
            .collect(engine="streaming")
            for version in (after, upto)
        )
        same = list(self.schema)
        left = before.join(now, on=same, how="anti", nulls_equal=True)
        came = now.join(before, on=same, how="anti", nulls_equal=True)
        marked = [
            frame.select(*columns, pl.lit(change).alias(CHANGE), pl.lit(upto, pl.Int64).alias(VERSION))
            for frame, change in ((left, "update_preimage"), (came, "update_postimage"))
        ]
        return pl.concat(marked)

    def new(self, after: int, upto: int) -> int:
        """Count the keys at one version that another lacks; none is known where a key was of other columns."""
        key, before = list(self.key), self._all(after)
        known, now = before.collect_schema(), self._of(self._all(upto)).select(key)
        if all(known.get(name) == self.schema[name] for name in key):
            now = now.join(self._of(before).select(key), on=key, how="anti", nulls_equal=True)
        return int(now.select(pl.len()).collect(engine="streaming").item())

    def _all(self, version: int) -> pl.LazyFrame:
        hidden = {DELETED_COLUMN: pl.Boolean()} if self.current and self.current.deleted else {}
        return read_at(self.uri, version, {**self.schema, **hidden})

    def _of(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return self.current.of(rows) if self.current else rows


def silver_source(contract: Contract, *, history: bool = False) -> LakeSource:
    """Return what is read of a dataset's silver table: its current rows, or with `history` every version of them."""
    schema = silver_schema(contract)
    keeps_more = contract.history or contract.deleted is not None
    if history or not keeps_more:
        return LakeSource(contract.dataset, Zone.SILVER, schema, contract.identity, contract.hash)
    order = (contract.versions or (ARRIVAL_COLUMN,)) if contract.history else ()
    current = Current(contract.key, order, deleted=contract.deleted is not None)
    shown = {name: kind for name, kind in schema.items() if name != DELETED_COLUMN}
    return LakeSource(contract.dataset, Zone.SILVER, shown, contract.key, contract.hash, current)
