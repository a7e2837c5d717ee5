"""Rows as files: the formats in which the shop delivers."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

Row = dict[str, str]


@dataclass(frozen=True)
class Drop:
    """One file as it lands: its key below the domain's raw prefix, and its bytes."""

    key: str
    content: bytes


def delimited(rows: Sequence[Row], delimiter: str = ",") -> bytes:
    """Write rows as delimited text with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_it_is(rows: Sequence[Row]) -> bytes:
    """Write rows as the shop's oldest till does: a leading blank, runs of blanks, CRLF."""
    lines = [f" {' '.join(rows[0])}", *(f" {'  '.join(row.values())}" for row in rows)]
    return "".join(f"{line}\r\n" for line in lines).encode()


def typed(row: Row) -> dict[str, object]:
    """Write numbers as JSON writes them."""
    return {name: _number(name, value) for name, value in row.items()}


def _number(name: str, value: str) -> object:
    if name == "number_of_cds":
        return int(value)
    return float(value) if name == "dollar_value" else value


def json_array(rows: Sequence[Row]) -> bytes:
    """Write rows as one JSON array."""
    return json.dumps([typed(row) for row in rows], indent=1).encode()


def ndjson(rows: Sequence[Row]) -> bytes:
    """Write rows as one JSON object a line."""
    return "".join(json.dumps(typed(row)) + "\n" for row in rows).encode()


def parquet(rows: Sequence[Row]) -> bytes:
    """Write rows as Parquet, with a date and numbers of its own types."""
    frame = pl.DataFrame([typed(row) for row in rows])
    buffer = io.BytesIO()
    frame.with_columns(pl.col("date").str.to_date("%Y%m%d")).write_parquet(buffer)
    return buffer.getvalue()


def zipped(write: Callable[[Sequence[Row]], bytes]) -> Callable[[Sequence[Row]], bytes]:
    """Compress what a format writes; without a time stamp, so that equal rows are equal bytes."""
    return lambda rows: gzip.compress(write(rows), mtime=0)


FORMATS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    "csv": delimited,
    "csv.gz": zipped(delimited),
    "tsv": lambda rows: delimited(rows, "\t"),
    "txt": as_it_is,
    "json": json_array,
    "ndjson": ndjson,
    "ndjson.gz": zipped(ndjson),
    "parquet": parquet,
}
