"""Rows of one refusal, found again in the Parquet file that quarantine keeps them in."""

import polars as pl

from common.core.places import RefusedRows
from common.zones.store import storage_options


def rows_of(refused: RefusedRows) -> pl.LazyFrame:
    """Scan the rows of a refusal."""
    return pl.scan_parquet(refused.place, storage_options=storage_options()).filter(
        pl.col("batch") == refused.batch,
        pl.col("reason") == refused.reason,
        pl.col("rule") == refused.rule,
        pl.col("column").fill_null("") == refused.column,
    )
