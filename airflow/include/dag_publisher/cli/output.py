"""What commands print: for people, or as JSON; progress goes to standard error."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console, errors = Console(highlight=False, markup=False), Console(stderr=True, highlight=False, markup=False)
if not console.is_terminal:
    console.width = 10_000  # a line is a row for grep, however long

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
Bucket = Annotated[str, typer.Option("--bucket", help="Bucket of the releases.")]
Environment = Annotated[str, typer.Option("--environment", help="dev, staging or prod.")]
Package = Annotated[str, typer.Option("--package-name", help="The package: it writes below its own prefix only.")]


def tell(text: str) -> None:
    """Print a line for people."""
    console.print(text, soft_wrap=True)


def print_json(content: Any) -> None:
    """Print JSON as it is, for machines."""
    print(json.dumps(content, default=str, ensure_ascii=False, indent=2))  # noqa: T201 - output of a command


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Print rows as a table; with none, people are told so."""
    found = list(rows)
    if not found:
        tell(empty)
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in found:
        table.add_row(*(_cell(row[column]) for column in columns))
    console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say what takes its time: with a moving mark in a terminal, as a line elsewhere."""
    if errors.is_terminal:
        with errors.status(what):
            yield
    else:
        errors.print(what, soft_wrap=True)
        yield
