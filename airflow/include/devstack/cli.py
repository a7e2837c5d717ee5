"""`watershed dev`: the stack of one machine, from the command line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.core.errors import WatershedError
from devstack.demo import DEMO, Demo
from devstack.environment import exports
from devstack.folder import state_folder
from devstack.logs import follow, log_of
from devstack.progress import Progress, status_table, welcome
from devstack.stack import Stack
from devstack.status import look
from devstack.summary import show_summary
from devstack.tour import LOG_WIDTH

app = typer.Typer(no_args_is_help=True, help="Run Watershed and all that it needs on this machine.")
State = Annotated[Path | None, typer.Option(help="State folder of the stack; var/stack by default.")]
INTERRUPTED = 130


@app.command()
def up(state: State = None) -> None:
    """Start the stack and leave it running."""
    console, stack = Console(), Stack(state)
    with _told_plainly():
        try:
            with Progress(console) as progress:
                started = stack.start(watch=progress.show)
        except KeyboardInterrupt:
            console.print("Interrupted: stopping what was started.")
            stack.stop()
            raise typer.Exit(INTERRUPTED) from None
        console.print("Watershed is up." if started else "Watershed is already running.")
        console.print(welcome(stack), markup=False, soft_wrap=True)


@app.command()
def down(state: State = None) -> None:
    """Stop the stack; its data stays."""
    console = Console()
    with _told_plainly(), console.status("Stopping"):
        stopped = Stack(state).stop()
    console.print("Watershed is down." if stopped else "Watershed was not running.")


@app.command()
def status(
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show each service; exit code 0 where all of them are healthy."""
    found = look(state_folder(state))
    if as_json:
        typer.echo(json.dumps({**asdict(found), "healthy": found.healthy}, indent=2))
    else:
        Console().print(status_table(found))
    raise typer.Exit(0 if found.healthy else 1)


@app.command()
def env(state: State = None) -> None:
    """Print what reaches the stack, for `eval "$(watershed dev env)"`."""
    with _told_plainly():
        typer.echo(exports(Stack(state).env))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="Service or step; all of them by default.")] = "",
    state: State = None,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """Show the log of a service, or of all."""
    with _told_plainly():
        files = log_of(state_folder(state), service)
        for line in follow(files, wait=following):
            typer.echo(line)


@app.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for machines.")] = False,
    state: Annotated[Path, typer.Option(help="State folder, wiped at start.")] = DEMO,
    purchases: Annotated[Path | None, typer.Option(help="Other purchases, in the format of the sample.")] = None,
) -> None:
    """Run the pipelines on the sample data in a stack of its own, and show what arrived."""
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    with _told_plainly():
        try:
            found = Demo(console, state.resolve(), purchases).run()
        except KeyboardInterrupt:
            console.print("Interrupted: everything was stopped.")
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        show_summary(console, found)
        console.print(
            f"Start of the stack {found['seconds']['start']:.1f} s, all {found['seconds']['total']:.1f} s.\n"
            "To look around: [bold]make up[/] starts a stack that stays, prints the address of the Airflow UI "
            "(no password) and keeps its state; [bold]make down[/] stops it.",
            highlight=False,
        )


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Tell an error of ours in words; any other keeps its traceback."""
    try:
        yield
    except WatershedError as error:
        _refuse(str(error))


def _refuse(message: str) -> None:
    Console(stderr=True).print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
