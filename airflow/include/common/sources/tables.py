"""Tables of a database: their columns, and a query streamed into Parquet in bounded memory."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source
from sqlalchemy import ColumnElement, Connection, MetaData, Select, Table, inspect, select
from sqlalchemy.exc import NoSuchTableError

from common.sources.columns import Carried, carried, frame, schema

CHUNK = 10_000  # rows that are in memory at a time


def names_in(connection: Connection, schema_name: str | None) -> set[str]:
    """Return the names of the tables and views of a schema."""
    found = inspect(connection)
    return {*found.get_table_names(schema_name), *found.get_view_names(schema_name)}


def split(name: str) -> tuple[str | None, str]:
    """Tell the schema of a table's name, if it has one, from the table."""
    before, _, last = name.rpartition(".")
    return before or None, last


def table_named(connection: Connection, name: str) -> Table | None:
    """Read the columns of a table or view; None where there is none."""
    schema_name, last = split(name)
    try:
        return Table(last, MetaData(), schema=schema_name, autoload_with=connection, resolve_fks=False)
    except NoSuchTableError:
        return None


def fetched(connection: Connection, table: Table, needed: Collection[str], rows: ColumnElement[bool], to: Path) -> int:
    """Stream the rows of a table for which an expression holds into a Parquet file; return how many there were."""
    columns, counted = carried(list(table.columns), table.name, needed), [0]
    query = select(*(column.expression for column in columns)).where(rows)
    chunks = _chunks(connection, query, columns, table.name, counted)
    # sink_parquet reads a chunk when it has written the one before
    register_io_source(lambda *_: chunks, schema=schema(columns), is_pure=False).sink_parquet(to)
    return counted[0]


def _chunks(
    connection: Connection, query: Select[Any], columns: list[Carried], table: str, counted: list[int]
) -> Iterator[pl.DataFrame]:
    streamed = connection.execution_options(stream_results=True, max_row_buffer=CHUNK).execute(query)
    for rows in streamed.partitions(CHUNK):
        counted[0] += len(rows)
        yield frame(columns, rows, table)
