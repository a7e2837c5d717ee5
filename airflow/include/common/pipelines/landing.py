"""Raw to bronze: every file that landed is copied byte for byte, recorded as a duplicate, or quarantined."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.errors import UnreadableFile
from common.core.ids import batch_id, short_hash
from common.core.nouns import Batch, Consumer, Counts, Dataset, Refusal
from common.core.places import BronzeFile, StoredAt, to_json
from common.core.range_keys import range_of
from common.core.scratch import scratch
from common.core.shape import Shape
from common.ledger.batches import known_checksums, known_deliveries, places_of
from common.ledger.claims import Claim
from common.ledger.database import transaction
from common.ledger.incidents import REFUSED, SUPERSEDED
from common.ledger.manifests import Manifest
from common.ledger.refusals import refused_twins
from common.observe.verbs import passed
from common.pipelines.consumers import UNROUTED
from common.pipelines.object_step import ObjectStep
from common.pipelines.step import Published, Staged
from common.zones.store import Changed, Version, ZoneStore
from common.zones.zone import folder

TRANSFERS = 8
KEY_BYTES = 1024
REASON_VERSION = 1
DUPLICATE = "duplicate"  # of a file that was refused whole


@dataclass(frozen=True)
class Arrival:
    """One landed file on local disk: readable with its shape, or refused with its reason."""

    batch: Batch
    path: Path
    checksum: str = ""
    shape: Shape | None = None
    reason: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.batch.raw.key.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Sorted:
    """Landed files by what becomes of them, each kind in the order of landing."""

    fresh: list[Arrival]
    duplicates: list[Arrival]
    refused: list[Arrival]

    @property
    def counts(self) -> Counts:
        """Count the files."""
        parts = len(self.fresh), len(self.duplicates), len(self.refused)
        return Counts(sum(parts), *parts)


class LandingStep(ObjectStep):
    """The hop that empties one dataset's raw folder; without a contract all it can do is quarantine."""

    def __init__(self, consumer: Consumer) -> None:
        self.dataset = consumer.dataset
        self.contract = None if self.dataset.name == UNROUTED else contract_of(self.dataset)
        super().__init__(replace(consumer, contract=self.contract.hash if self.contract else ""))
        self.raw, self.bronze = ZoneStore(Zone.RAW), ZoneStore(Zone.BRONZE)
        self.quarantine = ZoneStore(Zone.QUARANTINE)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Read every file whole, then copy the good and quarantine the bad ones."""
        with self._sorted(held) as found, ThreadPoolExecutor(TRANSFERS) as pool:
            yield Staged(
                counts=found.counts,
                outputs=tuple(pool.map(self._copy, found.fresh)),
                refusals=tuple(pool.map(lambda arrival: self._refuse(arrival, held), found.refused)),
                commit=self.commit(held),
                bytes=sum(batch.bytes for batch in held.batches),
            )

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to, and write nothing."""
        with self._sorted(held) as found:
            return found.counts

    @contextmanager
    def _sorted(self, held: Claim) -> Iterator[Sorted]:
        """Read every file, and tell fresh, duplicate and refused ones apart."""
        with scratch() as spool, ThreadPoolExecutor(TRANSFERS) as pool:
            paths = [spool / str(number) for number in range(len(held.batches))]
            arrivals = list(pool.map(lambda batch, path: self._fetch(held, batch, path), held.batches, paths))
            readable = [arrival for arrival in arrivals if not arrival.reason]
            found = self.compared(readable)
            yield replace(found, refused=[*found.refused, *(a for a in arrivals if a.reason)])

    def _fetch(self, held: Claim, batch: Batch, path: Path) -> Arrival:
        at = source_of(batch)
        store = ZoneStore(Zone(at.zone))
        try:
            store.download(at.key, path, at.etag)
        except Changed:
            where = store.uri(at.key)
            return Arrival(
                batch, path, reason=SUPERSEDED, message=f"{where} was deleted or overwritten before it was read"
            )
        with path.open("rb") as stream:
            checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        arrival = Arrival(batch, path, checksum)
        if batch.id in held.refused:
            return Arrival(batch, path, checksum, reason=REFUSED, message="A person refused it: `watershed audit ls`.")
        if self.contract is None:
            known = (
                f"No dataset of domain '{self.dataset.domain}', or more than one, claims this file by folder, name or "
                "columns. Add a contract, or say `files` in one, then re-drive."
            )
            return Arrival(batch, path, checksum, reason=UNROUTED, message=known)
        from common.refine.inspect import inspect_file  # engines, which a mere look at raw does without

        try:
            shape = inspect_file(path, arrival.name, self.contract)
        except UnreadableFile as error:
            return Arrival(batch, path, checksum, reason=error.reason, message=str(error))
        return Arrival(batch, path, checksum, shape)

    def compared(self, readable: list[Arrival]) -> Sorted:
        """Tell fresh files from those that can change no table: whose content bronze has for the same partition.

        Where the order of deliveries decides, none is a duplicate: a snapshot that returns is the latest again.
        """
        fetched, others = list[Arrival](), list[Arrival]()
        for arrival in readable:
            (fetched if self._is_fetched(arrival) else others).append(arrival)
        found = self._told_apart(others)
        return self._with_fetched(found, fetched) if fetched else found

    def _is_fetched(self, arrival: Arrival) -> bool:
        """Return whether a file was fetched from the dataset's source: then its key names a range."""
        return self.contract is not None and self.contract.source is not None and bool(range_of(arrival.batch.raw.key))

    def _told_apart(self, readable: list[Arrival]) -> Sorted:
        found = Sorted([], [], [])
        if self.contract and (self.contract.by_arrival or self.contract.replaces):
            return replace(found, fresh=readable)
        with transaction() as connection:
            known = known_checksums(connection, self.consumer.output, [a.checksum for a in readable])
            refused = refused_twins(connection, self.consumer.output, [a.checksum for a in readable])
        for arrival in readable:
            identity = (arrival.checksum, arrival.batch.partition)
            if twin := refused.get(identity):
                message = f"It is the same as batch {twin}, which was refused: re-drive that one."
                found.refused.append(replace(arrival, reason=DUPLICATE, message=message))
            else:
                (found.duplicates if identity in known else found.fresh).append(arrival)
            known.add(identity)
        return found

    def _with_fetched(self, found: Sorted, fetched: list[Arrival]) -> Sorted:
        """Tell what was fetched from a source, and not yet taken, from what a worker taken for dead has put again.

        The key is that of a range, so equal key and content are one delivery, whatever else is known; two ranges
        are two deliveries even where they hold the same.
        """
        with transaction() as connection:
            known = known_deliveries(connection, self.consumer.output, [a.batch.raw.key for a in fetched])
        for arrival in fetched:
            identity = (arrival.batch.raw.key, arrival.checksum)
            (found.duplicates if identity in known else found.fresh).append(arrival)
            known.add(identity)
        return found

    def _copy(self, arrival: Arrival) -> Batch:
        landed, key = arrival.batch.raw, bronze_key(self.dataset, arrival)
        at = source_of(arrival.batch)
        stored = self.bronze.upload(arrival.path, key, like=Version(ZoneStore(Zone(at.zone)), at.key, at.etag))
        passed(self.consumer.kind, "stage.copied", [arrival.batch])
        return Batch(
            id=batch_id(self.consumer.output, arrival.batch.id),
            asset=self.consumer.output,
            records=1,
            bytes=stored.size,
            checksum=arrival.checksum,
            partition=arrival.batch.partition,
            contract=self.consumer.contract,
            place=BronzeFile(
                key=key,
                etag=stored.etag,
                size=stored.size,
                name=arrival.name,
                raw=landed.key,
                landed=landed.modified,
                shape=arrival.shape,
                arrival=landed.arrived,
            ),
            parents=(arrival.batch.id,),
        )

    def _refuse(self, arrival: Arrival, held: Claim) -> Refusal:
        if arrival.reason == SUPERSEDED:
            return Refusal(arrival.batch.id, SUPERSEDED, 1, place=arrival.message)
        under = f"files/{held.consumer}/{held.hop}/{held.attempt}/{arrival.batch.id}/"
        key = under + fitted(self.quarantine.place().name(under), arrival.name)
        self.quarantine.upload(arrival.path, key)
        self.quarantine.put_json(
            f"{under}_reason.json",
            {
                "v": REASON_VERSION,
                "file": to_json(arrival.batch.place, arrival.batch.rerun),
                "reason": arrival.reason,
                "message": arrival.message,
                "contract": held.contract,
            },
        )
        return Refusal(arrival.batch.id, arrival.reason, 1, place=self.quarantine.uri(key))

    def settle(self, done: Manifest) -> None:
        """Delete the raw files that the recorded hop has read, unless they were overwritten since.

        What a crash leaves of it is deleted by the next look at raw.
        """
        unread = {refused.batch for refused in done.refusals if refused.reason == SUPERSEDED}
        gone = partial(passed, self.consumer.kind, "settle.deleted")
        taken = [batch for batch in done.inputs if batch.id not in unread and not _moved(batch)]
        discard(self.raw, taken, gone)

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the objects in bronze with the batches that the ledger has recorded."""
        del known, manifests
        if self.contract is None:
            return
        stored = {item.key: item for item in self.bronze.list(f"{folder(self.dataset)}/")}
        with transaction() as connection:
            recorded = places_of(connection, self.consumer.output)
        for place in {place.key: place for place in recorded if isinstance(place, BronzeFile)}.values():
            found = stored.get(place.key)
            if found is None or (found.etag, found.size) != (place.etag, place.size):
                what = "gone" if found is None else "not the object that was recorded"
                yield f"{self.bronze.uri(place.key)} is {what}"


def source_of(batch: Batch) -> StoredAt:
    """Return where the bytes of a landed file lie: in raw, or in quarantine where it is sent again."""
    if batch.rerun and batch.rerun.at:
        return batch.rerun.at
    landed = batch.raw
    return StoredAt(landed.key, landed.etag, landed.size, Zone.RAW)


def _moved(batch: Batch) -> bool:
    return batch.rerun is not None and batch.rerun.at is not None


def discard(raw: ZoneStore, taken: Sequence[Batch], gone: Callable[[Sequence[Batch]], None]) -> None:
    """Delete raw files that are taken; one that is gone or overwritten meanwhile is left to the next look.

    `gone` is called after each.
    """

    def delete(batch: Batch) -> None:
        with suppress(Changed):
            raw.delete(batch.raw.key, batch.raw.etag)
        gone([batch])

    with ThreadPoolExecutor(TRANSFERS) as pool:
        list(pool.map(delete, taken))


def bronze_key(dataset: Dataset, arrival: Arrival) -> str:
    """Name the bronze copy: dataset, the object's own day, its arrival, hashes of content and raw key, and its name."""
    landed = arrival.batch.raw
    unique = f"{landed.arrived}-{arrival.checksum[:12]}-{short_hash(landed.key)}"
    key = f"{folder(dataset)}/{landed.modified[:10]}/{unique}-"
    return key + fitted(ZoneStore(Zone.BRONZE).place(key).name(key), arrival.name)


def fitted(before: str, name: str) -> str:
    """Cut a name, its ending kept, so that the whole key stays within 1,024 bytes of UTF-8."""
    room = KEY_BYTES - len(before.encode())
    encoded = name.encode()
    return name if len(encoded) <= room else encoded[len(encoded) - room :].decode(errors="ignore")
