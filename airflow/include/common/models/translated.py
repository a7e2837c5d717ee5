"""The SELECT of a model that a warehouse computes, from DuckDB's SQL into that of the warehouse."""

from collections.abc import Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from common.core.errors import ModelError
from common.core.nouns import Dataset
from common.models.model import Model
from common.warehouses import sql
from common.warehouses.dialect import Dialect

WRITTEN = "duckdb"  # the SQL of models, whoever computes them


def select(model: Model, inputs: Mapping[Dataset, Mapping[str, exp.DataType]], dialect: Dialect) -> exp.Query:
    """Return the model's SELECT with every name in quotes, as the warehouse's tables have it.

    `inputs` are the columns of the tables that it may read. Raises ModelError where it cannot be read, names what is
    not there, or says what the warehouse's SQL cannot.
    """
    schema: dict[str, Any] = {}
    for table, columns in inputs.items():
        schema.setdefault(table.domain, {})[table.name] = dict(columns)
    try:
        tree = qualify(sqlglot.parse_one(model.sql, read=WRITTEN), dialect=WRITTEN, schema=schema)
        typed = annotate_types(tree.transform(_unfiltered), schema=schema, dialect=WRITTEN)
        typed.sql(dialect=dialect.sql, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise ModelError(f"Model {model.dataset} on '{model.on}': {error}") from error
    unknown = {f"{table.db}.{table.name}" for table in typed.find_all(exp.Table) if table.db} - set(map(str, inputs))
    if unknown or not isinstance(typed, exp.Query):
        what = f"reads {', '.join(sorted(unknown))}, which is no input of it" if unknown else "is no SELECT"
        raise ModelError(f"Model {model.dataset} on '{model.on}': {what}. Known: {', '.join(map(str, inputs))}.")
    return typed


def _unfiltered(node: exp.Expr) -> exp.Expr:
    """Count by a CASE what a FILTER counts, which Redshift lacks; aggregates pass over NULL."""
    if not isinstance(node, exp.Filter):
        return node
    aggregate, condition = node.this, node.expression.this
    counted = exp.Literal.number(1) if isinstance(aggregate.this, exp.Star) else aggregate.this
    aggregate.set("this", exp.case().when(condition, counted))
    return aggregate  # type: ignore[no-any-return]


def total_of(model: Model, expression: str, table: str) -> exp.Query:
    """Return the query of a control total over a table; raises ModelError where it cannot be read."""
    try:
        total = sqlglot.parse_one(expression, read=WRITTEN)
    except SqlglotError as error:
        raise ModelError(f"Model {model.dataset} on '{model.on}': control '{expression}': {error}") from error
    for column in total.find_all(exp.Column):
        column.this.set("quoted", True)  # noqa: FBT003 - sqlglot's own signature
    return exp.select(total).from_(sql.table(table))
