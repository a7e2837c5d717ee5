"""Give columns of a Delta table a wider type: every value stays what it is, so no reader of changes sees a change."""

import io
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl
from deltalake import Schema as DeltaSchema

from common.core.errors import CommitConflict
from common.lake.entry import Action, added, files, metadata, removed, write_entry
from common.zones.store import storage_options

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
    snapshot, now = table.snapshot, int(time.time() * 1000)
    known = snapshot.metadata()
    actions: list[Action] = [
        {"commitInfo": {"timestamp": now, "operation": "CHANGE COLUMN", "operationParameters": {"columns": [*types]}}},
        metadata(snapshot, schema, known.partition_columns, known.description),
        *_replaced(table, types, now),
    ]
    if not write_entry(table, actions):
        raise CommitConflict(f"{table.uri}: somebody committed meanwhile. Run `watershed apply` again.")


def _replaced(table: "LakeTable", types: Mapping[str, pl.DataType], now: int) -> Iterator[Action]:
    for old in files(table.snapshot):
        rows = pl.read_parquet(
            f"{table.uri}/{old['path']}", storage_options=storage_options(), hive_partitioning=False, glob=False
        )
        kept = [name for name in types if name in rows.columns]
        rows = rows.with_columns(pl.col(name).cast(types[name], strict=True) for name in kept)
        path = f"{old['path'].rpartition('/')[0]}/widened-{uuid4()}.parquet".lstrip("/")
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd", compression_level=1)
        size = buffer.tell()
        buffer.seek(0)
        table.store.write_part(f"{table.folder}/{path}", buffer)
        yield removed(old, now, change=False)
        yield added(old | {"path": path, "size_bytes": size}, rows.height, now, change=False)
