"""`watershed dev`: the stack of one machine, from the command line."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from common.cli.listing import group
from common.core.errors import WatershedError
from devstack.call_centre import AGENTS, DAYS, FORMS, SEED, generated, hand_over
from devstack.call_centre import DOMAIN as GENERATED
from devstack.demo import TOURS, Demo
from devstack.environment import exports, for_tools, running
from devstack.folder import DEMO, KEPT_DEMO, StateFolder, state_folder
from devstack.logs import follow, log_of
from devstack.progress import Progress, status_table, welcome
from devstack.stack import Stack, StackFailed
from devstack.status import look
from devstack.tour import LOG_WIDTH

app = group("Run Watershed and all that it needs on this machine.")
State = Annotated[
    Path | None,
    typer.Option(help="State folder of the stack; without it var/stack, or the kept demo's if only that runs."),
]
INTERRUPTED, ALL = 130, "all"


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
    """Stop the stack, and the demo's where that was kept; data stays."""
    console = Console()
    with _told_plainly(), console.status("Stopping"):
        stopped = [folder for folder in ([state] if state else [None, KEPT_DEMO]) if Stack(folder).stop()]
    kept = " The demo that was kept is down, too." if stopped == [None, KEPT_DEMO] else ""
    console.print(f"Watershed is down.{kept}" if stopped else "Watershed was not running.")


@app.command()
def status(
    state: State = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show each service; exit code 0 where all of them are healthy."""
    found = look(_meant(state))
    if as_json:
        typer.echo(json.dumps({**asdict(found), "healthy": found.healthy}, indent=2))
    else:
        Console().print(status_table(found))
    raise typer.Exit(0 if found.healthy else 1)


@app.command(short_help="Print what reaches the stack, for a shell's eval.")
def env(state: State = None) -> None:
    """Print what reaches the stack, for `eval "$(watershed dev env)"`; `watershed_off` then takes it back."""
    with _told_plainly():
        stack = Stack(_meant(state).path)
        if not stack.record:
            raise StackFailed(f"The stack in {stack.folder.path} is down: `make up` or `watershed dev up` starts it.")
        typer.echo(exports(for_tools(stack.env), os.environ, str(Path(sys.executable).parent)))
        if not sys.stdout.isatty():
            typer.echo("This shell reaches the stack now; `watershed_off` takes that back.", err=True)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="Service or step; all of them by default.")] = "",
    state: State = None,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """Show the log of a service, or of all."""
    with _told_plainly():
        files = log_of(_meant(state), service)
        for line in follow(files, wait=following):
            typer.echo(line)


@app.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary for machines.")] = False,
    state: Annotated[Path, typer.Option(help="State folder, wiped at start.")] = DEMO,
    purchases: Annotated[Path | None, typer.Option(help="Other purchases, in the format of the sample.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look around in it.")] = False,
    domain: Annotated[str, typer.Option(help=f"One of {', '.join(TOURS)}, or {ALL}.")] = next(iter(TOURS)),
) -> None:
    """Run the pipelines on the sample data in a stack of its own, and show what arrived."""
    if domain not in (*TOURS, ALL):
        _refuse(f"No sample data of '{domain}'. Known: {', '.join(TOURS)}, {ALL}.")
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    with _told_plainly():
        try:
            shown = Demo(console, state.resolve(), purchases, keep, tuple(TOURS) if domain == ALL else (domain,))
            found = shown.run()
        except KeyboardInterrupt:
            console.print("Interrupted: everything was stopped.")
            raise typer.Exit(INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        shown.show(found)
        seconds = found[shown.domains[0]]["seconds"]
        console.print(f"Start of the stack {seconds['start']:.1f} s, all {seconds['total']:.1f} s.", highlight=False)
        if keep:
            console.print(
                f"\nThe stack runs on; `make down` stops it.\n{welcome(shown.stack)}", markup=False, soft_wrap=True
            )
        else:
            console.print("To look at all of it, in Airflow, Slack and the warehouses: [bold]make demo KEEP=1[/]")


@app.command()
def generate(
    domain: Annotated[str, typer.Argument(help="Whose days: telecoms.")],
    days: Annotated[int, typer.Option(min=1, help="How many days there are, the last of them yesterday.")] = DAYS,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal days.")] = SEED,
) -> None:
    """Let the systems of the running stack hand over generated days: a sheet, tables, files; some late or wrong."""
    with _told_plainly():
        if domain != GENERATED:
            _refuse(f"No days of '{domain}' can be generated. Known: {GENERATED}.")
        found = generated(days, seed)
        files = hand_over(found)
    missing = f" There is no table of {found.missing[0]}." if found.missing else ""
    Console().print(
        f"Put {files} files below raw/{domain}, and made the agents' sheet and {len(found.tables)} tables.{missing} "
        f"Sheet and tables are fetched by their schedule, or by a run of {AGENTS} and {FORMS}.",
        highlight=False,
    )


def _meant(state: Path | None) -> StateFolder:
    """Return the folder that was named, else that of the stack that runs, else the checkout's."""
    return state_folder(state) if state else running() or state_folder()


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
