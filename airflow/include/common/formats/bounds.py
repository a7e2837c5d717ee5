"""Refuse files that would take more time or memory than the settings allow, each by its word."""

from common.core.errors import UnreadableFile
from common.core.settings import limits

_MEBIBYTE = 1 << 20


def require_columns(width: int) -> None:
    """Raise UnreadableFile (too_wide) for more columns than are allowed."""
    most = limits().max_columns
    if width > most:
        message = f"The file has {width:,} columns; at most {most:,} are read (WATERSHED_MAX_COLUMNS)."
        raise UnreadableFile("too_wide", message)


def require_length(size: int, line: int | None = None) -> None:
    """Raise UnreadableFile (too_long) for a line or an element of more bytes than are allowed."""
    most = limits().max_record_bytes
    if size > most:
        where = f"Line {line:,}" if line else "A line or element of the file"
        message = f"{where} is longer than {most / _MEBIBYTE:g} MiB (WATERSHED_MAX_RECORD_BYTES)."
        raise UnreadableFile("too_long", message)


def allowed_size(size: int) -> int:
    """Return how many bytes a file of this size may take decompressed."""
    return max(limits().max_inflated_bytes, limits().max_inflation * size)


def require_inflated(inflated: int, size: int) -> None:
    """Raise UnreadableFile (too_large) for more decompressed bytes than are allowed for a file of this size."""
    most = allowed_size(size)
    if inflated > most:
        message = (
            f"Decompressed, the file takes more than {most / _MEBIBYTE:,.0f} MiB, from {size / _MEBIBYTE:,.3f} MiB; "
            "see WATERSHED_MAX_INFLATION and WATERSHED_MAX_INFLATED_BYTES. Land it in parts, or raise them."
        )
        raise UnreadableFile("too_large", message)
