"""Options that several commands share."""

import getpass
import os
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from common.cli.show import console, print_json, show
from common.core.errors import ConfigError
from common.core.nouns import Reason
from common.core.settings import settings

errors = Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Limit = Annotated[int, typer.Option(min=1, help="How many rows at most.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the audit log.")]
Now = Annotated[bool, typer.Option("--now", help="Do the hops here and now, instead of leaving them to Airflow.")]


def who() -> str:
    """Return who acts: `WATERSHED_ACTOR` where a service acts for somebody, else the system's user."""
    return settings().actor or getpass.getuser()


def because(why: str) -> Reason:
    """Return the reason of a decision of whoever runs the command; raises ConfigError without one."""
    if not why.strip():
        raise ConfigError("--why is empty: say why, for whoever reads the audit log.")
    return Reason(who(), why)


def owner() -> str:
    """Name this process as the owner of a hop's lease."""
    return f"cli/{os.getpid()}"


def sweep_now(domains: list[str], as_json: bool = False) -> None:
    """Do every due hop of domains; exit code 2 where one failed."""
    from common.pipelines.work import sweep

    done, failed = [], []
    for domain in domains:
        swept, errors = sweep(domain, owner())
        done += swept
        failed += errors
    rows = [{"consumer": d.consumer, "hops": len(d.hops), **vars(d.counts)} for d in done if d.hops or d.leased_by]
    columns = ["consumer", "hops", "taken", "good", "merged", "refused"]
    if as_json:
        print_json({"hops": rows, "failed": [str(error) for error in failed]})
    else:
        show(rows, columns, as_json=False, empty="There was nothing to do.")
        for error in failed:
            console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
    if failed:
        raise typer.Exit(2)


def then(domains: set[str], now: bool, as_json: bool = False, batches: Sequence[str] = ()) -> None:
    """Do what was decided at once, or say when it is done; exit code 1 where a batch of it was parked."""
    if now:
        sweep_now(sorted(domains), as_json)
        _require_done(batches)
    elif not as_json:
        console.print("The next sweep of its DAG takes it; `watershed sweep`, or --now, does it here and now.")


def _require_done(batches: Sequence[str]) -> None:
    from common.ledger.database import transaction
    from common.ledger.queries import parked_batches

    with transaction() as connection:
        held = [row for row in parked_batches(connection) if row["batch"] in batches]
    for row in held:
        text = f"Not done: {row['batch']} is parked for {row['consumer']}: {row['detail']}"
        errors.print(text, markup=False, highlight=False, soft_wrap=True)
    if held:
        raise typer.Exit(1)


def domain_of(name: str) -> str:
    """Return the domain of a consumer or an asset."""
    return name.partition(".")[0]
