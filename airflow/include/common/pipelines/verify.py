"""Verify the ledger against what it speaks of: heads, manifests, Delta logs, tokens, objects, its own audit log."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from sqlalchemy import select

from common.contracts.catalogue import domains
from common.core.errors import WatershedError
from common.lake.table import current_version, reading, row_count
from common.ledger.consumers import lock
from common.ledger.database import transaction
from common.ledger.journal import tampered
from common.ledger.manifests import Manifest, read_manifest
from common.ledger.reconcile import known_head
from common.ledger.refusals import refusal_id
from common.ledger.tables import batch, hop, receipt, refusal
from common.pipelines.gold import ModelStep
from common.pipelines.hop import Step
from common.pipelines.landing import LandingStep
from common.pipelines.loading import LoadStep
from common.pipelines.silver import SilverStep
from common.pipelines.steps import all_steps
from common.zones.store import ZoneStore
from common.zones.zone import Zone

READERS = 8
STAGED = re.compile(r"(?:^|/)(\d+)/(\d+)/\d+\.parquet$")  # a part that a hop's attempt has staged


@dataclass(frozen=True)
class Published:
    """What the ledger has of one consumer, read at one moment with its target's head."""

    step: Step
    head: Any
    known: Any
    hops: list[Any]
    receipts: dict[int, set[str]]
    refusals: set[str]


def verify(only: str = "") -> Iterator[tuple[str, str]]:
    """Say what differs, as (consumer, sentence); `only` is the beginning of a consumer's name.

    Safe beside running hops: ledger and head of a consumer are read under its lock.
    """
    for domain in domains():
        for step in all_steps(domain):
            if step.consumer.name.startswith(only):
                yield from ((step.consumer.name, said) for said in _verify(step))
    if not only:
        with transaction() as connection:
            yield from (("audit log", said) for said in tampered(connection))


def _verify(step: Step) -> Iterator[str]:
    try:
        known = _published(step)
        yield from _against_head(known)
        with ThreadPoolExecutor(READERS) as pool:
            manifests = list(pool.map(partial(_manifest, step), known.hops))
        yield from _against_manifests(known, manifests)
        match step:
            case SilverStep() | ModelStep():
                yield from _against_delta(step, known)
            case LoadStep():
                yield from _against_warehouse(step, known)
            case LandingStep():
                yield from _against_objects(step)
        yield from _quarantined(known)
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
        return Published(step, step.head(), known_head(connection, name), list(hops), receipts, refusals)


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


def _against_delta(step: SilverStep | ModelStep, known: Published) -> Iterator[str]:
    table = step.table
    made: dict[str, int] = {}
    for commit in table.snapshot.history():
        if commit.get("watershed.consumer") == step.consumer.name:
            made[commit["watershed.hop"]] = made.get(commit["watershed.hop"], 0) + 1
    yield from (f"hop {n} was committed {times} times to {table.uri}" for n, times in made.items() if times > 1)
    winners = {(str(row.n), str(row.attempt)) for row in known.hops}
    for path in table.snapshot.file_uris():
        found = STAGED.search(unquote(path))
        if found and (found[1], found[2]) not in winners:
            yield f"{path} belongs to no published attempt"


def _against_warehouse(step: LoadStep, known: Published) -> Iterator[str]:
    if not known.hops:
        return
    uri, (_, version) = step.source.uri, known.hops[-1].pins[step.consumer.inputs[0]]
    with reading(uri):
        expected = row_count(uri, min(version, current_version(uri)))
    found = step.count_rows()
    if found != expected:
        yield f"{step.table} has {found} rows, {uri} had {expected} at version {version}"


def _against_objects(step: LandingStep) -> Iterator[str]:
    if step.contract is None:
        return
    store = ZoneStore(Zone.BRONZE)
    there = {item.key: item for item in store.list(f"{step.dataset.domain}/{step.dataset.name}/")}
    with transaction() as connection:
        places = list(connection.scalars(select(batch.c.place).where(batch.c.asset == step.consumer.output)))
    for place in {place["key"]: place for place in places}.values():
        found = there.get(place["key"])
        if found is None or (found.etag, found.size) != (place["etag"], place["size"]):
            yield f"{store.uri(place['key'])} is {'gone' if found is None else 'not the object that was recorded'}"


def _quarantined(known: Published) -> Iterator[str]:
    store, name = ZoneStore(Zone.QUARANTINE), known.step.consumer.name
    with transaction() as connection:
        places = set(connection.scalars(select(refusal.c.place).where(refusal.c.consumer == name)))
    wanted = {place.removeprefix(store.uri()) for place in places if place.startswith(store.uri())}
    if wanted:
        there = {item.key for kind in ("rows", "files") for item in store.list(f"{kind}/{name}/")}
        yield from (f"{store.uri(key)} is gone" for key in sorted(wanted - there))
