"""Identifiers: deterministic for batches, random for attempts."""

import hashlib
import json
import secrets


def batch_id(*parts: str | int | None) -> str:
    """Derive a batch's id from what makes it unique; 32 hexadecimal digits.

    Parts are hashed as a JSON list, so that ("ab", "c") and ("a", "bc") differ.
    """
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:32]


def short_hash(text: str) -> str:
    """Shorten any text to 12 hexadecimal digits, for use in object keys."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def attempt_id() -> int:
    """Draw the id of an attempt: 63 random bits, because Delta keeps it as a signed 64-bit integer."""
    return secrets.randbits(63) or 1
