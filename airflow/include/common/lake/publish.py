"""The three commits a hop can make on a Delta table: append staged parts, merge by key, replace slices."""

import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from deltalake import write_deltalake
from deltalake.transaction import AddAction

from common.lake.table import KEEP_FOR_EVER, LakeTable, committing, padded
from common.zones.store import storage_options

TARGET, SOURCE = "t", "s"


@dataclass(frozen=True)
class Part:
    """A Parquet file staged inside the table's folder, where no reader looks until a commit names it."""

    path: str
    size: int
    records: int
    partition: dict[str, str]


def stage_parts(
    table: LakeTable, frames: Iterable[pl.LazyFrame], partition_by: Sequence[str], under: str
) -> Iterator[Part]:
    """Write frames as Parquet parts below `under` (hop and attempt), one or more for each partition, one at a time.

    Partition values are strings that are safe in a path: polars reads them from there.
    """
    written = 0
    for frame in frames:
        for values, rows in _split(frame.collect(engine="streaming"), partition_by):
            if rows.height:
                folder = "".join(f"{name}={value}/" for name, value in values.items())
                yield _write(table, f"{folder}{under}/{written}.parquet", rows, values)
                written += 1


def _split(frame: pl.DataFrame, by: Sequence[str]) -> Iterable[tuple[dict[str, str], pl.DataFrame]]:
    if not by:
        return [({}, frame)]
    groups = frame.partition_by(by, as_dict=True, include_key=False, maintain_order=True)
    return [(dict(zip(by, map(str, key), strict=True)), rows) for key, rows in groups.items()]


def _write(table: LakeTable, path: str, rows: pl.DataFrame, values: dict[str, str]) -> Part:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", compression_level=1)
    size = buffer.tell()
    buffer.seek(0)
    table.store.write_part(f"{table.folder}/{path}", buffer)
    return Part(path, size, rows.height, values)


def append_parts(table: LakeTable, parts: Sequence[Part], partition_by: Sequence[str], hop: int, attempt: int) -> None:
    """Commit staged parts; with none, an empty commit still carries the hop's number.

    Raises CommitConflict, StoreUnavailable.
    """
    snapshot, now = table.snapshot, int(time.time() * 1000)
    actions: list[Any] = [
        AddAction(p.path, p.size, p.partition, now, True, json.dumps({"numRecords": p.records}))  # noqa: FBT003
        for p in parts
    ]
    properties = table.properties(hop, attempt)
    try:
        snapshot.create_write_transaction(
            actions,
            "append",
            snapshot.schema(),
            list(partition_by),
            commit_properties=properties,
            post_commithook_properties=KEEP_FOR_EVER,
        )
    except Exception as error:
        raise committing(f"append to {table.uri}", error) from error


def merge(
    table: LakeTable, rows: pl.DataFrame, key: Sequence[str], hop: int, attempt: int, gone: str | None = None
) -> None:
    """Commit rows by key: rows of a known key replace it, others are inserted; where column `gone` is true, removed.

    Raises CommitConflict, StoreUnavailable.
    """
    stays, extra = (f"NOT {SOURCE}.`{gone}`", [gone]) if gone else (None, None)
    on = " AND ".join(f"({TARGET}.`{name}` IS NOT DISTINCT FROM {SOURCE}.`{name}`)" for name in key)
    properties = table.properties(hop, attempt)
    try:
        merger = table.snapshot.merge(
            rows,
            predicate=on,
            source_alias=SOURCE,
            target_alias=TARGET,
            commit_properties=properties,
            post_commithook_properties=KEEP_FOR_EVER,
        )
        if gone:
            merger = merger.when_matched_delete(predicate=f"{SOURCE}.`{gone}`")
        merger = merger.when_matched_update_all(predicate=stays, except_cols=extra)
        merger.when_not_matched_insert_all(predicate=stays, except_cols=extra).execute()
    except Exception as error:
        raise committing(f"merge into {table.uri}", error) from error


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
