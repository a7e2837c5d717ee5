"""Passwords and tokens of a stack, generated at its first start and kept beside its data."""

import base64
import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from devstack.folder import StateFolder, read_json, write_json


def _token() -> str:
    return secrets.token_hex(32)  # JWT's SHA-512 wants 64 bytes


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _private_key() -> str:
    """Make a private key: DER in base64, for PEM has line ends."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return base64.urlsafe_b64encode(der).decode()


@dataclass(frozen=True)
class Keys:
    """Each value is made of characters that need no quoting in an address."""

    postgres: str = field(default_factory=_token)
    fernet: str = field(default_factory=_fernet)
    jwt: str = field(default_factory=_token)
    api: str = field(default_factory=_token)
    slack: str = field(default_factory=lambda: f"xoxb-{_token()}")
    mail: str = field(default_factory=_token)
    teams: str = field(default_factory=_token)
    telegram: str = field(default_factory=lambda: f"7000000000:{secrets.token_urlsafe(26)}")
    pagerduty: str = field(default_factory=lambda: secrets.token_hex(16))  # a routing key has 32 characters
    google: str = field(default_factory=_token)
    veeva: str = field(default_factory=_token)
    google_key: str = field(default_factory=_private_key)  # of the service account


def keys_of(folder: StateFolder) -> Keys:
    """Read the stack's keys, making those that it lacks."""
    known = read_json(folder.keys) or {}
    keys = Keys(**known)
    if asdict(keys) != known:
        write_json(folder.keys, asdict(keys))
    return keys


def service_account(keys: Keys, address: str) -> dict[str, str]:
    """Return the file of a service account, as Google's console gives it, for the stand-in at an address."""
    der = base64.urlsafe_b64decode(keys.google_key)
    lines = base64.encodebytes(der).decode()
    return {
        "type": "service_account",
        "project_id": "watershed",
        "private_key_id": "1",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{lines}-----END PRIVATE KEY-----\n",
        "client_email": "watershed@watershed.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{address}/google/token",
    }


def main() -> None:
    """Write each key that Airflow wants into a file of the folder named by the first argument, unless it is there.

    With the address of the stand-ins as the second one, also the file of a service account.
    """
    folder, made = Path(sys.argv[1]), Keys()
    wanted = {name: getattr(made, name) for name in ("fernet", "jwt", "api")}
    if len(sys.argv) > 2:
        wanted["google_service_account.json"] = json.dumps(service_account(made, sys.argv[2]))
    for name, content in wanted.items():
        if not (folder / name).exists():
            fresh = folder / f".{name}"
            fresh.touch(mode=0o640)  # the group is the one of all Airflow containers
            fresh.write_text(content, encoding="utf-8")
            fresh.rename(folder / name)


if __name__ == "__main__":
    main()
