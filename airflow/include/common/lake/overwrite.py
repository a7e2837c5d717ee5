"""Replace all rows of a Delta table in one commit: with other types, another key or another partition, if need be.

delta-rs changes types in such a commit but no partition, so the entry of the log is written here.
"""

import json
import time
from collections.abc import Iterator, Sequence

from common.core.errors import CommitConflict
from common.lake.entry import Action, added, files, metadata, removed, write_entry
from common.lake.publish import Part
from common.lake.schema import Layout
from common.lake.table import COMMIT_RETRIES, LakeTable, delta_schema


def overwrite(table: LakeTable, parts: Sequence[Part], layout: Layout, hop: int, attempt: int) -> None:
    """Commit staged parts in place of all that the table has, under their own layout.

    What others than hops commit meanwhile (small files joined, columns added) is replaced as well. Raises
    CommitConflict, StoreUnavailable.
    """
    for _ in range(COMMIT_RETRIES):
        table.properties(hop, attempt)  # raises where the table is not at the hop before
        if write_entry(table, list(_actions(table, parts, layout, hop, attempt))):
            return
        table.load()
    raise CommitConflict(f"{table.uri}: others commit all the time; hop {hop} of {table.consumer} will be tried again.")


def _actions(table: LakeTable, parts: Sequence[Part], layout: Layout, hop: int, attempt: int) -> Iterator[Action]:
    snapshot, now = table.snapshot, int(time.time() * 1000)
    partition = {"mode": "Overwrite", "partitionBy": json.dumps(layout.partition_by)}
    said = {"timestamp": now, "operation": "WRITE", "operationParameters": partition}
    yield {"commitInfo": {**said, **table.note(hop)}}
    yield metadata(snapshot, delta_schema(layout.schema), layout.partition_by, layout.description)
    for name, number in table.marks(hop, attempt).items():
        yield {"txn": {"appId": name, "version": number}}
    for file in files(snapshot):
        yield removed(file, now, change=True)
    for part in parts:
        file = {"path": part.path, "size_bytes": part.size, "partition": part.partition}
        yield added(file, part.records, now, change=True)
