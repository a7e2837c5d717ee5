"""Read a file as each contender does when it is told to pass over what is bad, and leave its rows as JSON."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from measure import finish

from common.core.errors import UnreadableFile
from common.formats import read, sniff

NAMES = ("id", "name", "amount")
TOLD: dict[str, Any] = {"dtype": str, "keep_default_na": False, "on_bad_lines": "skip", "encoding_errors": "replace"}
Rows = list[tuple[Any, ...]]
Found = tuple[list[str], Rows]


def watershed(path: Path) -> Found:
    """Read as a hop does, told nothing."""
    shape = sniff(path, path.name)
    rows = [row[:-1] for chunk in read(path, shape) for row in chunk.frame.rows()]
    return list(shape.columns), rows


def in_duckdb(path: Path) -> Found:
    """Read by DuckDB, told the dialect, lines with errors left out."""
    found: Any
    match path.suffix:
        case ".parquet":
            found = duckdb.read_parquet(str(path))
        case ".json" | ".ndjson":
            how = "'newline_delimited', ignore_errors=true" if path.suffix == ".ndjson" else "'array'"
            kinds = "{id: 'VARCHAR', name: 'VARCHAR', amount: 'VARCHAR'}"
            found = duckdb.sql(f"SELECT * FROM read_json('{path}', columns={kinds}, records=true, format={how})")
        case _:
            found = duckdb.sql(
                f"SELECT * FROM read_csv('{path}', header=true, delim=',', quote='\"', escape='\"', "
                "all_varchar=true, ignore_errors=true, strict_mode=true)"
            )
    return found.columns, found.fetchall()


def in_polars(path: Path) -> Found:
    """Read by polars, lines with errors left out."""
    match path.suffix:
        case ".parquet":
            frame = pl.read_parquet(path)
        case ".json":
            frame = pl.read_json(path)
        case ".ndjson":
            frame = pl.read_ndjson(path, schema=dict.fromkeys(NAMES, pl.String), ignore_errors=True)
        case _:
            frame = pl.read_csv(
                path, infer_schema=False, ignore_errors=True, truncate_ragged_lines=True, encoding="utf8-lossy"
            )
    return frame.columns, frame.rows()


def in_pandas(path: Path) -> Found:
    """Read by pandas, bad lines skipped."""
    import pandas as pd  # only this contender pays for it

    match path.suffix:
        case ".parquet":
            frame = pd.read_parquet(path)
        case ".json" | ".ndjson":
            frame = pd.read_json(path, lines=path.suffix == ".ndjson", dtype=False)
        case _:
            frame = pd.read_csv(path, **TOLD)
    return [str(name) for name in frame.columns], list(frame.itertuples(index=False, name=None))


CONTENDERS: dict[str, Callable[[Path], Found]] = {
    "watershed": watershed,
    "duckdb": in_duckdb,
    "polars": in_polars,
    "pandas": in_pandas,
}


def main(contender: str, folder: Path, out: Path) -> None:
    """Read every file of a folder; a refusal is a finding, whatever the contender calls it."""
    began = time.perf_counter()
    found = {path.name: _found(CONTENDERS[contender], path) for path in sorted(folder.iterdir())}
    out.write_text(json.dumps(found, default=str), encoding="utf-8")
    finish(began)


def _found(reader: Callable[[Path], Found], path: Path) -> dict[str, Any]:
    try:
        columns, rows = reader(path)
    except UnreadableFile as error:
        return {"refused": error.reason}
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - each library has errors of its own
        return {"refused": type(error).__name__}
    return {"refused": "", "columns": columns, "rows": rows}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
