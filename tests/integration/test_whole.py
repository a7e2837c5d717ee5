"""All deliveries read again in one claim: what is stale comes right, and key, partition and types may change."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError, ContractError
from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.repair.decide import backfill_whole, replay
from common.repair.partitions import partitions
from common.upkeep.apply import apply
from common.upkeep.verify import verify
from tests.contracts import INCREMENTAL, write_contract
from tests.world import World, by, new_world, other_contract

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


@pytest.fixture
def lab(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """A keyed dataset and one without a key, a model, and their loads; applied and empty."""
    with new_world(stack, tmp_path, "lab", write(tmp_path)) as made:
        yield made


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


def test_what_withdrawn_rows_had_replaced_comes_back(lab: World, tmp_path: Path) -> None:
    deliver(lab, "keyed/1.csv", "a,1,short,1,2024-01-05", "b,1,x,1,2024-02-05")
    deliver(lab, "keyed/2.csv", "a,2,longer,2,2024-01-06")
    with other_contract(lab, tmp_path, "keyed", lambda text: text.replace("maxLength: 9", "maxLength: 5")):
        replay(bronze(lab, "2.csv"), "", by("a test"))
        lab.flow()
        assert [row[0] for row in shown(lab)] == ["b"]
        ((kind, detail),) = open_incidents(lab)
        assert kind == "stale"
        assert "`watershed backfill run lab.keyed --all" in detail
        assert states(lab)["2024-01"] == "stale"
        again(lab)
        assert [(row[0], row[2]) for row in shown(lab)] == [("a", "short"), ("b", "x")]
        assert open_incidents(lab) == []
        assert states(lab) == {"2024-01": "done", "2024-02": "done"}
        assert lab.rows("SELECT day, found FROM lab.days ORDER BY 1") == [("2024-01-05", 1), ("2024-02-05", 1)]
    assert list(verify()) == []


def bronze(world: World, file: str) -> str:
    query = f"SELECT id FROM batch WHERE place->>'raw' LIKE '%{file}' AND place ? 'landed' ORDER BY number"
    return str(world.rows(query, "ledger")[0][0])


def open_incidents(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT kind, detail FROM incident WHERE closed_at IS NULL", "ledger")


def states(world: World, table: Dataset = KEYED) -> dict[str, str]:
    with transaction() as connection:
        return {found.partition: found.state for found in partitions(connection, table)}


CHANGES: dict[str, tuple[tuple[str, str], ...]] = {
    "a narrower type": (("decimal(8,2)", "decimal(4,2)"),),
    "another type": (("v, logicalType: string, logicalTypeOptions: {maxLength: 9}", "v, logicalType: integer"),),
    "another partition": (("by: month", "by: year"),),
    "no partition": (("  - {property: partition, value: {column: day, by: month}}\n", ""),),
    "a longer key": (("name: at, logicalType: integer", "name: at, logicalType: integer, primaryKey: true"),),
    "another key": (
        ("required: true, primaryKey: true}", "required: true}"),
        ("name: at, logicalType: integer", "name: at, logicalType: integer, primaryKey: true"),
    ),
    "history": (("value: [at]}", "value: [at]}\n  - {property: history, value: true}"),),
}
COUNTS = ("taken", "good", "merged", "refused")
WHOLE_HOP = f"""SELECT {", ".join(COUNTS)} FROM hop JOIN receipt ON hop.consumer = receipt.consumer AND n = hop
    JOIN batch ON batch = id WHERE place->'replay' ? 'whole'"""
OTHER_TABLES = ("another type", "a longer key", "another key")  # which no load can fill as they are
FILES = {
    "keyed/1.csv": ("a,1,1,1.00,2024-01-05", "b,1,2,100.00,2023-02-05"),
    "keyed/2.csv": ("a,2,3,2.00,2024-01-06", "a,2,4,2.00,2023-03-07"),
    "keyed/3.csv": ("c,1,5,3.00,2024-01-05",),
}


def change_of(name: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        for old, new in CHANGES[name]:
            assert old in text
            text = text.replace(old, new)
        return text

    return change


def everything(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every table, without what tells of files."""
    silver = world.silver("keyed").drop("_file", "_record", "_arrival")
    tables = {"silver": sorted(silver.select(sorted(silver.columns)).rows(), key=str)}
    tables["gold"] = sorted(world.lake("gold", "days").rows())
    loaded = world.rows("SELECT k, at, v, n, day FROM lab.keyed"), world.rows("SELECT day, found, n FROM lab.days")
    return tables | {"loaded": sorted(loaded[0]), "gold loaded": sorted(loaded[1])}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_apply_refuses_is_made_by_reading_all_again(
    stack: Mapping[str, str], tmp_path: Path, change: str
) -> None:
    with new_world(stack, tmp_path / "one", "lab", write(tmp_path / "one")) as lab:
        for key, rows in list(FILES.items())[:2]:
            deliver(lab, key, *rows)
        with other_contract(lab, tmp_path, "keyed", change_of(change), applied=False):
            if change in OTHER_TABLES:
                with pytest.raises(ConfigError, match=r"lab.keyed in connection 'warehouse' was made otherwise"):
                    apply()
                drop(lab, "lab.keyed")
            with pytest.raises(ContractError, match=r"watershed backfill run lab\.keyed --all"):
                apply()
            lab.land("keyed/3.csv", "\n".join(("k,at,v,n,day", *FILES["keyed/3.csv"], "")).encode())
            lab.flow("bronze")
            with pytest.raises(ContractError, match="was made otherwise"):
                lab.flow("silver")
            (planned,) = told("backfill", "plan", "lab.keyed", "--all")
            backfill_whole(KEYED, by("a test"))
            lab.flow("bronze")
            lab.flow()
            assert [tuple(planned[name] for name in COUNTS)] == lab.rows(WHOLE_HOP, "ledger")
            apply()
            assert list(verify()) == []
            found = everything(lab)
    (tmp_path / "two").mkdir()
    domains = write(tmp_path / "two")
    contract = domains / "lab" / "contracts" / "keyed.yaml"
    contract.write_text(change_of(change)(contract.read_text()))
    with new_world(stack, tmp_path / "two", "lab", domains) as fresh:
        for key, rows in FILES.items():
            deliver(fresh, key, *rows)
        assert found == everything(fresh)


def drop(world: World, table: str) -> None:
    with psycopg.connect(world.env["WAREHOUSE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP TABLE {table}")  # type: ignore[call-overload]


def told(*arguments: str) -> Any:
    result = RUN.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)
