"""Look at a domain's raw prefix: its list is the truth about what has landed."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection, select

from common.contracts.catalogue import contract_faults, contracts
from common.contracts.contract import Contract
from common.core.assets import Asset, Zone, asset_name
from common.core.errors import TerminalError
from common.core.ids import batch_id
from common.core.nouns import Batch, Dataset
from common.core.places import RawFile
from common.ledger.batches import record_batches, with_arrivals
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.incidents import PARKED, SUPERSEDED, open_incident
from common.ledger.tables import receipt, refusal
from common.observe.verbs import passed, verb
from common.pipelines.consumers import UNROUTED, ingests
from common.pipelines.ingest import IngestStep
from common.pipelines.landing import discard
from common.pipelines.routing import dataset_of_file
from common.zones.store import StoredObject, ZoneStore

NUL = "\0"


def in_raw(domain: str) -> list[StoredObject]:
    """List the files below a domain's raw prefix.

    An empty object whose key ends in a slash is the folder that a console shows, not a file.
    """
    return [item for item in ZoneStore(Zone.RAW).list(f"{domain}/") if item.size or not item.key.endswith("/")]


def look(domain: str) -> int:
    """Record every file below the domain's raw prefix as a batch; return how many files are waiting there.

    A file that is recorded as taken but still there (its deletion was cut off) is deleted now. While a contract has a
    fault, files of its dataset stay where they are, and so do those that no other contract claims. What ranges owe raw
    is put there first, where whoever fetched them has died.
    """
    for consumer in ingests(domain):
        with suppress(TerminalError):  # the run that fetches reports it, and other files must land
            IngestStep(consumer).deliver()
    raw, known = ZoneStore(Zone.RAW), contracts(domain)
    faulty = tuple(f"{domain}/{path.stem}/" for path in contract_faults(domain))
    found = [item for item in in_raw(domain) if not item.key.startswith(faulty)]
    _report_unstorable_keys(domain, [item for item in found if NUL in item.key])
    by_dataset: dict[str, list[Batch]] = {}
    unrouted = asset_name(Dataset(domain, UNROUTED), Zone.RAW)
    for batch in (_batch(domain, known, item) for item in found if NUL not in item.key):
        if faulty and batch.asset == unrouted:  # it may be of a dataset whose contract has the fault
            continue
        by_dataset.setdefault(batch.asset, []).append(batch)
    waiting = 0
    for batches in by_dataset.values():
        with verb("landing", "look"):
            taken = _record(batches)
        discard(raw, taken, partial(passed, "landing", "look.deleted"))
        waiting += len(batches) - len(taken)
    return waiting


def _report_unstorable_keys(domain: str, found: list[StoredObject]) -> None:
    """Report keys that no database can hold: they stay in raw, and must not keep the other files there."""
    if not found:
        return
    where = asset_name(Dataset(domain, UNROUTED), Zone.QUARANTINE)
    with transaction() as connection:
        for item in found:
            why = f"The key {item.key!r} in raw holds a NUL, which the ledger cannot name. Rename the object."
            open_incident(connection, PARKED, where, why, batch_id(where, item.key, item.etag))


def _record(batches: list[Batch]) -> list[Batch]:
    """Record the batches of one asset, in the order of their landing; give those that are taken already."""
    ordered = sorted(batches, key=lambda b: (b.raw.modified, b.raw.key))
    dataset = Asset.parse(batches[0].asset).dataset
    consumer = asset_name(dataset, Zone.QUARANTINE if dataset.name == UNROUTED else Zone.BRONZE)
    with transaction() as connection:
        lock(connection, consumer)
        present = with_arrivals(connection, batches[0].asset, _present(connection, ordered))
        record_batches(connection, present)
        ids = [batch.id for batch in present]
        done = set(
            connection.scalars(select(receipt.c.batch).where(receipt.c.consumer == consumer, receipt.c.batch.in_(ids)))
        )
    return [batch for batch in present if batch.id in done]


def _present(connection: Connection, batches: list[Batch]) -> list[Batch]:
    """Give each file the batch that it is now: bytes that came back within a second after they were missed are new."""
    present, doubtful = batches, {batch.id for batch in batches}
    while doubtful:
        missed = select(refusal.c.batch).where(refusal.c.batch.in_(doubtful), refusal.c.reason == SUPERSEDED)
        unread = set(connection.scalars(missed))
        again = {old: batch_id(old, "again") for old in unread}
        present = [replace(batch, id=again.get(batch.id, batch.id)) for batch in present]
        doubtful = set(again.values())
    return present


def _batch(domain: str, known: Mapping[str, Contract], found: StoredObject) -> Batch:
    download = partial(ZoneStore(Zone.RAW).download, found.key, etag=found.etag)
    name = dataset_of_file(known, found.key, download) or UNROUTED
    asset = asset_name(Dataset(domain, name), Zone.RAW)
    modified = found.modified.isoformat()
    return Batch(
        id=batch_id(asset, found.key, found.etag, found.size, modified),
        asset=asset,
        records=1,
        bytes=found.size,
        partition=partition_of(known[name], found.key) if name != UNROUTED else None,
        place=RawFile(found.key, found.etag, found.size, modified),
    )


def partition_of(contract: Contract, key: str) -> str | None:
    """Find the partition that a file's raw key names, where the contract says how."""
    pattern = contract.partition.path
    found = re.search(pattern, key) if pattern else None
    return found[1] if found else None
