"""A domain that tests read again whole: a dataset with a key and one without, a model, their loads; and how they look."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from common.cli.main import app
from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.repair.decide import backfill_whole
from common.repair.partitions import partitions
from tests.contracts import INCREMENTAL, write_contract
from tests.world import World, by

RUN = CliRunner()
KEY = "name: k, logicalType: string, required: true, primaryKey: true"
COLUMNS = (
    "name: at, logicalType: integer, required: true",
    "name: v, logicalType: string, logicalTypeOptions: {maxLength: 9}",
    "name: n, logicalType: number, physicalType: 'decimal(8,2)'",
    "name: day, logicalType: date",
)
KEYED, PLAIN = Dataset("lab", "keyed"), Dataset("lab", "plain")
MODELS = {
    "days": """/*
description: What there is each day.
key: [day]
slice: day
inputs: {lab.keyed: day}
load: [{to: warehouse, strategy: incremental}]
*/
SELECT strftime(day, '%Y-%m-%d') AS day, count(*) AS found, sum(n) AS n FROM lab.keyed GROUP BY 1
""",
}
COUNTS = ("taken", "good", "merged", "refused")
WHOLE_HOP = f"""SELECT {", ".join(COUNTS)} FROM hop JOIN receipt ON hop.consumer = receipt.consumer AND n = hop
    JOIN batch ON batch = id WHERE place->'replay' ? 'whole'"""


def write(folder: Path) -> Path:
    domain = folder / "domains" / "lab"
    words = {"partition": "{column: day, by: month}", "load": f"[{INCREMENTAL}]"}
    write_contract(domain, "keyed", (KEY, *COLUMNS), {"latest": "[at]", **words})
    write_contract(domain, "plain", (KEY.replace("true}", "true").replace(", primaryKey: true", ""), *COLUMNS), words)
    (domain / "gold").mkdir()
    for name, text in MODELS.items():
        (domain / "gold" / f"{name}.sql").write_text(
            text.replace("{lab.keyed: day}", "{lab.keyed: \"strftime(day, '%Y-%m-%d')\"}")
        )
    return domain.parent


def deliver(world: World, key: str, *rows: str) -> None:
    """Land a file, and do all that is due."""
    world.land(key, "".join(f"{row}\n" for row in ("k,at,v,n,day", *rows)).encode())
    world.flow()


def again(world: World, table: Dataset = KEYED) -> None:
    backfill_whole(table, by("a test"))
    world.flow()


def shown(world: World, name: str = "keyed") -> list[tuple[Any, ...]]:
    """Return the rows of a silver table, which the warehouse must have, too."""
    found = sorted(world.silver(name).select("k", "at", "v", "n", "day").rows())
    assert sorted(world.rows(f"SELECT k, at, v, n, day FROM lab.{name}")) == found
    return found


def values(world: World, name: str) -> list[tuple[Any, ...]]:
    """Return keys and values of a silver table, which the warehouse must have, too."""
    found = sorted(world.silver(name).select("k", "v").rows())
    assert sorted(world.rows(f"SELECT k, v FROM lab.{name}")) == found
    return found


def bronze(world: World, file: str) -> str:
    query = f"SELECT id FROM batch WHERE place->>'raw' LIKE '%{file}' AND place ? 'landed' ORDER BY number"
    return str(world.rows(query, "ledger")[0][0])


def open_incidents(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT kind, detail FROM incident WHERE closed_at IS NULL", "ledger")


def states(world: World, table: Dataset = KEYED) -> dict[str, str]:
    with transaction() as connection:
        return {found.partition: found.state for found in partitions(connection, table)}


def counts(world: World) -> tuple[Any, ...]:
    """Return what the last replay of all deliveries counted."""
    return world.rows(f"{WHOLE_HOP} ORDER BY hop.published_at DESC LIMIT 1", "ledger")[0]


def told(*arguments: str) -> Any:
    result = RUN.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)
