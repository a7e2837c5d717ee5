"""Sniff, open and read files of any known format to polars frames, with exact accounting of refused records."""

from common.formats.chunk import Chunk
from common.formats.reading import read
from common.formats.sniffing import sniff

__all__ = ["Chunk", "read", "sniff"]
