"""`watershed lineage`: from a row, table, batch or file up to the lines it came from, or down to what it became."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from common.cli.listing import group
from common.cli.options import Json, Limit
from common.cli.show import show
from common.core.errors import ConfigError

app = group("Where a row, table, batch or file came from, and where it went.")
What = Annotated[
    str, typer.Argument(help="Id of a batch, key of a file, or a table, as in ecommerce.daily_revenue@warehouse.")
]
COLUMNS = ["depth", "asset", "id", "records", "origin", "hops"]


@app.command()
def up(
    what: What,
    where: Annotated[str, typer.Option(help="Rows of the table, as in \"customer_id = '00001'\".")] = "",
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """Show what something was made of; with --where, the files and lines that rows of a table came from."""
    if where:
        from common.repair.origins import origins, table_named

        rows = [asdict(origin) for origin in origins(table_named(what), where, limit)]
        show(rows, ["dataset", "file", "line", "record", "offset", "bronze"], as_json=as_json, empty="No record.")
        return
    _show(what, "up", limit, as_json)


@app.command()
def down(what: What, limit: Limit = 100, as_json: Json = False) -> None:
    """Show what was made of something: the batches and tables it reached, and by which hops."""
    _show(what, "down", limit, as_json)


def _show(what: str, direction: Any, limit: int, as_json: bool) -> None:
    from common.ledger.database import transaction
    from common.ledger.lineage import find, hops_of, related

    with transaction() as connection:
        starts = find(connection, what) or find(connection, _asset(what))
        if not starts:
            raise ConfigError(f"The ledger knows of no batch, file or table '{what}'. See `watershed batches`.")
        rows = related(connection, starts, direction, limit)
        taken = hops_of(connection, [row["id"] for row in rows])
    shown = [row | {"hops": ", ".join(taken.get(row["id"], []))} for row in rows]
    show(shown, COLUMNS, as_json=as_json, empty="")


def _asset(what: str) -> str:
    """Return the asset that a table's name means."""
    from common.cli.known import require_known
    from common.core.targets import targets
    from common.pipelines.consumers import zone_of
    from common.repair.origins import table_named

    require_known("warehouse", what.partition("@")[2], targets())
    try:
        table = table_named(what)
    except ConfigError:
        return what
    return f"{table}.{zone_of(table)}"
