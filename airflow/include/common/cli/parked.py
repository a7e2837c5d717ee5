"""`watershed parked`: batches that were set aside, and how a person ends that."""

from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, Now, Why, because, domain_of, then
from common.cli.show import console, print_json, show
from common.core.errors import ConfigError

app = group("Batches set aside with an incident: look at them, release or refuse them.")
Batch = Annotated[str, typer.Argument(help="Id of a parked batch, as `ls` shows it.")]
For = Annotated[str, typer.Option("--for", help="The consumer it is parked for, where there are several.")]


def _parked() -> list[dict[str, Any]]:
    from common.ledger.database import transaction
    from common.ledger.queries import parked_batches

    with transaction() as connection:
        return parked_batches(connection)


@app.command("ls")
def list_parked(as_json: Json = False) -> None:
    """List the parked batches: for whom, since when and why."""
    show(_parked(), ["batch", "consumer", "origin", "opened", "detail"], as_json=as_json, empty="Nothing is parked.")


@app.command("show")
def show_parked(batch: Batch, as_json: Json = False) -> None:
    """Show a parked batch whole."""
    found = _found(batch, "")
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        console.print(f"[bold]{name}[/] {value}", highlight=False)


@app.command()
def release(batch: Batch, why: Why, consumer: For = "", now: Now = False) -> None:
    """Let a batch pass: it is tried again, and the contract's rules for whole batches do not hold it back."""
    _end(batch, consumer, "released", why, now)


@app.command()
def refuse(batch: Batch, why: Why, consumer: For = "", now: Now = False) -> None:
    """Refuse a batch whole: it goes to quarantine unread, counts as one record, and can be re-driven from there."""
    _end(batch, consumer, "refused", why, now)


def _end(batch: str, consumer: str, resolution: str, why: str, now: bool) -> None:
    from common.repair.decide import end_parked

    found = _found(batch, consumer)
    end_parked(found["consumer"], batch, resolution, because(why))
    console.print(f"Batch {batch} of {found['consumer']} is {resolution}.")
    then({domain_of(found["consumer"])}, now, batches=[batch])


def _found(batch: str, consumer: str) -> dict[str, Any]:
    rows = [row for row in _parked() if row["batch"] == batch and consumer in ("", row["consumer"])]
    if len(rows) != 1:
        who = ", ".join(row["consumer"] for row in rows)
        why = f"is parked for {who}: say which with --for" if rows else "is not parked. See `watershed parked ls`"
        raise ConfigError(f"Batch {batch} {why}.")
    return rows[0]
