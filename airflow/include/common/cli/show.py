"""Show rows as a table for people or as JSON for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

LOG_WIDTH = 140

console = Console()
if not console.is_terminal:
    console.width = LOG_WIDTH


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print rows; with none, people are told so in a sentence."""
    found = [dict(row) for row in rows]
    if as_json:
        print_json(found)
        return
    if not found:
        console.print(empty)
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        short = all(isinstance(row.get(column), int | datetime | None) for row in found)
        table.add_column(column, justify="right" if short else "left", overflow="fold", no_wrap=short)
    for row in found:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%m-%d %H:%M:%S}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def print_json(content: Any) -> None:
    """Print JSON as it is, for machines."""
    print(json.dumps(content, default=str, ensure_ascii=False, indent=2))  # noqa: T201 - output of a command
