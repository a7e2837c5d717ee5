"""Refining as it is often written with pandas: read, coerce, drop what is null, keep the last of each key, write."""

import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
from measure import finish

COUNTRIES = ["DE", "FR", "GB", "SE", "US"]


def read(path: Path) -> pd.DataFrame:
    """Read one file; Parquet through DuckDB where pandas has no engine of its own."""
    match path.suffix:
        case ".parquet":
            try:
                return pd.read_parquet(path)
            except ImportError:
                return duckdb.read_parquet(str(path)).df()
        case ".ndjson":
            return pd.read_json(path, lines=True, dtype=False)
        case _:
            return pd.read_csv(path, on_bad_lines="skip", low_memory=False)


def clean(frame: pd.DataFrame) -> pd.DataFrame:
    """Coerce, and drop the rows that are not good."""
    for name in ("order_id", "quantity", "amount"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    for name in ("ordered_at", "updated_at"):
        frame[name] = pd.to_datetime(frame[name], errors="coerce", utc=True)
    frame["email"] = frame["email"].str.strip().str.lower()
    needed = ["order_id", "email", "country", "quantity", "amount", "ordered_at", "updated_at"]
    frame = frame.dropna(subset=needed)
    good = frame["amount"].between(0, 100_000) & frame["quantity"].between(1, 1000) & frame["country"].isin(COUNTRIES)
    return frame[good].astype({"order_id": "int64", "quantity": "int64"})


def write(frame: pd.DataFrame, path: Path) -> str:
    """Write Parquet, through DuckDB where pandas has no engine of its own; tell which."""
    try:
        frame.to_parquet(path, index=False)
    except ImportError:
        duckdb.sql(f"COPY (SELECT * FROM frame) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return "Parquet by DuckDB"
    return "Parquet by pandas"


def main(raw: Path, out: Path) -> None:
    """Refine every file into one table."""
    out.mkdir(parents=True)
    began = time.perf_counter()
    frame = pd.concat([clean(read(path)) for path in sorted(raw.iterdir())], ignore_index=True)
    latest = frame.sort_values("updated_at").drop_duplicates("order_id", keep="last")
    finish(began, writes=write(latest, out / "orders.parquet"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
