"""Manifests: what an attempt at a hop is about to publish, written once before it does."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from common.core.assets import Zone
from common.core.errors import StoreUnavailable, TerminalError
from common.core.nouns import Batch, Counts, Refusal
from common.core.places import TableVersion
from common.core.versions import read_versioned
from common.zones.store import ZoneStore

VERSION = 3


@dataclass(frozen=True)
class Manifest:
    """Everything the ledger needs to record a hop, so that a lost ledger can be rebuilt from manifests.

    `previous` is the attempt that won hop N-1; `inputs` are whole, because a lost ledger forgot them too. `ended` names
    open refusals of earlier hops whose rows this one has taken again.
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
    ended: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key of the manifest's object below the zone `manifests`."""
        return attempt_key(self.consumer, self.hop, self.attempt)

    @property
    def remade(self) -> bool:
        """Whether the hop made all of its table anew."""
        return any(isinstance(output.place, TableVersion) and output.place.remade for output in self.outputs)

    @property
    def json(self) -> dict[str, Any]:
        """The manifest as a JSON object of the current version."""
        batches = {"inputs": [b.json for b in self.inputs], "outputs": [b.json for b in self.outputs]}
        return {"v": VERSION, **asdict(self), **batches}


def attempt_key(consumer: str, hop: int, attempt: int) -> str:
    """Name the manifest of one attempt."""
    return f"{consumer}/{hop}/{attempt}.json"


def commit_key(consumer: str, hop: int) -> str:
    """Return the key of the object that is a hop's commit, where the target is the store itself."""
    return f"{consumer}/{hop}.json"


def write_manifest(manifest: Manifest) -> None:
    """Write the manifest of an attempt, once; a second write of the same attempt is a programming error."""
    store = ZoneStore(Zone.MANIFESTS)
    if store.put_json(manifest.key, manifest.json):
        return
    if store.read(manifest.key) is None:
        raise StoreUnavailable(f"{store.uri(manifest.key)} was neither written nor found. It will be tried again.")
    if read_manifest(manifest.consumer, manifest.hop, manifest.attempt) != manifest:  # else: the answer was lost
        raise TerminalError(f"Manifest {manifest.key} exists already: an attempt writes one manifest, once.")


def read_manifest(consumer: str, hop: int, attempt: int) -> Manifest:
    """Read the manifest of an attempt; raises TerminalError where it is missing, NewerVersion."""
    store, key = ZoneStore(Zone.MANIFESTS), attempt_key(consumer, hop, attempt)
    content = store.read(key)
    if content is None:
        raise TerminalError(f"The target names {store.uri(key)} as committed, but there is no such manifest.")
    return parse_manifest(json.loads(content), store.uri(key))


def parse_manifest(stored: Mapping[str, Any], where: str) -> Manifest:
    """Read a manifest of any version; raises NewerVersion, naming `where` it lies."""
    return read_versioned(stored, _READERS, where)


def _version_1(stored: Mapping[str, Any]) -> Manifest:
    """Read what did not say yet whether a refusal is of rows or of a file: the place of rows tells it."""
    kinds = [{"of": "row" if "/rows/" in item["place"] else "file"} for item in stored["refusals"]]
    refusals = [item | kind for item, kind in zip(stored["refusals"], kinds, strict=True)]
    return _version_2({**stored, "refusals": refusals})


def _version_2(stored: Mapping[str, Any]) -> Manifest:
    """Read what ended no refusal of an earlier hop."""
    return _version_3({**stored, "ended": []})


def _version_3(stored: Mapping[str, Any]) -> Manifest:
    read = {
        "inputs": tuple(Batch.from_json(item) for item in stored["inputs"]),
        "outputs": tuple(Batch.from_json(item) for item in stored["outputs"]),
        "refusals": tuple(Refusal(**item) for item in stored["refusals"]),
        "counts": Counts(**stored["counts"]),
        "pins": {asset: (low, high) for asset, (low, high) in stored["pins"].items()},
        "parts": tuple(stored["parts"]),
        "ended": tuple(stored["ended"]),
    }
    return Manifest(**{name: value for name, value in stored.items() if name != "v"} | read)


_READERS: dict[int, Callable[[Mapping[str, Any]], Manifest]] = {1: _version_1, 2: _version_2, 3: _version_3}
