"""The whole job as a dlt pipeline does it: a model checks each row, a merge into DuckDB keeps the latest of a key."""

import csv
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow.parquet as pq
from measure import finish
from pydantic import BaseModel, Field, StringConstraints, ValidationError


class Order(BaseModel):
    """What a row must be."""

    order_id: int
    email: Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True, min_length=1)]
    country: Literal["DE", "FR", "GB", "SE", "US"]
    quantity: Annotated[int, Field(ge=1, le=1000)]
    amount: Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12, decimal_places=2)]
    ordered_at: datetime
    updated_at: datetime
    note: str | None = None


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Read one file."""
    match path.suffix:
        case ".parquet":
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        case ".ndjson":
            with path.open(encoding="utf-8") as lines:
                yield from (json.loads(line, parse_float=Decimal) for line in lines)
        case suffix:
            with gzip.open(path, "rt", newline="") if suffix == ".gz" else path.open(newline="") as lines:
                yield from csv.DictReader(lines)


def main(raw: Path, out: Path) -> None:
    """Refine every file into one table, and bad rows into a file."""
    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="ERROR")
    import dlt
    import duckdb

    out.mkdir(parents=True)
    began = time.perf_counter()

    def judged() -> Iterator[dict[str, Any]]:
        with (out / "bad.ndjson").open("w", encoding="utf-8") as bad:
            for path in sorted(raw.iterdir()):
                for row in rows_of(path):
                    try:
                        yield Order(**row).model_dump()
                    except (ValidationError, TypeError) as error:
                        bad.write(json.dumps({"row": row, "reason": str(error)}, default=str) + "\n")

    made = dlt.resource(
        judged,
        name="orders",
        primary_key="order_id",
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        columns={"updated_at": {"dedup_sort": "desc"}, "amount": {"precision": 12, "scale": 2}},
    )
    place = out / "orders.duckdb"
    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.duckdb(str(place)), dataset_name="bench", pipelines_dir=str(out / "dlt")
    )
    pipeline.run(made()).raise_on_failed_jobs()
    finish(began, writes="DuckDB")
    with duckdb.connect(str(place)) as db:
        db.execute(f"COPY (SELECT * EXCLUDE (_dlt_id, _dlt_load_id) FROM bench.orders) TO '{out}/orders.parquet'")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
