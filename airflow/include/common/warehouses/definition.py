"""Make the table that a load fills; one that is there is given what it lacks, as far as no value changes."""

from collections.abc import Mapping, Sequence

import polars as pl
from sqlglot import exp

from common.core.errors import ContractError
from common.warehouses.differences import Difference, differences
from common.warehouses.warehouse import Warehouse

REMAKE = (
    "A load changes neither type nor key: drop the table, `watershed apply`, and load all of it by `watershed replay` "
    "of a batch of the table in the lake, with `--to warehouse`; or take the new contract back."
)


def create(warehouse: Warehouse, table: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> None:
    """Make a table, its schema and its columns where they are missing, and give numbers the digits that they lack.

    Raises ContractError as `mending` does.
    """
    if statements := mending(warehouse, table, differences(warehouse, table, schema, key)):
        warehouse.apply(statements)


def mending(warehouse: Warehouse, table: str, found: Sequence[Difference]) -> list[exp.Expr]:
    """Return the statements that give a table what it lacks; none where it lacks nothing.

    Raises ContractError where a column has another type, or the table another key: only its owner drops a table.
    """
    asked = [difference for difference in found if not difference.extra]
    if stiff := [difference for difference in asked if not difference.mends]:
        raise ContractError(f"{table} in {warehouse} was made otherwise: {'; '.join(map(str, stiff))}. {REMAKE}")
    return [statement for difference in asked for statement in difference.mends]
