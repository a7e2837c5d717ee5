"""What the hops that write a lake table share: its head, its versions, and how it is compared with the ledger."""

from collections.abc import Iterator, Sequence

from common.core.assets import Zone
from common.core.nouns import Batch, Consumer, Head
from common.lake.table import LakeTable
from common.ledger.manifests import Manifest
from common.pipelines.step import Published


class LakeStep:
    """The part of a step that is about its Delta table."""

    def __init__(self, consumer: Consumer, zone: Zone, key: Sequence[str]) -> None:
        self.consumer = consumer
        self.table = LakeTable(zone, consumer.dataset, consumer.name, key)

    def head(self) -> Head:
        """Read the table's last hop."""
        return self.table.head()

    def with_version(self, batch: Batch, hop: int) -> Batch:
        """Complete an output with its Delta version."""
        return self.table.with_version(batch, hop)

    def settle(self, done: Manifest) -> None:
        """Nothing is left to do: what was read stays."""

    def differences(self, known: Published, manifests: list[Manifest]) -> Iterator[str]:
        """Compare the commits in the table's log with the published hops: each once, with the parts it staged."""
        del known
        commits = self.table.commits()
        for hop, versions in commits.items():
            if len(versions) > 1:
                yield f"hop {hop} was committed {len(versions)} times to {self.table.uri}"
        for manifest in manifests:
            staged = {part for part in manifest.parts if "://" not in part}  # an address is of another zone
            for version in commits.get(manifest.hop, []) if staged else ():
                if unnamed := self.table.parts_of(version) - staged:
                    yield f"hop {manifest.hop}: {min(unnamed)} of {self.table.uri} is not in its manifest"
