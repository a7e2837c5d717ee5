"""Records that say that their key is gone: found by the contract's marker, and judged by key and version alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from common.contracts.contract import DELETED_COLUMN, Contract
from common.lake.schema import silver_type
from common.quality.checks import Check, raw


def with_marker(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Add whether each cleaned record is a delete marker, where the contract has one."""
    if contract.deleted is None:
        return frame
    column = contract.column(contract.deleted.column)
    values = pl.Series(list(contract.deleted.values), dtype=silver_type(column), strict=False)
    marked = pl.col(column.name).is_in(values.implode()).fill_null(value=False)
    return frame.with_columns(marked.alias(DELETED_COLUMN))


def with_versions(checks: Sequence[Check], contract: Contract) -> list[Check]:
    """Return the checks of a contract, with those of versions, and without those that a delete marker need not pass."""
    return [spared(check, contract) for check in (*_versions(contract), *checks)]


def _versions(contract: Contract) -> Iterator[Check]:
    """With history a row without a version would be a version of its own, for ever."""
    for name in contract.versions if contract.history else ():
        yield Check("required", name, pl.col(raw(contract.column(name))).is_not_null())


def spared(check: Check, contract: Contract) -> Check:
    """Return a check that a delete marker passes, where it is of neither key nor version."""
    if contract.deleted is None or check.column in (*contract.key, *contract.versions):
        return check
    return replace(check, good=check.good | pl.col(DELETED_COLUMN))
