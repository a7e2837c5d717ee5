"""Which rows of a Parquet file have a key twice in one map: polars keeps the last, and the other would be lost."""

from pathlib import Path
from typing import Any

import polars as pl

from common.core.errors import UnreadableFile


def rows_with_repeated_keys(path: Path, schema: pl.Schema) -> pl.Series:
    """Return the numbers, from 0 on, of rows with a map in which a key stands twice. Raises UnreadableFile (type)."""
    tests = [test for name, kind in schema.items() if (test := _repeats(_quoted(name), kind, 0))]
    if not tests:
        return pl.Series([], dtype=pl.Int64)
    import duckdb  # slow to load, and seldom needed

    rows = f"SELECT file_row_number FROM read_parquet($1, file_row_number = true) WHERE {' OR '.join(tests)} ORDER BY 1"  # noqa: S608
    try:
        with duckdb.connect() as connection:
            return pl.Series([row for (row,) in connection.execute(rows, [str(path)]).fetchall()], dtype=pl.Int64)
    except duckdb.Error as error:
        raise UnreadableFile("type", f"Whether its maps have keys twice cannot be found out: {error}") from error


def _repeats(value: str, kind: Any, depth: int) -> str:
    """Return SQL that is true where a value holds a map with a key twice; nothing where no map is in it."""
    item = f"item_{depth}"
    match kind:
        case pl.Map():
            keys = f"map_keys({value})"
            own = f"coalesce(len({keys}) <> len(list_distinct({keys})), false)"
            inner = [
                _any(f"map_keys({value})", kind.key, item, depth),
                _any(f"map_values({value})", kind.value, item, depth),
            ]
            return f"({' OR '.join(filter(None, [own, *inner]))})"
        case pl.Struct():
            tests = (_repeats(f"{value}.{_quoted(field.name)}", field.dtype, depth) for field in kind.fields)
            return " OR ".join(filter(None, tests))
        case pl.List() | pl.Array():
            return _any(value, kind.inner, item, depth)
    return ""


def _any(values: str, kind: Any, item: str, depth: int) -> str:
    test = _repeats(item, kind, depth + 1)
    return f"coalesce(len(list_filter({values}, lambda {item}: {test})) > 0, false)" if test else ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
