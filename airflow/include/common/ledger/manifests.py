"""Manifests: what an attempt at a hop is about to publish, written once before it does."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from common.core.errors import StoreUnavailable, TerminalError
from common.core.nouns import Batch, Counts, Refusal
from common.zones.store import ZoneStore
from common.zones.zone import Zone


@dataclass(frozen=True)
class Manifest:
    """Everything the ledger needs to record a hop, so that a lost ledger can be rebuilt from manifests.

    `previous` is the attempt that won hop N-1; `inputs` are whole, because a lost ledger forgot them too.
    """

    consumer: str
    hop: int
    attempt: int
    previous: int
    contract: str
    inputs: tuple[Batch, ...]
    counts: Counts
    outputs: tuple[Batch, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    pins: dict[str, tuple[int, int]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    bytes: int = 0
    run_id: str = ""

    @property
    def key(self) -> str:
        """Name the manifest's object below the zone `manifests`."""
        return attempt_key(self.consumer, self.hop, self.attempt)


def attempt_key(consumer: str, hop: int, attempt: int) -> str:
    """Name the manifest of one attempt."""
    return f"{consumer}/{hop}/{attempt}.json"


def write_manifest(manifest: Manifest) -> None:
    """Write the manifest of an attempt, once; a second write of the same attempt is a programming error."""
    store = ZoneStore(Zone.MANIFESTS)
    if store.put_json(manifest.key, asdict(manifest)):
        return
    if store.read(manifest.key) is None:
        raise StoreUnavailable(f"{store.uri(manifest.key)} was neither written nor found. It will be tried again.")
    if read_manifest(manifest.consumer, manifest.hop, manifest.attempt) != manifest:  # else: the answer was lost
        raise TerminalError(f"Manifest {manifest.key} exists already: an attempt writes one manifest, once.")


def read_manifest(consumer: str, hop: int, attempt: int) -> Manifest:
    """Read the manifest of an attempt; raises TerminalError where it is missing."""
    store, key = ZoneStore(Zone.MANIFESTS), attempt_key(consumer, hop, attempt)
    content = store.read(key)
    if content is None:
        raise TerminalError(f"The target names {store.uri(key)} as committed, but there is no such manifest.")
    return _manifest(json.loads(content))


def _manifest(data: dict[str, Any]) -> Manifest:
    return Manifest(
        **data
        | {
            "inputs": tuple(_batch(item) for item in data["inputs"]),
            "outputs": tuple(_batch(item) for item in data["outputs"]),
            "refusals": tuple(Refusal(**item) for item in data["refusals"]),
            "counts": Counts(**data["counts"]),
            "pins": {asset: (low, high) for asset, (low, high) in data["pins"].items()},
            "parts": tuple(data["parts"]),
        }
    )


def _batch(data: dict[str, Any]) -> Batch:
    return Batch(**data | {"parents": tuple(data["parents"])})
