"""Files of a lake table: staged where no reader looks until a commit names them, and read again one by one."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import polars as pl

from common.lake.schema import Layout
from common.lake.statistics import statistics
from common.zones.store import storage_options

if TYPE_CHECKING:
    from common.lake.table import LakeTable

PART_ROWS = 250_000
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Part:
    """A Parquet file staged inside the table's folder, and what the log will say of its rows."""

    path: str
    size: int
    records: int
    partition: dict[str, str | None]
    statistics: dict[str, Any] = field(default_factory=dict)


def stage_parts(
    table: "LakeTable", frames: Iterable[pl.DataFrame], layout: Layout, under: str, within: str = ""
) -> Iterator[Part]:
    """Write frames as Parquet parts below `under` (hop and attempt), one or more for each partition.

    Partitions are folders `within` that of the table. While one part is sent the next is made.
    """
    with ThreadPoolExecutor(1) as sender:
        sent: Future[Part] | None = None
        for number, (values, rows) in enumerate(_split(frames, layout.partition_by)):
            content = _encoded(rows)
            if sent:
                yield sent.result()
            path = f"{within}{_folder(values)}{under}/{number}.parquet"
            size, described = content.getbuffer().nbytes, statistics(rows, layout.identity)
            sent = sender.submit(_send, table, Part(path, size, rows.height, values, described), content)
        if sent:
            yield sent.result()


def _split(frames: Iterable[pl.DataFrame], by: Sequence[str]) -> Iterator[tuple[dict[str, str | None], pl.DataFrame]]:
    for frame in frames:
        groups = frame.partition_by(by, as_dict=True, include_key=False, maintain_order=True) if by else {(): frame}
        for key, rows in groups.items():
            if rows.height:
                yield texts(dict(zip(by, key, strict=True))), rows


def texts(partition: Mapping[str, Any]) -> dict[str, str | None]:
    """Return partition values as the log has them."""
    return {name: None if value is None else _text(value) for name, value in partition.items()}


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S.%f}"
        case _:
            return str(value)


def _folder(values: Mapping[str, str | None]) -> str:
    return "".join(f"{name}={NO_VALUE if v is None else quote(v, safe='')}/" for name, v in values.items())


def _encoded(rows: pl.DataFrame) -> io.BytesIO:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer


def _send(table: "LakeTable", part: Part, content: io.BytesIO) -> Part:
    content.seek(0)
    table.store.write_part(f"{table.folder}/{part.path}", content)
    return part


def sorted_parts(rows: pl.DataFrame, key: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Cut rows into frames of one part each, so that few of them may hold a key."""
    rows = rows.sort(key) if key else rows
    yield from rows.iter_slices(ceil(rows.height / ceil(rows.height / PART_ROWS)) if rows.height else PART_ROWS)


def address(table: "LakeTable", path: str) -> str:
    """Return where a file lies whose path stands in the log."""
    return f"{table.uri}/{unquote(path)}"


def read_file(table: "LakeTable", file: Mapping[str, Any], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Read a file of the table with these columns; what it lacks is of its partition, or null."""
    where = address(table, file["path"])
    rows = pl.read_parquet(where, storage_options=storage_options(), hive_partitioning=False, glob=False)
    values = file.get("partition") or {}
    lacking = {name: values.get(name) for name in schema if name in values or name not in rows.columns}
    return rows.with_columns(pl.lit(value).alias(name) for name, value in lacking.items()).select(
        pl.col(name).cast(kind) for name, kind in schema.items()
    )
