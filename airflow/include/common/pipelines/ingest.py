"""Sources to raw: what is pinned in the ledger is fetched into one file, which then lands like any other.

The commit decides which attempt's file is the one. It lies staged, so that anybody can put it into raw after a crash;
the key is made of the range, so putting it twice changes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from common.contracts.catalogue import contract_of
from common.core.assets import Zone
from common.core.errors import TerminalError
from common.core.nouns import Batch, Consumer, Counts, Refusal
from common.core.scratch import scratch
from common.ledger.claims import Claim
from common.ledger.database import transaction
from common.ledger.incidents import REFUSED, SUPERSEDED
from common.ledger.manifests import Manifest, read_manifest
from common.ledger.ranges import delivered, unrung_hops
from common.observe.verbs import passed
from common.pipelines.object_step import ObjectStep
from common.pipelines.step import Published, Staged
from common.sources.keys import raw_key
from common.sources.registry import source_of
from common.sources.source import Gone
from common.zones.store import ZoneStore


class IngestStep(ObjectStep):
    """The hop that fetches ranges of one dataset's source."""

    def __init__(self, consumer: Consumer) -> None:
        contract = contract_of(consumer.dataset)
        super().__init__(replace(consumer, contract=contract.hash))
        self.source = source_of(contract)
        self.staging, self.raw = ZoneStore(Zone.STAGING), ZoneStore(Zone.RAW)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Fetch every range into an object of this attempt; what earlier hops owe raw is put there first."""
        self.deliver()
        parts, empty, refusals = [], 0, []
        with scratch() as spool:
            for number, batch in enumerate(held.batches):
                path = spool / str(number)
                if batch.id in held.refused:
                    refusals.append(Refusal(batch.id, REFUSED, 1))
                    continue
                try:
                    records = self.source.fetch(batch.range, path)
                except Gone as gone:
                    refusals.append(Refusal(batch.id, SUPERSEDED, 1, place=str(gone)))
                    continue
                if records:
                    parts.append(self._part(held, batch, path))
                else:
                    empty += 1
        yield Staged(
            counts=Counts(len(held.batches), len(parts), empty, len(refusals)),
            commit=self.commit(held),
            refusals=tuple(refusals),
            parts=tuple(parts),
        )

    def _part(self, held: Claim, batch: Batch, path: Path) -> str:
        """Stage what was fetched; the key in raw ends the key of the part, so that it tells where it belongs."""
        key = raw_key(self.consumer.dataset, batch, self.source.suffix(batch.range))
        part = f"{held.consumer}/{held.hop}/{held.attempt}/{key}"
        self.staging.upload(path, part)
        path.unlink()
        passed(self.consumer.kind, "stage.fetched", [batch])
        return part

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to: the ranges, for what is in them is known once they are fetched."""
        return Counts(len(held.batches), len(held.batches))

    def settle(self, done: Manifest) -> None:
        """Put what the hop owes raw; what a crash leaves of it is put by the next run, or by landing's look."""
        for part in done.parts:
            self._put(part, done)

    def deliver(self) -> None:
        """Put what recorded hops owe raw and a crash has kept from it.

        Raw is looked at before the ledger: what is not there may have been taken meanwhile, and then the ledger has it.
        """
        with transaction() as connection:
            hops = unrung_hops(connection, self.consumer.name)
        for number, attempt in hops:
            done = read_manifest(self.consumer.name, number, attempt)
            owed = [part for part in done.parts if self.raw.head(_key(part)) is None]
            if not owed:
                continue
            with transaction() as connection:
                keys, ranges = [_key(part) for part in owed], [batch.id for batch in done.inputs]
                known = delivered(connection, self.consumer.output, keys, ranges)
            for part in owed:
                if _key(part) not in known:
                    self._put(part, done)

    def _put(self, part: str, done: Manifest) -> None:
        found = self.staging.head(part)
        if found is None:
            raise TerminalError(
                f"Hop {done.hop} of {done.consumer} owes raw {_key(part)}, but {self.staging.uri(part)} is not there "
                "any more, and no delivery of it is known. Restore the object, or see docs/sources.md."
            )
        with scratch() as spool:
            path = spool / "part"
            self.staging.download(part, path, found.etag)
            passed(self.consumer.kind, "settle.read", done.inputs)
            self.raw.upload(path, _key(part))
            passed(self.consumer.kind, "settle.put", done.inputs)

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare what rung hops owed raw with the deliveries that raw and the ledger have."""
        rung = {row.n for row in known.hops if row.rung}
        for done in (manifest for manifest in manifests if manifest.hop in rung and manifest.parts):
            missing = [key for key in map(_key, done.parts) if self.raw.head(key) is None]
            with transaction() as connection:
                found = delivered(connection, self.consumer.output, missing, [batch.id for batch in done.inputs])
            for key in sorted(set(missing) - found):
                yield f"hop {done.hop}: {self.raw.uri(key)} was never delivered"


def _key(part: str) -> str:
    """Return the key in raw that a staged part is for."""
    return part.split("/", 3)[3]
