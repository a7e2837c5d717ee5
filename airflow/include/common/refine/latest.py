"""Keep the latest row of each key, among new rows and against those the table has; redo files as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from common.contracts.contract import ARRIVAL, Contract
from common.lake.schema import silver_schema
from common.refine.spool import ORDER

CONTENT, KNOWN, GONE = "_content", "_known", "_gone"


@dataclass(frozen=True)
class Winners:
    """What new rows do to a table: `undisputed` files hold rows of new keys once `disputed` keys are left out.

    `settled` are the rows that won the disputed keys and change the table; `inserted` counts keys that are new,
    `replaced` the rows of the table that `settled` replaces. All rows together are `inserted` and `replaced`.
    """

    undisputed: list[pl.LazyFrame]
    settled: pl.DataFrame
    inserted: int
    replaced: int

    @property
    def rows(self) -> int:
        """Return how many rows there must be to write."""
        return self.inserted + self.replaced


def winners(contract: Contract, paths: Sequence[Path], table: pl.LazyFrame) -> Winners:
    """Find the latest row of each key: by the contract's version columns, ties by content and origin.

    Every order of arrival gives the same rows, unless the contract says `latest: arrival`. Only keys are held
    in memory for rows that nobody disputes.
    """
    columns = list(silver_schema(contract))
    if not paths:
        return Winners([], pl.DataFrame(schema=silver_schema(contract)), 0, 0)
    fresh, key = pl.scan_parquet(list(paths)), list(contract.key)
    counted = fresh.group_by(key).len().collect(engine="streaming")
    known = table.select(key).join(counted.lazy().select(key), on=key, how="semi").collect(engine="streaming")
    disputed = pl.concat([counted.filter(pl.col("len") > 1).select(key), known]).unique()
    settled = _settle(contract, key, [(fresh, pl.col(ORDER), False), (table, pl.lit(-1, pl.Int32), True)], disputed)
    plain = [
        pl.scan_parquet(path).join(disputed.lazy(), on=key, how="anti").select(columns)
        if disputed.height
        else pl.scan_parquet(path).select(columns)
        for path in paths
    ]
    return Winners(
        plain,
        settled.filter(~pl.col(KNOWN)).select(columns),
        counted.height - known.height,
        _replaced(settled, known, key),
    )


def _replaced(settled: pl.DataFrame, known: pl.DataFrame, key: list[str]) -> int:
    return settled.filter(~pl.col(KNOWN)).join(known, on=key, how="semi").height


Rows = tuple[pl.LazyFrame, pl.Expr, bool]  # rows, their order of arrival, whether the table has them already


def _settle(contract: Contract, key: list[str], origins: Sequence[Rows], disputed: pl.DataFrame) -> pl.DataFrame:
    """Return the winning row of each disputed key; `_known` marks those that the table has already."""
    columns = list(silver_schema(contract))
    candidates = pl.concat(
        [
            rows.join(disputed.lazy(), on=key, how="semi").select(
                *columns, order.alias(ORDER), pl.lit(old).alias(KNOWN)
            )
            for rows, order, old in origins
        ]
    ).collect(engine="streaming")
    text = pl.concat_str([pl.col(c.name).cast(pl.String).fill_null("\0") for c in contract.columns], separator="\x1f")
    by = [*_versions(contract), CONTENT, "_file", "_record"]
    return (
        candidates.with_columns(text.alias(CONTENT))
        .sort(by, nulls_last=False)
        .unique(subset=key, keep="last", maintain_order=True)
    )


def _versions(contract: Contract) -> list[str]:
    return [ORDER, "_record"] if ARRIVAL in contract.latest else list(contract.latest)


@dataclass(frozen=True)
class Redone:
    """What reading files again does to the table: rows to write, or to remove where `_gone`, one a key.

    `inserted` counts keys that the table did not have.
    """

    rows: pl.DataFrame
    inserted: int


def redone(contract: Contract, paths: Sequence[Path], table: pl.LazyFrame, again: pl.Expr) -> Redone:
    """Let files that were read again replace what they gave before, the table's rows for which `again` is true.

    What they no longer give is removed; an older row of the same key, which gave way to it once, does not come back.
    """
    key, columns = list(contract.identity), list(silver_schema(contract))
    before = table.filter(again).select(columns).collect(engine="streaming")
    fresh = pl.scan_parquet(list(paths)) if paths else pl.LazyFrame(schema={**silver_schema(contract), ORDER: pl.Int32})
    keys = fresh.select(key).unique().collect(engine="streaming")
    origins: list[Rows] = [(fresh, pl.col(ORDER), False), (table.filter(~again), pl.lit(-1, pl.Int32), True)]
    settled = _settle(contract, key, origins, keys).filter(~pl.col(KNOWN)).select(columns)
    changed = settled.join(before, on=columns, how="anti", nulls_equal=True)
    gone = before.join(settled, on=key, how="anti")
    old = keys.lazy().join(table.select(key), on=key, how="semi").collect(engine="streaming")
    rows = [changed.with_columns(pl.lit(value=False).alias(GONE)), gone.with_columns(pl.lit(value=True).alias(GONE))]
    return Redone(pl.concat(rows), keys.height - old.height)
