"""Run a model in DuckDB over rows of its inputs, and check its control totals."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any

import duckdb
import polars as pl
import polars.selectors as cs
from arro3.core import Table as ArrowTable

from common.core.arrow import ArrowStream
from common.core.errors import ConservationError, ModelError
from common.core.masks import without_values
from common.core.nouns import Dataset
from common.models.model import Model
from common.models.result import require_columns, require_rows, widened
from common.warehouses.duckdb import ABOUT_VALUES

RESULT = "watershed_result"
NUMBERS = count(1)


def _quoted(dataset: Dataset) -> str:
    return f'"{dataset.domain}"."{dataset.name}"'


def _all_rows(dataset: Dataset) -> str:
    return f'"all rows of {dataset}"'


@cache
def _engine(_process: int) -> duckdb.DuckDBPyConnection:
    """Make the DuckDB of a process: a new one costs as much as a dozen databases within it."""
    return duckdb.connect()


@contextmanager
def database(
    model: Model, inputs: Mapping[Dataset, pl.DataFrame], named: Callable[[Dataset], str] = _quoted
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Make a database in memory that knows each input under its dataset's name, or as `named`.

    DuckDB's own errors inside the block become ModelError.
    """
    connection, own = _engine(os.getpid()).cursor(), f'"rows of a model {next(NUMBERS)}"'
    try:
        connection.execute(f"ATTACH ':memory:' AS {own}")
        connection.execute(f"USE {own}")
        for number, (dataset, frame) in enumerate(inputs.items()):
            connection.register(f"input_{number}", ArrowStream(_naive(frame)))
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{dataset.domain}"')
            connection.execute(f"CREATE TABLE {named(dataset)} AS FROM input_{number}")
        yield connection
        connection.execute("USE memory")
        connection.execute(f"DETACH {own}")
    except BaseException as error:
        _engine.cache_clear()  # an engine may not outlive its own failure, and nothing of what failed is kept
        if not isinstance(error, duckdb.Error):
            raise
        message = without_values(error) if isinstance(error, ABOUT_VALUES) else error
        raise ModelError(f"Model {model.dataset}: {message}") from error
    finally:
        connection.close()


def run(model: Model, inputs: Mapping[Dataset, pl.DataFrame]) -> pl.DataFrame:
    """Compute the model over the rows given and check its control totals.

    Raises ModelError where the SQL fails or its keys are not unique, ConservationError where totals differ.
    """
    with database(model, inputs) as connection:
        connection.execute(f"CREATE TABLE {RESULT} AS {model.sql}")
        _controls(model, connection)
        rows = _fetched(model, connection.sql(f"FROM {RESULT}"))
    require_rows(model, rows)
    return rows


def _controls(model: Model, connection: duckdb.DuckDBPyConnection) -> None:
    for control in model.controls:
        found = _scalar(connection, f"SELECT {control.result} FROM {RESULT}")  # noqa: S608 - the model's own SQL
        expected = _scalar(connection, f"SELECT {control.expected} FROM {_quoted(control.dataset)}")  # noqa: S608
        if (found or 0) != (expected or 0):
            raise ConservationError(
                f"Model {model.dataset}: {control.result} is {found}, but {control.expected} of {control.dataset} "
                f"is {expected}. Nothing was published."
            )


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    rows = connection.execute(sql).fetchall()
    return rows[0][0] if rows else None


def schema_of(model: Model, inputs: Mapping[Dataset, dict[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """Return the columns that a model gives, from the columns of its inputs."""
    return dict(run(model, {dataset: pl.DataFrame(schema=schema) for dataset, schema in inputs.items()}).schema)


def at_once_and_by_slice(
    model: Model, inputs: Mapping[Dataset, pl.DataFrame]
) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Return what a model gives for some rows at once, and slice by slice; None where it cannot be computed for them.

    Control totals are not looked at.
    """
    by_slice = [dataset for dataset, item in model.inputs.items() if item.slice is not None]
    try:
        with database(model, inputs, _all_rows) as connection:
            names = {name for dataset in by_slice for name in _named(connection, model, dataset)}
            whole = _computed(connection, model, None)
            parts = [_computed(connection, model, name) for name in sorted(names)]
    except ModelError:
        return None, None
    return whole, pl.concat([whole.head(0), *parts])


def _named(connection: duckdb.DuckDBPyConnection, model: Model, dataset: Dataset) -> set[str]:
    """Name the slices of all rows; raises ModelError where a row belongs to none."""
    expression = model.inputs[dataset].slice
    rows = connection.execute(f"SELECT DISTINCT ({expression})::VARCHAR FROM {_all_rows(dataset)}").fetchall()  # noqa: S608
    if any(name is None for (name,) in rows):
        raise ModelError(f"Model {model.dataset}: {expression} is null.")
    return {name for (name,) in rows}


def _computed(connection: duckdb.DuckDBPyConnection, model: Model, name: str | None) -> pl.DataFrame:
    """Compute a model over the rows of one slice, or over all; raises ModelError where a key is not unique."""
    for dataset, item in model.inputs.items():
        view = f"CREATE OR REPLACE VIEW {_quoted(dataset)} AS FROM {_all_rows(dataset)}"
        if item.slice is not None and name is not None:
            quoted = name.replace("'", "''")
            view += f" WHERE ({item.slice})::VARCHAR = '{quoted}'"
        connection.execute(view)
    rows = _fetched(model, connection.sql(model.sql))
    if rows.height != rows.select(model.key).unique().height:
        raise ModelError(f"Model {model.dataset}: rows share a key.")
    return rows


def slices(model: Model, dataset: Dataset, changed: pl.DataFrame) -> set[str]:
    """Name the slices that changed rows of an input touch; raises ModelError where one is null."""
    if changed.is_empty():
        return set()
    with database(model, {dataset: changed}) as connection:
        rows = connection.execute(
            f"SELECT DISTINCT ({model.inputs[dataset].slice})::VARCHAR FROM {_quoted(dataset)}"  # noqa: S608
        ).fetchall()
    found = {row[0] for row in rows}
    if None in found:
        raise ModelError(f"Model {model.dataset}: {model.inputs[dataset].slice} of {dataset} is null in a changed row.")
    return found


def within(model: Model, dataset: Dataset, rows: pl.DataFrame, wanted: set[str]) -> pl.DataFrame:
    """Keep the rows of an input that belong to the wanted slices."""
    with database(model, {dataset: rows}) as connection:
        connection.register("wanted", ArrowStream(pl.DataFrame({"slice": sorted(wanted)}, schema={"slice": pl.String})))
        kept = connection.sql(
            f"SELECT * FROM {_quoted(dataset)} "  # noqa: S608
            f"WHERE ({model.inputs[dataset].slice})::VARCHAR IN (SELECT slice FROM wanted)"
        )
        return _in_utc(_frame(kept))


def _naive(frame: pl.DataFrame) -> pl.DataFrame:
    """Take the time zone off: all times are UTC, and DuckDB's zones need an extension that offline machines lack."""
    return frame.with_columns(cs.datetime(time_zone="*").dt.replace_time_zone(None))


def _fetched(model: Model, relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Fetch a model's result; raises ModelError where no table can hold it."""
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    require_columns(model, types)
    return _in_utc(widened(_frame(relation), types))


def _frame(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Fetch rows by way of an Arrow table: polars, given the relation itself, makes DuckDB report leaks at exit."""
    return pl.DataFrame(ArrowTable.from_arrow(relation))


def _in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(cs.datetime(time_zone=None).dt.replace_time_zone("UTC"))
