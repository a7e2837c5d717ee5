"""Verify the ledger against what it speaks of: heads, manifests, Delta logs, tokens, objects, its own audit log."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import select

from common.core.assets import Zone
from common.core.errors import WatershedError
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.journal import tampered
from common.ledger.manifests import Manifest, read_manifest
from common.ledger.reconcile import known_head
from common.ledger.refusals import refusal_id
from common.ledger.seals import faults_of_seals
from common.ledger.tables import hop, receipt, refusal
from common.pipelines.kinds import all_consumers, faults, step_of
from common.pipelines.step import Published, Step
from common.zones.store import ZoneStore

READERS = 8


def verify(only: str = "") -> Iterator[tuple[str, str]]:
    """Return what differs, as (consumer, sentence); `only` is the beginning of a consumer's name.

    Safe beside running hops: ledger and head of a consumer are read under its lock.
    """
    for path, fault in faults().items() if not only else ():
        yield path.stem, f"cannot be verified: {fault}"
    for consumer in all_consumers():
        if consumer.name.startswith(only):
            yield from ((consumer.name, difference) for difference in _verify(step_of(consumer)))
    if not only:
        with transaction() as connection:
            yield from (("audit log", difference) for difference in tampered(connection))
            yield from (("audit log", difference) for difference in faults_of_seals(connection))


def _verify(step: Step) -> Iterator[str]:
    try:
        known = _published(step)
        yield from _against_head(known)
        with ThreadPoolExecutor(READERS) as pool:
            read = list(pool.map(partial(_manifest, step), known.hops))
        yield from _against_manifests(known, read)
        yield from step.differences(known, [found for found in read if isinstance(found, Manifest)])
        yield from _quarantined(step)
    except WatershedError as error:
        yield f"cannot be verified: {error}"


def _published(step: Step) -> Published:
    name = step.consumer.name
    with transaction() as connection:
        lock(connection, name)
        hops = connection.execute(
            select(hop).where(hop.c.consumer == name, hop.c.state == "published").order_by(hop.c.n)
        ).all()
        receipts: dict[int, set[str]] = {}
        for row in connection.execute(select(receipt).where(receipt.c.consumer == name)):
            receipts.setdefault(row.hop, set()).add(row.batch)
        refusals = set(connection.scalars(select(refusal.c.id).where(refusal.c.consumer == name)))
        return Published(step.head(), known_head(connection, name), list(hops), receipts, refusals)


def _against_head(known: Published) -> Iterator[str]:
    if known.head != known.known:
        yield (
            f"the target says hop {known.head.hop} (attempt {known.head.attempt}), the ledger hop {known.known.hop} "
            f"(attempt {known.known.attempt})"
        )
    numbers = [row.n for row in known.hops]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"hops are not 1 to {len(numbers)} without gaps"


def _manifest(step: Step, row: Any) -> Manifest | str:
    try:
        return read_manifest(step.consumer.name, row.n, row.attempt)
    except WatershedError as error:
        return f"hop {row.n}: {error}"


def _against_manifests(known: Published, manifests: list[Manifest | str]) -> Iterator[str]:
    previous = 0
    for row, manifest in zip(known.hops, manifests, strict=True):
        if isinstance(manifest, str):
            yield manifest
            continue
        if manifest.previous != previous:
            yield f"hop {row.n}: its manifest follows attempt {manifest.previous}, the ledger has {previous} before it"
        previous = row.attempt
        counts = manifest.counts
        if (row.taken, row.good, row.merged, row.refused) != (counts.taken, counts.good, counts.merged, counts.refused):
            yield f"hop {row.n}: the ledger counts {row.taken} taken, {row.good} good, the manifest says {counts}"
        yield from _details(known, manifest)


def _details(known: Published, manifest: Manifest) -> Iterator[str]:
    taken = {item.id for item in manifest.inputs}
    if (found := known.receipts.get(manifest.hop, set())) != taken:
        yield f"hop {manifest.hop}: has {len(found)} receipts, its manifest took {len(taken)} batches"
    named = {refusal_id(manifest.consumer, manifest.hop, item) for item in manifest.refusals}
    if missing := named - known.refusals:
        yield f"hop {manifest.hop}: refusals {', '.join(sorted(missing))} are not in the ledger"


def _quarantined(step: Step) -> Iterator[str]:
    store, name = ZoneStore(Zone.QUARANTINE), step.consumer.name
    with transaction() as connection:
        places = set(connection.scalars(select(refusal.c.place).where(refusal.c.consumer == name)))
    wanted = set(filter(None, map(store.key_of, places)))
    if wanted:
        stored = {item.key for kind in ("rows", "files") for item in store.list(f"{kind}/{name}/")}
        yield from (f"{store.uri(key)} is gone" for key in sorted(wanted - stored))
