"""Entries of our own in a Delta log, each written once: a commit is the entry after the newest one, or none.

What a log says is read by delta-rs, which makes tables and checkpoints and gives them columns as well.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl
from deltalake import DeltaTable
from deltalake import Schema as DeltaSchema

from common.core.errors import CommitConflict
from common.lake.parts import Part, texts
from common.lake.protocol import require_known

if TYPE_CHECKING:
    from common.lake.table import LakeTable

Action = Mapping[str, Any]
COMMIT_RETRIES = 50
CHECKPOINT_INTERVAL = "delta.checkpointInterval"


def commit(
    table: "LakeTable",
    hop: int,
    attempt: int,
    operation: str,
    actions: Callable[[], Iterable[Action]],
    schema: DeltaSchema | None = None,
) -> None:
    """Write a hop's entry after the newest one, while the table is at the hop before and, if asked, of this schema.

    The actions are made anew where others than hops commit meanwhile (small files joined). Raises CommitConflict,
    UnknownFeature, StoreUnavailable.
    """
    for _ in range(COMMIT_RETRIES):
        table.require_before(hop)
        if schema and table.snapshot.schema() != schema:
            raise CommitConflict(f"{table.uri} has got other columns; hop {hop} of {table.consumer} is done again.")
        marks = [{"txn": {"appId": name, "version": n}} for name, n in table.marks(hop, attempt).items()]
        if write_entry(table, operation, [*marks, *actions()], table.note(hop)):
            return
        table.load()
    raise CommitConflict(f"{table.uri}: others commit all the time; hop {hop} of {table.consumer} will be tried again.")


def write_entry(
    table: "LakeTable", operation: str, actions: Iterable[Action], note: Mapping[str, str] | None = None
) -> bool:
    """Write the entry after the loaded version; return whether nobody else has written it before.

    Raises UnknownFeature, StoreUnavailable.
    """
    require_known(table.snapshot, table.uri)
    version = int(table.snapshot.version()) + 1
    info = {"timestamp": now(), "operation": operation, "operationParameters": {}, **(note or {})}
    lines = [_json(action) for action in ({"commitInfo": info}, *actions)]
    if not table.store.put_once(f"{table.folder}/_delta_log/{version:020}.json", "\n".join(lines).encode()):
        return False
    if version % int(table.snapshot.metadata().configuration.get(CHECKPOINT_INTERVAL, 10)) == 0:
        table.checkpoint()
    return True


def _json(content: Any) -> str:
    """Write characters as they are: of those that are escaped as a pair delta-rs reads some as others."""
    return json.dumps(content, default=str, ensure_ascii=False)


def now() -> int:
    """Return the time as logs have it, in milliseconds."""
    return int(time.time() * 1000)


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


def files(snapshot: DeltaTable) -> pl.DataFrame:
    """Return the files of a table: path, size_bytes, partition, and what is known of their rows."""
    found = pl.DataFrame(snapshot.get_add_actions(flatten=False))
    return found if "partition" in found.columns else found.with_columns(partition=pl.lit(None, pl.Boolean))


def removed(file: Mapping[str, Any], *, change: bool) -> Action:
    """Return what takes a file out of a table; without `change` readers of changes see none."""
    return {
        "remove": {
            "path": file["path"],
            "partitionValues": texts(file["partition"] or {}),
            "dataChange": change,
            "deletionTimestamp": now(),
            "size": file["size_bytes"],
            "extendedFileMetadata": True,
        }
    }


def added(part: Part, *, change: bool) -> Action:
    """Return what puts a file into a table."""
    return {
        "add": {
            **_where(part),
            "dataChange": change,
            "modificationTime": now(),
            "stats": _json(part.statistics),
        }
    }


def changed(part: Part) -> Action:
    """Return what gives readers of changes the rows that they are told of, in place of files added and removed."""
    return {"cdc": {**_where(part), "dataChange": False}}


def _where(part: Part) -> dict[str, Any]:
    return {"path": quote(part.path, safe="/="), "partitionValues": part.partition, "size": part.size}
