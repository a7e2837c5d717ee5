"""Split rows into good and refused, all checks in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from common.quality.checks import RAW, Check, Severity

FAILED = "__failed__"


@dataclass(frozen=True)
class Split:
    """Good rows, and refused rows with `rule`, `column` and `value` of the first check each failed."""

    good: pl.DataFrame
    refused: pl.DataFrame


def apply(frame: pl.DataFrame, checks: Sequence[Check]) -> Split:
    """Split a frame by its checks of severity `error`."""
    errors = [check for check in checks if check.severity is Severity.ERROR]
    if not errors:
        return Split(frame, _reasons(frame.head(0), errors))
    all_good = frame.select(pl.all_horizontal(check.good for check in errors)).to_series()
    if all_good.all():
        return Split(frame, _reasons(frame.head(0).with_columns(pl.lit(0).alias(FAILED)), errors))
    failed = frame.filter(~all_good).with_columns(
        pl.coalesce(pl.when(~check.good).then(pl.lit(number, pl.Int32)) for number, check in enumerate(errors)).alias(
            FAILED
        )
    )
    return Split(frame.filter(all_good), _reasons(failed, errors))


def _reasons(failed: pl.DataFrame, checks: Sequence[Check]) -> pl.DataFrame:
    parts = [_explain(failed.head(0), "", "")]
    for number, check in enumerate(checks):
        if failed.height and (rows := failed.filter(pl.col(FAILED) == number)).height:
            parts.append(_explain(rows, check.rule, check.column))
    return pl.concat(parts, how="diagonal_relaxed")


def _explain(rows: pl.DataFrame, rule: str, column: str) -> pl.DataFrame:
    source = next((name for name in (RAW + column, column) if name in rows.columns), None)
    value = pl.col(source).cast(pl.String) if source else pl.lit(None, pl.String)
    return rows.drop(FAILED, strict=False).with_columns(
        pl.lit(rule).alias("rule"), pl.lit(column).alias("column"), value.alias("value")
    )
