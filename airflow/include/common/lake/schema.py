"""The columns that a contract gives a table of the lake."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from common.contracts.contract import ARRIVAL_COLUMN, DELETED_COLUMN, FILE_COLUMN, RECORD_COLUMN, Column, Contract, Kind

KEY = "key"  # of rows in quarantine


@dataclass(frozen=True)
class Layout:
    """What a table is made with: its columns, its partition, and what tells one of its rows from another, if known."""

    schema: Mapping[str, pl.DataType]
    partition_by: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()

    @property
    def description(self) -> str | None:
        """Say what a row of the table is; the table itself keeps it."""
        return f"one row for each {', '.join(self.identity)}" if self.identity else None


def silver_type(column: Column) -> pl.DataType:
    """Return the polars type of a column in silver."""
    types: dict[Kind, pl.DataType] = {
        Kind.STRING: pl.String(),
        Kind.INTEGER: pl.Int64(),
        Kind.DOUBLE: pl.Float64(),
        Kind.BOOLEAN: pl.Boolean(),
        Kind.DATE: pl.Date(),
        Kind.TIMESTAMP: pl.Datetime("us", "UTC"),
    }
    return types.get(column.kind) or pl.Decimal(column.precision, column.scale)


def silver_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Return the columns of the dataset's silver table, partition column and origin included."""
    schema = {column.name: silver_type(column) for column in contract.columns}
    schema |= {name: pl.String() for name in partition_columns(contract) if name not in schema}
    schema |= {FILE_COLUMN: pl.String(), RECORD_COLUMN: pl.Int64(), ARRIVAL_COLUMN: pl.Datetime("us", "UTC")}
    return schema | ({DELETED_COLUMN: pl.Boolean()} if contract.deleted else {})


def key_text(names: Iterable[str]) -> pl.Expr:
    """Return the key of typed rows as one JSON text, `key`: alike of a refused row and of one in silver."""
    return pl.struct(pl.col(name).cast(pl.String) for name in names).struct.json_encode().alias(KEY)


def silver_layout(contract: Contract) -> Layout:
    """Return what the dataset's silver table is made with."""
    return Layout(silver_schema(contract), tuple(partition_columns(contract)), contract.identity)


def partition_columns(contract: Contract) -> list[str]:
    """Name the partition column of the silver table, which is derived from the contract's."""
    return [contract.partition.derived] if contract.partition.derived else []
