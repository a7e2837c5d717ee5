"""Read one month of purchases at one version of the table, and write its days."""

import os
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

MONTH, DAY, AMOUNT = "purchased_on_month", "purchased_on", "amount"
NEWEST = "newest"


class JobError(Exception):
    """What whoever started the job can do something about."""


def process(table: str, partition: str, output: str) -> dict[str, Any]:
    """Sum a partition up, and write it under its name; done again it writes the same file. Raises JobError."""
    options = store_options()
    try:
        known = DeltaTable(table, storage_options=options)
    except (DeltaError, OSError) as error:
        raise JobError(f"{table} cannot be read: {error}") from error
    partition = chosen(partition, [str(found.get(MONTH)) for found in known.partitions()], table)
    rows = pl.scan_delta(known).filter(pl.col(MONTH) == partition)
    days = rows.group_by(DAY).agg(pl.len().alias("purchases"), pl.col(AMOUNT).sum()).sort(DAY).collect()
    address = f"{output.rstrip('/')}/{partition}.parquet"
    days.write_parquet(address, storage_options=options if "://" in output else None, mkdir="://" not in output)
    totals = days.select(pl.col("purchases").sum(), pl.col(AMOUNT).sum()).row(0)
    return {
        "partition": partition,
        "version": known.version(),
        "days": days.height,
        "purchases": totals[0],
        "amount": str(totals[1]),
        "file": address,
    }


def chosen(partition: str, known: list[str], table: str) -> str:
    """Return the partition that is asked for; raises JobError naming those there are."""
    if partition == NEWEST and known:
        return max(known)
    if partition not in known:
        some = ", ".join(sorted(known)[-12:]) or "none"
        raise JobError(f"{table} has no partition '{partition}'. Known, the last of them: {some}.")
    return partition


def store_options() -> dict[str, str]:
    """Return what an object store beside AWS itself needs; credentials come from the pod's service account."""
    names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
    options = {name.lower(): os.environ[name] for name in names if os.environ.get(name)}
    if options.get("aws_endpoint_url", "").startswith("http:"):
        options["aws_allow_http"] = "true"
    return options
