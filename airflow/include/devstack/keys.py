"""Passwords and tokens of a stack, generated at its first start and kept beside its data."""

import base64
import os
import secrets
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devstack.folder import StateFolder, read_json, write_json


def _token() -> str:
    return secrets.token_hex(32)  # JWT's SHA-512 wants 64 bytes


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


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


def keys_of(folder: StateFolder) -> Keys:
    """Read the stack's keys, making those that it lacks."""
    known = read_json(folder.keys) or {}
    keys = Keys(**known)
    if asdict(keys) != known:
        write_json(folder.keys, asdict(keys))
    return keys


def main() -> None:
    """Write each key that Airflow wants into a file of the folder named by the first argument, unless it is there."""
    folder, made = Path(sys.argv[1]), Keys()
    for name in ("fernet", "jwt", "api"):
        if not (folder / name).exists():
            fresh = folder / f".{name}"
            fresh.touch(mode=0o640)  # the group is the one of all Airflow containers
            fresh.write_text(getattr(made, name), encoding="utf-8")
            fresh.rename(folder / name)


if __name__ == "__main__":
    main()
