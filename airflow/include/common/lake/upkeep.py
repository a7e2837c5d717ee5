"""Keep a Delta table small beside running hops: join small files, remove what no reader needs any more."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from uuid import uuid4

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from common.core.errors import StoreUnavailable
from common.lake.entry import Action, added, files, removed, write_entry
from common.lake.parts import PART_ROWS, read_file, sorted_parts, stage_parts
from common.lake.schema import Layout
from common.lake.table import KEEP_FOR_EVER, LakeTable, reading
from common.zones.store import storage_options

MARGIN = 3600.0  # seconds between the clocks of writers and of the store
SMALL_FILES = 8  # tables with fewer are left as they are
AT_ONCE = 32  # small files that are held in memory together


def compact(table: LakeTable, most: int = SMALL_FILES) -> int:
    """Join small files; return how many were replaced. A hop that commits meanwhile wins, and the next run tries again.

    Raises StoreUnavailable, UnknownFeature.
    """
    known = files(table.load())
    small = known.filter(pl.col("num_records") < PART_ROWS // 2).filter(pl.len().over("partition") > 1)
    if known.height <= most or small.is_empty():
        return 0
    with reading(table.uri):
        actions = list(_joined(table, small))
    return small.height if write_entry(table, "OPTIMIZE", actions) else 0


def _joined(table: LakeTable, small: pl.DataFrame) -> Iterator[Action]:
    """Write the rows of small files of a partition together, sorted by the table's key."""
    layout = Layout(table.columns, tuple(table.snapshot.metadata().partition_columns), table.key)
    for some in (some for one in small.partition_by("partition") for some in one.iter_slices(AT_ONCE)):
        rows = pl.concat(read_file(table, file, layout.schema) for file in some.iter_rows(named=True))
        frames = sorted_parts(rows, table.key)
        yield from (removed(file, change=False) for file in some.iter_rows(named=True))
        yield from (added(p, change=False) for p in stage_parts(table, frames, layout, f"joined-{uuid4()}"))


def vacuum(uri: str, needed: int, keep: timedelta, now: datetime) -> int:
    """Remove files that no version from `needed` on holds and that nobody has touched for `keep`; return how many.

    Raises StoreUnavailable.
    """
    table = DeltaTable(uri, storage_options=storage_options())
    try:
        since = [c["timestamp"] for c in table.history() if int(c["version"]) > needed]
        oldest = now.timestamp() - min(since) / 1000 + MARGIN if since else 0.0
        hours = max(keep.total_seconds(), oldest) / 3600
        done = table.vacuum(
            ceil(hours),  # rounded down, it would eat the margin
            dry_run=False,
            enforce_retention_duration=False,  # `keep` is the rule here
            post_commithook_properties=KEEP_FOR_EVER,
            full=True,
        )
        return len(done)
    except (DeltaError, OSError) as error:
        raise StoreUnavailable(f"vacuum {uri}: {error}") from error
