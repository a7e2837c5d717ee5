"""Look at a domain's raw prefix: its list is the truth about what has landed."""

import re
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select

from common.contracts.catalogue import contracts
from common.contracts.contract import Contract
from common.core.faults import breakable, fault_point
from common.core.ids import batch_id
from common.core.nouns import Batch, Dataset
from common.ledger.batches import record_batches
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.incidents import SUPERSEDED
from common.ledger.tables import receipt, refusal
from common.pipelines.domain import UNROUTED
from common.pipelines.landing import discard
from common.zones.store import StoredObject, ZoneStore
from common.zones.zone import Zone, asset_name


def look(domain: str) -> int:
    """Record every file below the domain's raw prefix as a batch; tell how many files are waiting there.

    A file that is recorded as taken but still there (its deletion was cut off) is deleted now.
    """
    raw, known = ZoneStore(Zone.RAW), contracts(domain)
    landed = [_batch(domain, known, found) for found in raw.list(f"{domain}/") if not found.key.endswith("/")]
    by_dataset: dict[str, list[Batch]] = {}
    for batch in landed:
        by_dataset.setdefault(batch.asset, []).append(batch)
    waiting = 0
    for batches in by_dataset.values():
        with breakable("landing", "look"):
            taken = _record(batches)
        for batch in taken:
            discard(raw, batch)
            fault_point("landing", "look.deleted")
        waiting += len(batches) - len(taken)
    return waiting


def _record(batches: list[Batch]) -> list[Batch]:
    """Record the batches of one asset, in the order of their landing; give those that are taken already."""
    ordered = sorted(batches, key=lambda b: (b.place["modified"], b.place["key"]))
    consumer = batches[0].asset.removesuffix(Zone.RAW)
    consumer += Zone.QUARANTINE if consumer.endswith(f".{UNROUTED}.") else Zone.BRONZE
    with transaction() as connection:
        lock(connection, consumer)
        record_batches(connection, ordered)
        ids = [batch.id for batch in ordered]
        done = set(
            connection.scalars(select(receipt.c.batch).where(receipt.c.consumer == consumer, receipt.c.batch.in_(ids)))
        )
        unread = set(
            connection.scalars(select(refusal.c.batch).where(refusal.c.batch.in_(ids), refusal.c.reason == SUPERSEDED))
        )
        # The same bytes came back within a second after they were missed: they were never read.
        record_batches(connection, [replace(b, id=batch_id(b.id, "again")) for b in ordered if b.id in unread])
    return [batch for batch in ordered if batch.id in done - unread]


def _batch(domain: str, known: Iterable[str], found: StoredObject) -> Batch:
    parts = found.key.split("/")
    name = parts[1] if len(parts) > 2 and parts[1] in known else UNROUTED
    asset = asset_name(Dataset(domain, name), Zone.RAW)
    modified = found.modified.isoformat()
    return Batch(
        id=batch_id(asset, found.key, found.etag, found.size, modified),
        asset=asset,
        records=1,
        bytes=found.size,
        partition=partition_of(contracts(domain)[name], found.key) if name != UNROUTED else None,
        place={"key": found.key, "etag": found.etag, "size": found.size, "modified": modified},
    )


def partition_of(contract: Contract, key: str) -> str | None:
    """Find the partition that a file's raw key names, where the contract says how."""
    pattern = contract.partition.path
    found = re.search(pattern, key) if pattern else None
    return found[1] if found else None
