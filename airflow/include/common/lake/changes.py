"""A change feed reduced to what changed between its two ends: one state a key."""

from dataclasses import dataclass

import polars as pl

from common.lake.table import CHANGE

CAME, LEFT = ("insert", "update_postimage"), ("delete", "update_preimage")
GONE = "_gone"
VERSION = "_commit_version"


@dataclass(frozen=True)
class NetChange:
    """One row a key, its last state or `_gone`, and those of the keys that are new."""

    rows: pl.DataFrame
    fresh: pl.DataFrame

    @property
    def new(self) -> int:
        """Return how many keys are new."""
        return self.fresh.height

    def with_keys(self, chosen: pl.DataFrame, table: pl.LazyFrame) -> "NetChange":
        """Add what a table has of chosen keys, changed or not; one that it lacks is `_gone`."""
        on = chosen.columns
        others = chosen.join(self.rows, on=on, how="anti")
        known = table.join(others.lazy(), on=on, how="semi").collect(engine="streaming")
        lost = others.join(known, on=on, how="anti")
        marked = [frame.with_columns(pl.lit(value=gone).alias(GONE)) for frame, gone in ((known, False), (lost, True))]
        return NetChange(pl.concat([self.rows, *marked], how="diagonal"), self.fresh)


def net_changes(feed: pl.DataFrame, key: tuple[str, ...]) -> NetChange:
    """Reduce a change feed to one row a key; what ends as it began is left out."""
    columns, on = [name for name in feed.columns if name not in (CHANGE, VERSION)], list(key)
    ordered = feed.sort(VERSION, pl.col(CHANGE).is_in(CAME), maintain_order=True)
    last = ordered.unique(subset=on, keep="last", maintain_order=True)
    first = ordered.unique(subset=on, keep="first", maintain_order=True)
    before = first.filter(pl.col(CHANGE).is_in(LEFT)).select(columns)
    after = last.filter(pl.col(CHANGE).is_in(CAME)).select(columns)
    upserts = after.join(before, on=columns, how="anti", nulls_equal=True)
    gone = last.filter(pl.col(CHANGE).is_in(LEFT)).join(before, on=on, how="semi").select(columns)
    marked = [
        frame.with_columns(pl.lit(value=deleted).alias(GONE)) for frame, deleted in ((upserts, False), (gone, True))
    ]
    return NetChange(pl.concat(marked), upserts.join(before, on=on, how="anti").select(on))
