"""Seals of the audit log: a signature over its newest entry, kept as a write-once object and in the exported file.

A chain of hashes shows that an entry was changed, not that the last ones were cut off. A seal shows that, too, to
whoever has the public key: an export needs no ledger and no store to be verified. Signatures are Ed25519 (RFC 8032).
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from sqlalchemy import Connection

from common.core.assets import Zone
from common.core.errors import ConfigError
from common.core.ids import short_hash
from common.core.versions import read_versioned
from common.ledger.journal import Entry, broken, entries
from common.zones.store import ZoneStore

FOLDER = "audit-seals"
VERSION = 1


@dataclass(frozen=True)
class Seal:
    """What vouches for the first n entries: the hash of the n-th, and its signature in base64."""

    n: int
    hash: str
    signature: str
    v: int = VERSION


def private_key(file: Path) -> Ed25519PrivateKey:
    """Read the key that signs; raises ConfigError where the file holds no other than an unencrypted Ed25519 key."""
    try:
        key = load_pem_private_key(_content(file), password=None)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{file} is no private key without a password: {error}. {MADE_BY}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{file} is a {type(key).__name__}; an Ed25519 key is asked for. {MADE_BY}")
    return key


def public_key(file: Path) -> Ed25519PublicKey:
    """Read the key that verifies; raises ConfigError where the file holds none."""
    try:
        key = load_pem_public_key(_content(file))
    except ValueError as error:
        raise ConfigError(f"{file} is no public key: {error}. {MADE_BY}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{file} is a {type(key).__name__}; an Ed25519 key is asked for. {MADE_BY}")
    return key


MADE_BY = (
    "`openssl genpkey -algorithm ed25519 -out private.pem` makes one that signs, "
    "`openssl pkey -in private.pem -pubout -out public.pem` the one that verifies."
)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}.") from error


def sealed(chain: Sequence[Entry], key: Ed25519PrivateKey) -> Seal:
    """Sign the newest entry and keep the seal as a write-once object."""
    last = chain[-1]
    made = Seal(last.n, last.hash, base64.b64encode(key.sign(_signed(last.n, last.hash))).decode())
    ZoneStore(Zone.MANIFESTS).put_json(f"{FOLDER}/{last.n:08d}-{short_hash(made.signature)}.json", asdict(made))
    return made


def sealed_lines(chain: Sequence[Entry], seal: Seal) -> Iterator[str]:
    """Give the lines of an export: one JSON object an entry, and the seal as the last."""
    yield from (json.dumps(asdict(entry), ensure_ascii=False) for entry in chain)
    yield json.dumps({"seal": asdict(seal)})


def faults_of_export(file: Path, key: Ed25519PublicKey) -> list[str]:
    """Return what is wrong with an export, in plain words; raises ConfigError where the file is none."""
    chain, seal = _read(file)
    found = list(broken(chain))
    if seal is None:
        return [*found, "the seal is missing: the end was cut off, or it was never sealed"]
    return [*found, *_against(seal, chain, key)]


def faults_of_seals(connection: Connection, key: Ed25519PublicKey | None = None) -> Iterator[str]:
    """Say where the ledger's audit log is not what the store's seals vouch for; without a key, by hashes alone."""
    chain, store = entries(connection), ZoneStore(Zone.MANIFESTS)
    for kept in store.list(f"{FOLDER}/"):
        if content := store.read(kept.key):
            seal = read_versioned(json.loads(content), {VERSION: lambda fields: Seal(**fields)}, store.uri(kept.key))
            yield from _against(seal, chain, key)


def _against(seal: Seal, chain: Sequence[Entry], key: Ed25519PublicKey | None) -> Iterator[str]:
    if key is not None and not _genuine(seal, key):
        yield f"the seal of entry {seal.n} was not made with this key, or was changed"
    held = next((entry for entry in chain if entry.n == seal.n), None)
    if held is None:
        yield f"entries up to {seal.n} were sealed; there are {len(chain)}"
    elif held.hash != seal.hash:
        yield f"entry {seal.n} is not the one that was sealed"


def _genuine(seal: Seal, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(base64.b64decode(seal.signature), _signed(seal.n, seal.hash))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(n: int, digest: str) -> bytes:
    return f"watershed audit log v{VERSION} {n} {digest}".encode()


def _read(file: Path) -> tuple[list[Entry], Seal | None]:
    chain: list[Entry] = []
    lines = _content(file).splitlines()
    for number, line in enumerate(lines, 1):
        try:
            content: dict[str, Any] = json.loads(line)
            if number == len(lines) and "seal" in content:
                return chain, Seal(**content["seal"])
            chain.append(Entry(**content | {"n": int(content["n"])}))
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"Line {number} of {file} is no entry of an export of the audit log: {error}.") from error
    return chain, None
