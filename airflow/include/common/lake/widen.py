"""Give columns of a Delta table a wider type: every value stays what it is, so no reader of changes sees a change."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl
from deltalake import Schema as DeltaSchema

from common.core.errors import CommitConflict
from common.lake.entry import Action, added, files, metadata, removed, write_entry
from common.lake.parts import read_file, stage_parts
from common.lake.schema import Layout

if TYPE_CHECKING:
    from common.lake.table import LakeTable

INTEGER_DIGITS = 19  # of 64 bits


def holds_all(old: pl.DataType, new: pl.DataType) -> bool:
    """Return whether every value of one type is a value of another: more digits before and after the point."""
    if not isinstance(new, pl.Decimal):
        return False
    before, after = new.precision - new.scale, new.scale
    if isinstance(old, pl.Decimal):
        return before >= old.precision - old.scale and after >= old.scale
    return old == pl.Int64() and before >= INTEGER_DIGITS


def widen(table: "LakeTable", types: Mapping[str, pl.DataType], schema: DeltaSchema) -> None:
    """Write the files of the loaded table anew with wider types, and commit them in place of the old ones.

    The commit says that no data has changed, as one that joins small files does. Raises CommitConflict where a hop has
    committed meanwhile; the new files are then nobody's, and upkeep removes them.
    """
    known = table.snapshot.metadata()
    actions = [metadata(table.snapshot, schema, known.partition_columns, known.description), *_replaced(table, types)]
    if not write_entry(table, "CHANGE COLUMN", actions):
        raise CommitConflict(f"{table.uri}: somebody committed meanwhile. Run `watershed apply` again.")


def _replaced(table: "LakeTable", types: Mapping[str, pl.DataType]) -> Iterator[Action]:
    columns = {name: types.get(name, kind) for name, kind in table.columns.items()}
    layout = Layout(columns, tuple(table.snapshot.metadata().partition_columns))
    for file in files(table.snapshot).iter_rows(named=True):
        yield removed(file, change=False)
        for part in stage_parts(table, [read_file(table, file, columns)], layout, f"widened-{uuid4()}"):
            yield added(part, change=False)
