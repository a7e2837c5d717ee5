"""The `watershed` command: its groups, and how errors reach a person."""

import os
import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer
from rich.console import Console

from common.cli import again, catalogue, contract, inspect_file, ledger, lineage, parked, quarantine
from common.core.errors import WatershedError
from common.observe.log import log_as_json

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(contract.app, name="contract")
app.command("inspect")(inspect_file.inspect)
app.command("apply")(ledger.apply)
app.command("status")(ledger.status)
app.command("batches")(ledger.batches)
app.command("hops")(ledger.hops)
app.add_typer(lineage.app, name="lineage")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(parked.app, name="parked")
app.command("sweep")(again.sweep)
app.add_typer(again.plan, name="plan")
app.command("replay")(again.replay)
app.add_typer(again.backfill, name="backfill")
app.add_typer(ledger.ledger, name="ledger")
app.add_typer(ledger.audit, name="audit")
app.command("docs")(catalogue.docs)


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
