"""The commits a hop can make on a Delta table beside a merge: append staged parts, replace slices."""

from collections.abc import Sequence

import polars as pl
from deltalake import write_deltalake

from common.lake.entry import added, commit
from common.lake.parts import Part
from common.lake.table import KEEP_FOR_EVER, LakeTable, committing, padded
from common.zones.store import storage_options


def append_parts(table: LakeTable, parts: Sequence[Part], hop: int, attempt: int) -> None:
    """Commit staged parts; with none, an empty commit still carries the hop's number.

    Raises CommitConflict, UnknownFeature, StoreUnavailable.
    """
    actions = [added(part, change=True) for part in parts]
    commit(table, hop, attempt, "WRITE", lambda: actions, table.snapshot.schema())


def replace_slices(table: LakeTable, rows: pl.DataFrame, predicate: str | None, hop: int, attempt: int) -> None:
    """Commit rows in place of all rows that the predicate finds; without one, in place of the whole table.

    Raises CommitConflict, StoreUnavailable.
    """
    properties = table.properties(hop, attempt)
    known = pl.scan_delta(table.snapshot).collect_schema()
    whole = padded(rows.lazy(), known).select(known.names()).collect()  # a model may have dropped a column
    try:
        write_deltalake(
            table.snapshot,
            whole,
            mode="overwrite",
            predicate=predicate,
            commit_properties=properties,
            post_commithook_properties=KEEP_FOR_EVER,
            storage_options=storage_options(),
        )
    except Exception as error:
        raise committing(f"overwrite in {table.uri}", error) from error
