"""The floor: polars parses the same files to the same types and writes Parquet; nothing is checked or compared.

Delimited text is read as text first, then each type is one expression: polars' reader looks for a pattern of dates
value by value, which takes ten times as long as one expression with a pattern.
"""

import sys
import time
from pathlib import Path

import polars as pl
from measure import finish

COLUMNS = ("order_id", "email", "country", "quantity", "amount", "ordered_at", "updated_at", "note")
TEXTS: dict[str, pl.DataType] = dict.fromkeys(COLUMNS, pl.String())
NUMBERS: dict[str, pl.DataType] = {"order_id": pl.Int64(), "quantity": pl.Int64(), "amount": pl.Float64()}
AMOUNT, PATTERN = pl.Decimal(12, 2), "%Y-%m-%dT%H:%M:%SZ"


def scan(path: Path) -> pl.LazyFrame:
    """Parse a file; a value that does not parse is null."""
    moments = pl.col("ordered_at", "updated_at").str.to_datetime(PATTERN, strict=False, time_unit="us", cache=False)
    moments = moments.dt.replace_time_zone("UTC")
    amount = pl.col("amount").cast(AMOUNT, strict=False)
    match path.suffix:
        case ".parquet":
            return pl.scan_parquet(path).with_columns(pl.col("ordered_at", "updated_at").dt.replace_time_zone("UTC"))
        case ".ndjson":
            return pl.scan_ndjson(path, schema=TEXTS | NUMBERS, ignore_errors=True).with_columns(moments, amount)
        case _:
            numbers = pl.col("order_id", "quantity").cast(pl.Int64, strict=False)
            texts = pl.scan_csv(path, schema=TEXTS, ignore_errors=True)
            return texts.with_columns(numbers, amount, moments)


def main(raw: Path, out: Path) -> None:
    """Parse and write every file."""
    out.mkdir(parents=True)
    began = time.perf_counter()
    for path in sorted(raw.iterdir()):
        scan(path).sink_parquet(out / f"{path.name}.parquet", compression="zstd", compression_level=1)
    finish(began, writes="Parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
