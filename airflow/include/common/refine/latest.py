"""Keep the latest row of each key: the maximum by one order, whatever the order and the grouping of hops."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN, Contract
from common.lake.changes import GONE
from common.lake.schema import silver_schema

CONTENT, KNOWN = "_content", "_known"
PLACE = (ARRIVAL_COLUMN, FILE_COLUMN, RECORD_COLUMN)


@dataclass(frozen=True)
class Winners:
    """What new rows do to a table.

    `new_rows` are rows whose key the table does not have, written as they are. `settled` are the rows that won a key
    of several rows and change the table; `inserted` counts keys that are new, `replaced` the rows of the table that
    `settled` replaces. All rows together are `inserted` and `replaced`. `tied` counts the keys of which several rows
    have the latest version and differ: their content has decided.
    """

    new_rows: list[pl.LazyFrame]
    settled: pl.DataFrame
    inserted: int
    replaced: int
    tied: int

    @property
    def rows(self) -> int:
        """Return how many rows there must be to write."""
        return self.inserted + self.replaced


def winners(contract: Contract, paths: Sequence[Path], table: pl.LazyFrame) -> Winners:
    """Find the latest row of each key among new rows and those of the table.

    Only keys are held in memory for rows that are alone with theirs.
    """
    columns = list(silver_schema(contract))
    if not paths:
        return Winners([], pl.DataFrame(schema=silver_schema(contract)), 0, 0, 0)
    fresh, key = pl.scan_parquet(list(paths)), list(contract.identity)
    counted = fresh.group_by(key).len().collect(engine="streaming")
    known = table.select(key).join(counted.lazy().select(key), on=key, how="semi").collect(engine="streaming")
    shared = pl.concat([counted.filter(pl.col("len") > 1).select(key), known]).unique()
    candidates = _candidates(contract, key, fresh, table, shared)
    settled = _latest(contract, key, candidates)
    alone = [
        pl.scan_parquet(path).join(shared.lazy(), on=key, how="anti").select(columns)
        if shared.height
        else pl.scan_parquet(path).select(columns)
        for path in paths
    ]
    changed = settled.filter(~pl.col(KNOWN)).select(columns)
    replaced = changed.join(known, on=key, how="semi").height
    return Winners(alone, changed, counted.height - known.height, replaced, _tied(contract, key, candidates, settled))


def _candidates(
    contract: Contract, key: list[str], fresh: pl.LazyFrame, table: pl.LazyFrame, shared: pl.DataFrame
) -> pl.DataFrame:
    """Return all rows of shared keys, with their content; `_known` marks those that the table has already."""
    columns = list(silver_schema(contract))
    candidates = pl.concat(
        [
            rows.join(shared.lazy(), on=key, how="semi").select(*columns, pl.lit(known).alias(KNOWN))
            for rows, known in ((fresh, False), (table, True))
        ]
    ).collect(engine="streaming")
    return candidates.with_columns(_content(contract).alias(CONTENT))


def _tied(contract: Contract, key: list[str], rows: pl.DataFrame, settled: pl.DataFrame) -> int:
    """Count the keys whose latest version has several contents, where the order of deliveries does not decide."""
    if contract.by_arrival:
        return 0
    latest = list(dict.fromkeys([*key, *contract.versions]))
    same = rows.join(settled.select(latest), on=latest, how="semi", nulls_equal=True)
    return same.group_by(key).agg(pl.col(CONTENT).n_unique()).filter(pl.col(CONTENT) > 1).height


def _content(contract: Contract) -> pl.Expr:
    return pl.concat_str([pl.col(c.name).cast(pl.String).fill_null("\0") for c in contract.columns], separator="\x1f")


def _latest(contract: Contract, key: list[str], rows: pl.DataFrame) -> pl.DataFrame:
    """Return the greatest row of each key: by version, null first, then by place or by content; last, the table's own.

    Where places do not decide, the earliest of equal rows is kept, so that a copy changes nothing.
    """
    earliest = () if contract.by_arrival else PLACE
    by = [*contract.versions, *(PLACE if contract.by_arrival else (CONTENT, *PLACE)), KNOWN]
    ordered = rows.sort(by, descending=[name in earliest for name in by], nulls_last=False)
    return ordered.unique(subset=key, keep="last", maintain_order=True)


@dataclass(frozen=True)
class Redone:
    """What reading a file again does to the table: rows to write, or to remove where `_gone`, one a key.

    `inserted` counts keys that the table did not have, `unrestored` those whose row was withdrawn and may have had a
    predecessor that would be the latest now: it is not kept.
    """

    rows: pl.DataFrame
    inserted: int
    unrestored: int


def redone(contract: Contract, fresh: pl.LazyFrame, table: pl.LazyFrame, gave: pl.Expr) -> Redone:
    """Withdraw the table's rows for which `gave` is true, and fold in rows that are fresh."""
    key, columns = list(contract.identity), list(silver_schema(contract))
    before = table.filter(gave).select(columns).collect(engine="streaming")
    keys = fresh.select(key).unique().collect(engine="streaming")
    settled = _latest(contract, key, _candidates(contract, key, fresh, table.filter(~gave), keys))
    settled = settled.filter(~pl.col(KNOWN)).select(columns)
    changed = settled.join(before, on=columns, how="anti", nulls_equal=True)
    gone = before.join(settled, on=key, how="anti")
    old = keys.lazy().join(table.select(key), on=key, how="semi").collect(engine="streaming")
    rows = [changed.with_columns(pl.lit(value=False).alias(GONE)), gone.with_columns(pl.lit(value=True).alias(GONE))]
    unrestored = _unrestored(contract, before, settled) if contract.key else 0
    return Redone(pl.concat(rows), keys.height - old.height, unrestored)


def _unrestored(contract: Contract, before: pl.DataFrame, after: pl.DataFrame) -> int:
    """Count the keys whose withdrawn row has no successor that any predecessor must yield to as well."""
    key, places = list(contract.identity), PLACE if contract.by_arrival else ()
    order = [*contract.versions, *places, KNOWN]
    both = [rows.with_columns(pl.lit(known).alias(KNOWN)) for rows, known in ((before, False), (after, True))]
    last = pl.concat(both).sort(order, nulls_last=False).unique(subset=key, keep="last", maintain_order=True)
    return last.filter(~pl.col(KNOWN)).height
