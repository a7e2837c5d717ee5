"""The `airflow-dag-publisher` command: its words, and how errors reach a person.

Exit codes: 0 done; 1 refused, or a rule is broken or something is wrong or different; 2 wrong options; 3 another
publisher or package came first; 4 what was named is not there; 5 what is stored is damaged; 6 the store is away.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from dag_publisher.cli import author, look, releases, sync
from dag_publisher.cli.output import errors
from dag_publisher.errors import Conflict, Corrupt, Missing, PublisherError, Refused, StoreUnavailable

CODES: dict[type[PublisherError], int] = {Refused: 1, Conflict: 3, Missing: 4, Corrupt: 5, StoreUnavailable: 6}
EPILOG = (
    "Exit codes: 0 done; 1 refused, broken or different; 2 wrong options; 3 somebody else came first; "
    "4 not there; 5 damaged; 6 the store does not answer."
)
COMMANDS: dict[str, Callable[..., None]] = {
    "generate": author.write_dag,
    "validate": author.validate,
    "publish": releases.publish,
    "list": look.list_releases,
    "diff": look.diff,
    "promote": releases.promote,
    "rollback": releases.rollback,
    "verify": look.verify,
    "gc": look.gc,
    "sync": sync.sync,
}
app = typer.Typer(rich_markup_mode=None, epilog=EPILOG, invoke_without_command=True)
for name, command in COMMANDS.items():
    app.command(name, epilog=EPILOG, short_help=str(command.__doc__).partition(".")[0] + ".")(command)


@app.callback()
def root(
    context: typer.Context,
    shows_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Publish the DAGs of a package as atomic releases that Airflow reads without being touched."""
    if shows_version:
        typer.echo(f"airflow-dag-publisher {version('watershed')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command; an error is one sentence on standard error and an exit code of its kind."""
    try:
        app()
    except PublisherError as error:
        errors.print(f"{type(error).__name__}: {error}", soft_wrap=True)
        sys.exit(CODES[type(error)])


if __name__ == "__main__":
    main()
