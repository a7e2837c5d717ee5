"""The floor: polars parses the same files to the same types and writes Parquet; nothing is checked or compared."""

import sys
import time
from pathlib import Path

import polars as pl
from measure import finish

MOMENT = pl.Datetime("us", "UTC")
SCHEMA = {
    "order_id": pl.Int64(),
    "email": pl.String(),
    "country": pl.String(),
    "quantity": pl.Int64(),
    "amount": pl.Decimal(12, 2),
    "ordered_at": MOMENT,
    "updated_at": MOMENT,
    "note": pl.String(),
}
JSON = SCHEMA | {"amount": pl.Float64(), "ordered_at": pl.String(), "updated_at": pl.String()}


def scan(path: Path) -> pl.LazyFrame:
    """Parse a file; a value that does not parse is null."""
    match path.suffix:
        case ".parquet":
            return pl.scan_parquet(path)
        case ".ndjson":
            texts = pl.scan_ndjson(path, schema=JSON, ignore_errors=True)
            moments = pl.col("ordered_at", "updated_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False)
            return texts.with_columns(moments, pl.col("amount").cast(pl.Decimal(12, 2)))
        case _:
            return pl.scan_csv(path, schema=SCHEMA, ignore_errors=True)


def main(raw: Path, out: Path) -> None:
    """Parse and write every file."""
    out.mkdir(parents=True)
    began = time.perf_counter()
    for path in sorted(raw.iterdir()):
        scan(path).sink_parquet(out / f"{path.name}.parquet", compression="zstd", compression_level=1)
    finish(began, writes="Parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
