"""Passwords and tokens of a stack, generated at its first start and kept beside its data."""

import base64
import os
import secrets
from dataclasses import asdict, dataclass, field

from devstack.folder import StateFolder, read_json, write_json


def _token() -> str:
    return secrets.token_hex(32)  # JWT's SHA-512 wants 64 bytes


def _fernet() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


@dataclass(frozen=True)
class Keys:
    """Each value is hexadecimal or URL-safe, so none needs quoting in an address."""

    postgres: str = field(default_factory=_token)
    fernet: str = field(default_factory=_fernet)
    jwt: str = field(default_factory=_token)
    api: str = field(default_factory=_token)
    slack: str = field(default_factory=lambda: f"xoxb-{_token()}")


def keys_of(folder: StateFolder) -> Keys:
    """Read the stack's keys, making those that it lacks."""
    known = read_json(folder.keys) or {}
    keys = Keys(**known)
    if asdict(keys) != known:
        write_json(folder.keys, asdict(keys))
    return keys
