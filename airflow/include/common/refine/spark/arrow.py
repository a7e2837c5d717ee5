"""Frames as Arrow, by the words in which Spark is told their columns."""

from collections.abc import Iterator

import polars as pl
import pyarrow as pa


def to_arrow(frames: Iterator[pl.DataFrame], schema: str) -> Iterator[pa.RecordBatch]:
    """Give frames all columns of a schema, and make Arrow of them."""
    wanted = arrow_schema(schema)
    for frame in frames:
        missing = [pl.lit(None).alias(name) for name in wanted.names if name not in frame.columns]
        rows = frame.with_columns(missing).select(wanted.names)
        yield from rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(wanted).to_batches()


def arrow_schema(text: str) -> pa.Schema:
    """Return the columns that a text names, each with its type."""
    return pa.schema([(name, _type(kind)) for name, kind in (one.split(" ", 1) for one in text.split(", "))])


def _type(kind: str) -> pa.DataType:
    if kind.startswith("decimal"):
        precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    types = {
        "int": pa.int32(), "bigint": pa.int64(), "string": pa.string(), "binary": pa.binary(), "double": pa.float64(),
        "boolean": pa.bool_(),
    }  # fmt: skip
    return types[kind]
