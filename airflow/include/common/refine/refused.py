"""Rows of one refusal, found again in the Parquet file that quarantine keeps them in."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from common.zones.store import storage_options

NAMED_BY = ("place", "batch", "reason", "rule", "column")


def rows_of(refusal: Mapping[str, Any]) -> pl.LazyFrame:
    """Scan the rows of a refusal, which is named by place, batch, reason, rule and column."""
    return pl.scan_parquet(refusal["place"], storage_options=storage_options()).filter(
        pl.col("batch") == refusal["batch"],
        pl.col("reason") == refusal["reason"],
        pl.col("rule") == refusal["rule"],
        pl.col("column").fill_null("") == refusal["column"],
    )
