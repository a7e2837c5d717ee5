"""The three commits a hop can make on a Delta table: append staged parts, merge by key, replace slices."""

import io
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
    table: LakeTable, frames: Iterable[pl.DataFrame], partition_by: Sequence[str], under: str
) -> Iterator[Part]:
    """Write frames as Parquet parts below `under` (hop and attempt), one or more for each partition.

    While one part is sent the next is made. Partition values are strings that are safe in a path: polars reads them
    from there.
    """
    with ThreadPoolExecutor(1) as sender:
        sent: Future[Part] | None = None
        for number, (values, rows) in enumerate(_split(frames, partition_by)):
            folder = "".join(f"{name}={value}/" for name, value in values.items())
            content = _encoded(rows)
            if sent:
                yield sent.result()
            part = Part(f"{folder}{under}/{number}.parquet", content.getbuffer().nbytes, rows.height, values)
            sent = sender.submit(_send, table, part, content)
        if sent:
            yield sent.result()


def _split(frames: Iterable[pl.DataFrame], by: Sequence[str]) -> Iterator[tuple[dict[str, str], pl.DataFrame]]:
    for frame in frames:
        groups = frame.partition_by(by, as_dict=True, include_key=False, maintain_order=True) if by else {(): frame}
        for key, rows in groups.items():
            if rows.height:
                yield dict(zip(by, map(str, key), strict=True)), rows


def _encoded(rows: pl.DataFrame) -> io.BytesIO:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer


def _send(table: LakeTable, part: Part, content: io.BytesIO) -> Part:
    content.seek(0)
    table.store.write_part(f"{table.folder}/{part.path}", content)
    return part


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
