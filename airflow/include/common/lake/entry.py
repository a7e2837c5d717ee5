"""Entries of a Delta log that delta-rs has no call for: what stands in them, and how they are written, once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from deltalake import DeltaTable
from deltalake import Schema as DeltaSchema

if TYPE_CHECKING:
    from common.lake.table import LakeTable

Action = Mapping[str, Any]


def write_entry(table: "LakeTable", actions: Sequence[Action]) -> bool:
    """Write the entry after the loaded version; return whether nobody else has written it before."""
    version = int(table.snapshot.version()) + 1
    entry = "\n".join(json.dumps(action, default=str) for action in actions)
    return table.store.put_once(f"{table.folder}/_delta_log/{version:020}.json", entry.encode())


def metadata(snapshot: DeltaTable, schema: DeltaSchema, partition_by: Sequence[str], description: str | None) -> Action:
    """Return what gives a table other columns, keeping the rest of what it is."""
    known = snapshot.metadata()
    return {
        "metaData": {
            "id": str(known.id),
            "description": description,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema.to_json(),
            "partitionColumns": list(partition_by),
            "configuration": known.configuration,
            "createdTime": known.created_time,
        }
    }


def files(snapshot: DeltaTable) -> Iterator[dict[str, Any]]:
    """Return the files of a table: path, size_bytes and partition."""
    return pl.DataFrame(snapshot.get_add_actions(flatten=False)).iter_rows(named=True)


def removed(file: Mapping[str, Any], now: int, *, change: bool) -> Action:
    """Return what takes a file out of a table; without `change` readers of changes see none."""
    return {
        "remove": {
            "path": file["path"],
            "partitionValues": file.get("partition") or {},
            "dataChange": change,
            "deletionTimestamp": now,
            "size": file["size_bytes"],
            "extendedFileMetadata": True,
        }
    }


def added(file: Mapping[str, Any], records: int, now: int, *, change: bool) -> Action:
    """Return what puts a file into a table."""
    return {
        "add": {
            "path": file["path"],
            "partitionValues": file.get("partition") or {},
            "dataChange": change,
            "size": file["size_bytes"],
            "modificationTime": now,
            "stats": json.dumps({"numRecords": records}),
        }
    }
