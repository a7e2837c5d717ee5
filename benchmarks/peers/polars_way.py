"""The whole job as a polars script does it: parse, check, set bad rows aside, keep the latest of each key, write."""

import sys
import time
from pathlib import Path

import polars as pl
from floor import scan
from measure import finish

COUNTRIES = ["DE", "FR", "GB", "SE", "US"]
NEEDED = ("order_id", "email", "country", "quantity", "amount", "ordered_at", "updated_at")
GOOD = (
    pl.all_horizontal(pl.col(name).is_not_null() for name in NEEDED)
    & pl.col("country").is_in(COUNTRIES)
    & pl.col("quantity").is_between(1, 1000)
    & pl.col("amount").is_between(0, 100_000)
).fill_null(value=False)


def main(raw: Path, out: Path) -> None:
    """Refine every file into one table, and bad rows into another, with nulls for what did not parse."""
    (out / "bad").mkdir(parents=True)
    began = time.perf_counter()
    good = []
    for path in sorted(raw.iterdir()):
        email = pl.col("email").str.strip_chars().str.to_lowercase()
        rows = scan(path).with_columns(email, GOOD.alias("good")).collect()
        rows.filter(~pl.col("good")).drop("good").write_parquet(out / "bad" / f"{path.name}.parquet")
        good.append(rows.filter("good").drop("good"))
    latest = pl.concat(good).sort("updated_at").unique("order_id", keep="last")
    latest.write_parquet(out / "orders.parquet", compression="zstd", compression_level=1)
    finish(began, writes="Parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
