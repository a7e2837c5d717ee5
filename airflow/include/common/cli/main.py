"""The `watershed` command: its groups, and how errors reach a person."""

import os
import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer
from rich.console import Console

from common.cli import again, catalogue, contract, incidents, inspect_file, ledger, lineage, parked, quarantine
from common.core.errors import WatershedError
from common.observe.log import log_as_json

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.command("inspect", short_help="Say what a file is and what of it would be refused.")(inspect_file.inspect)
app.command("apply", short_help="Make what contracts and models need. Safe to repeat.")(ledger.apply)
app.command("status", short_help="Show what was taken, what waits and why.")(ledger.status)
app.command("batches")(ledger.batches)
app.command("hops", short_help="List hops: what each took and gave.")(ledger.hops)
app.command("sweep", short_help="Do every hop that is due, here and now.")(again.sweep)
app.command("replay", short_help="Do a batch again: its rows replace what they gave.")(again.replay)
app.command("restate", short_help="Load chosen keys of a warehouse's table again.")(again.restate)
app.command("docs")(catalogue.docs)
GROUPS = {
    "contract": (contract.app, "Check, show, compare contracts; infer a first one."),
    "lineage": (lineage.app, "Where a row, table or file came from, or went to."),
    "quarantine": (quarantine.app, "What was refused and why; mend, send again, discard."),
    "parked": (parked.app, "Batches set aside: look, release or refuse."),
    "incidents": (incidents.app, "What is wrong: look, answer for it, end it, mute it."),
    "plan": (again.plan, "What would be done; writes nothing."),
    "backfill": (again.backfill, "Do partitions of a table, or all of it, again."),
    "ledger": (ledger.ledger, "Verify the ledger, or rebuild a lost one."),
    "audit": (ledger.audit, "Who decided what, when and why."),
}
for name, (group, short) in GROUPS.items():
    app.add_typer(group, name=name, short_help=short)


@app.callback()
def root(
    context: typer.Context,
    shows_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Watershed: no batch lost, none loaded twice, no bad row dropped."""
    if shows_version:
        typer.echo(f"watershed {version('watershed')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    if context.invoked_subcommand != "dev":  # which starts a stack, or asks one, and uses none
        for found in entry_points(group="watershed.environment"):
            found.load()()


def main() -> None:
    """Run the command; an error of the platform is one sentence on standard error and exit code 2."""
    # Airflow, where a command imports it, logs to standard output, which belongs to the command's answer.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    log_as_json()
    for point in entry_points(group="watershed.commands"):
        app.add_typer(point.load(), name=point.name)
    try:
        app()
    except WatershedError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}[/]: ", end="")
        Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(str(error))
        sys.exit(2)
