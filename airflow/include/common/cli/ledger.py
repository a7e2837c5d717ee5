"""Commands that answer from the ledger, with no Airflow running."""

from typing import Annotated

import typer

from common.cli.contract import Json
from common.cli.show import console, print_json, show

quarantine = typer.Typer(no_args_is_help=True, help="What was refused, and why.")
Limit = Annotated[int, typer.Option(help="How many rows at most.")]


def apply(as_json: Json = False) -> None:
    """Make what contracts and models need: ledger, lake tables, warehouse tables, tokens. Safe to repeat."""
    from common.pipelines.apply import apply as make

    done = make()
    if as_json:
        print_json(vars(done))
        return
    console.print(
        f"Applied: {len(done.lake)} lake tables, {len(done.warehouse)} warehouse tables, "
        f"{len(done.consumers)} consumers."
    )


def status(as_json: Json = False) -> None:
    """Show each consumer: what it has taken, what waits, what is parked."""
    from common.ledger.database import transaction
    from common.ledger.queries import consumers, incidents

    with transaction() as connection:
        found, open_ones = consumers(connection), incidents(connection)
    if as_json:
        print_json({"consumers": found, "incidents": open_ones})
        return
    columns = ["consumer", "hops", "taken", "good", "merged", "refused", "waiting", "parked", "last"]
    show(found, columns, as_json=False, empty="No consumer is known. Run `watershed apply`.")
    if open_ones:
        show(open_ones, ["kind", "consumer", "batch", "opened", "detail"], as_json=False, empty="")


def batches(
    asset: Annotated[str, typer.Argument(help="Asset, as in ecommerce.users.silver; all without it.")] = "",
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List batches, the newest first."""
    from common.ledger.database import transaction
    from common.ledger.queries import batches as found

    with transaction() as connection:
        rows = found(connection, asset, limit)
    columns = ["id", "asset", "partition", "records", "bytes", "created"]
    show(rows, columns, as_json=as_json, empty="There is no such batch.")


@quarantine.command("ls")
def list_refusals(
    dataset: Annotated[str, typer.Argument(help="Beginning of a consumer's name; all without it.")] = "",
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List what was refused: how many records or files, of which batch, why, and where they are."""
    from common.ledger.database import transaction
    from common.ledger.refusals import Filter, matching

    with transaction() as connection:
        rows = matching(connection, Filter(consumer=dataset), limit)
    columns = ["consumer", "hop", "reason", "rule", "column", "count", "origin", "place"]
    show(rows, columns, as_json=as_json, empty="Nothing was refused.")
