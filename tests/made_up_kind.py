"""A kind of hop that only tests have: what it takes to add one is this file and one row in the table of kinds.

It mirrors a silver table as objects: one object a hop with the rows that are new, committed by a write-once object.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from common.core.assets import Zone, asset_name
from common.core.ids import batch_id
from common.core.nouns import Batch, Consumer, Counts
from common.core.places import WarehouseTable
from common.lake.table import CHANGE, changes, reading
from common.ledger.claims import Claim
from common.ledger.manifests import Manifest
from common.observe.verbs import passed
from common.pipelines.consumers import datasets
from common.pipelines.kinds import KINDS, Kind
from common.pipelines.object_step import ObjectStep
from common.pipelines.step import Published, Staged
from common.zones.store import ZoneStore
from common.zones.zone import folder

SWITCH = "TEST_KIND"  # workers register the kind where it is set


def mirrors(domain: str) -> list[Consumer]:
    """Return one consumer a dataset."""
    return [
        Consumer(
            name=f"{dataset}@mirror",
            kind="mirror",
            inputs=(asset_name(dataset, Zone.SILVER),),
            output=f"{dataset}@mirror",
            contract="1",
            ordered=True,
            dataset=dataset,
        )
        for dataset in datasets(domain)
    ]


class MirrorStep(ObjectStep):
    """The hop that writes the new rows of a silver table as one object."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__(consumer)
        self.store = ZoneStore(Zone.ARCHIVE)

    @contextmanager
    def stage(self, held: Claim) -> Iterator[Staged]:
        """Write the rows as an object of this attempt."""
        rows, counts = self._read(held)
        key = f"{held.consumer}/{held.hop}/{held.attempt}.json"
        self.store.put_json(key, rows)
        passed(self.consumer.kind, "stage.written", held.batches)
        output = Batch(
            id=batch_id(held.consumer, held.hop),
            asset=self.consumer.output,
            records=len(rows),
            place=WarehouseTable(key),
            parents=tuple(batch.id for batch in held.batches),
        )
        yield Staged(counts, self.commit(held), (output,), parts=(key,))

    def plan(self, held: Claim) -> Counts:
        """Count what the claim would come to."""
        return self._read(held)[1]

    def _read(self, held: Claim) -> tuple[list[list[str | int]], Counts]:
        uri = ZoneStore(Zone.SILVER).uri(folder(self.consumer.dataset))
        with reading(uri):
            feed = changes(uri, *held.pins[self.consumer.inputs[0]], ["_file", "_record"])
        new = feed.filter(feed[CHANGE] == "insert").select("_file", "_record")
        came = feed.filter(feed[CHANGE].is_in(["insert", "update_postimage"])).height
        return [list(row) for row in new.rows()], Counts(came, new.height, came - new.height, 0)

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the objects with those that the winning manifests name."""
        del known
        for manifest in manifests:
            yield from (f"{self.store.uri(key)} is gone" for key in manifest.parts if self.store.head(key) is None)


ROW = Kind(
    stage="mirror",
    ordered=True,
    consumers=mirrors,
    step="tests.made_up_kind:MirrorStep",
    dag="{domain}_mirror",
    doc="Mirror silver tables.\n\n**What**: x.\n\n**When**: x.\n\n**When it fails**: x.",
    inside=("stage.written",),
)


@contextmanager
def registered() -> Iterator[None]:
    """Put the row into the table of kinds, here and in workers, for the length of a block."""
    KINDS["mirror"] = ROW
    os.environ[SWITCH] = "on"
    try:
        yield
    finally:
        del KINDS["mirror"], os.environ[SWITCH]


def mirrored(domain: str, dataset: str) -> list[tuple[str, int]]:
    """Read the rows that published hops have mirrored."""
    from common.ledger.batches import places_of
    from common.ledger.database import transaction

    with transaction() as connection:
        places = places_of(connection, f"{domain}.{dataset}@mirror")
    objects = [ZoneStore(Zone.ARCHIVE).read(place.table) for place in places if isinstance(place, WarehouseTable)]
    return sorted((file, record) for content in objects for file, record in json.loads(content or b"[]"))
