"""Which columns of a model's result are columns of its inputs, unchanged: by them a row finds what it was made of."""

from collections.abc import Collection

import sqlglot
from sqlglot import exp

from common.core.errors import ModelError
from common.models.model import Model


def passed_through(model: Model, columns: Collection[str]) -> dict[str, str]:
    """Map result columns to those of `columns`, an input's, that the outermost SELECT passes on as they are.

    Raises ModelError where the SQL cannot be parsed.
    """
    try:
        select = sqlglot.parse_one(model.sql, read="duckdb").find(exp.Select)
    except sqlglot.errors.SqlglotError as error:
        raise ModelError(f"Model {model.dataset}: {error}") from error
    found = {}
    for item in select.expressions if select else ():
        source = item.this if isinstance(item, exp.Alias) else item
        if isinstance(source, exp.Column) and source.name in columns:
            found[item.alias_or_name] = source.name
    return found
