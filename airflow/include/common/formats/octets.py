"""The bytes of a text as a column of numbers: polars compares and counts them many times faster than Python."""

from functools import lru_cache

import polars as pl


def octets(text: bytes) -> pl.Series:
    """Return one unsigned number for each byte."""
    return pl.Series([text], dtype=pl.Binary).cast(pl.List(pl.UInt8)).explode()


def positions(where: pl.Series) -> pl.Series:
    """Return the indices at which a mask is true."""
    return _indices(where.len().bit_length()).head(where.len()).filter(where)


@lru_cache(maxsize=1)
def _indices(bits: int) -> pl.Series:
    return pl.int_range(1 << bits, dtype=pl.UInt32, eager=True)


def count(where: pl.Series) -> int:
    """Return how often a mask is true."""
    return int(where.sum())


def among(values: pl.Series, allowed: bytes) -> bool:
    """Tell whether all numbers are bytes out of a few."""
    mask = values == allowed[0]
    for byte in allowed[1:]:
        mask |= values == byte
    return bool(mask.all())
