"""Replace all rows of a Delta table in one commit: with other types, another key or another partition, if need be.

delta-rs changes types in such a commit but no partition, so the entry of the log is written here.
"""

from collections.abc import Iterator, Sequence

from common.lake.entry import Action, added, commit, files, metadata, removed
from common.lake.parts import Part
from common.lake.schema import Layout
from common.lake.table import LakeTable, delta_schema


def overwrite(table: LakeTable, parts: Sequence[Part], layout: Layout, hop: int, attempt: int) -> None:
    """Commit staged parts in place of all that the table has, under their own layout.

    What others than hops commit meanwhile (small files joined, columns added) is replaced as well. Raises
    CommitConflict, StoreUnavailable.
    """
    commit(table, hop, attempt, "WRITE", lambda: _actions(table, parts, layout))


def _actions(table: LakeTable, parts: Sequence[Part], layout: Layout) -> Iterator[Action]:
    yield metadata(table.snapshot, delta_schema(layout.schema), layout.partition_by, layout.description)
    for file in files(table.snapshot).iter_rows(named=True):
        yield removed(file, change=True)
    for part in parts:
        yield added(part, change=True)
