"""Show rows as a table for people or as JSON for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

UNLIMITED = 10_000
ALSO = "also"

console = Console()
if not console.is_terminal:
    console.width = UNLIMITED  # a line is a row for grep and the like, however long


def show(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    empty: str,
    narrow: Sequence[str] = (),
) -> None:
    """Print rows; with none, people are told so in a sentence.

    Where the terminal is too narrow for a table the `narrow` columns are shown, and else a block for each row, so that
    no address is cut.
    """
    found = [dict(row) for row in rows]
    if as_json:
        print_json(found)
        return
    if not found:
        console.print(empty)
        return
    tables = [_table(found, chosen) for chosen in (columns, narrow) if chosen]
    if fitting := next((table for table in tables if _width(table) <= console.width), None):
        console.print(fitting)
    else:
        _show_blocks(found, columns)


def counted(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put counts of hops as people read them: what was taken is new, or updated, folded or repeated, or refused."""
    from common.pipelines.kinds import KINDS

    found = []
    for row in rows:
        word = KINDS[row["kind"]].merged if row["kind"] in KINDS else "merged"
        also = f"+ {row['merged']:,} {word}" if row["merged"] else ""
        found.append({**row, "in": row["taken"], "new": row["good"], ALSO: also})
    return found


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in columns:
        short = all(isinstance(row.get(column), int | datetime | None) for row in rows)
        table.add_column(column, justify="right" if short else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _width(table: Table) -> int:
    return Measurement.get(console, console.options.update(width=UNLIMITED), table).maximum


def _show_blocks(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    margin = max(map(len, columns)) + 2
    for row in rows:
        cells = {column: _cell(row.get(column)) for column in columns}
        lines = [f"{column:{margin}}{cell}" for column, cell in cells.items() if cell]
        console.print("\n".join(lines) + "\n", markup=False, highlight=False, soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_json(content: Any) -> None:
    """Print JSON as it is, for machines."""
    print(json.dumps(content, default=str, ensure_ascii=False, indent=2))  # noqa: T201 - output of a command
