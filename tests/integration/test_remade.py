"""A table that is made anew: key, partition and types may change, and every reader ends as after a fresh load."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from common.core.errors import ConfigError, ContractError
from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.repair.decide import backfill_whole
from common.upkeep.apply import apply
from common.upkeep.verify import verify
from tests.lab import COUNTS, KEYED, WHOLE_HOP, deliver, shown, told, write
from tests.world import World, by, new_world, other_contract

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


def test_a_reader_that_is_behind_reads_the_table_that_was_made_anew(stack: Mapping[str, str], tmp_path: Path) -> None:
    """What lies between the versions it has and that one may have other types: no feed tells it."""
    with new_world(stack, tmp_path, "lab", write(tmp_path)) as lab:
        deliver(lab, "keyed/1.csv", "a,1,1,1,2024-01-05")
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE consumer SET width = 1 WHERE kind IN ('model', 'load')")
        for number in (2, 3):
            lab.land(
                f"keyed/{number}.csv",
                f"k,at,v,n,day\na,{number},text,1,2024-01-01\nb{number},1,2,1,2024-01-0{number}\n".encode(),
            )
            lab.flow("bronze", "silver")
        with other_contract(lab, tmp_path, "keyed", change_of("another type"), applied=False):
            backfill_whole(KEYED, by("a test"))
            lab.flow("silver")
            drop(lab, "lab.keyed")  # its column holds texts
            apply()
            with transaction() as connection:
                connection.exec_driver_sql("UPDATE consumer SET width = 1 WHERE kind IN ('model', 'load')")
            lab.flow()
            assert [row[0] for row in shown(lab)] == ["a", "b2", "b3"]
            assert len(lab.rows("SELECT day FROM lab.days")) == 3
            assert list(verify()) == []


def test_a_gold_table_takes_other_types_and_partitions_with_its_next_hop(
    stack: Mapping[str, str], tmp_path: Path
) -> None:
    def other(text: str) -> str:
        text = text.replace("slice: day\n", "slice: day\npartition: [day]\n")
        return text.replace("count(*) AS found", "count(*)::DECIMAL(9, 1) AS found")

    with new_world(stack, tmp_path, "lab", write(tmp_path)) as lab:
        deliver(lab, "keyed/1.csv", *FILES["keyed/1.csv"])
        with other_contract(lab, tmp_path, "days", other):
            backfill_whole(Dataset("lab", "days"), by("a test"))
            lab.flow()
            assert lab.lake("gold", "days").schema["found"] == pl.Decimal(9, 1)
            deliver(lab, "keyed/2.csv", *FILES["keyed/2.csv"])
            tables = everything(lab)
            assert tables["gold"] == [
                ("2023-02-05", 1, 100),
                ("2023-03-07", 1, 2),
            ]
            assert tables["gold"] == tables["gold loaded"]
            partitions = (
                "SELECT place->'remade', place->'partitions' FROM batch WHERE asset = 'lab.days.gold' ORDER BY number"
            )
            assert [row[0] for row in lab.rows(partitions, "ledger")] == [None, True, None]
            assert list(verify()) == []


def drop(world: World, table: str) -> None:
    with psycopg.connect(world.env["WAREHOUSE_URL"], autocommit=True) as connection:
        connection.execute(f"DROP TABLE {table}")  # type: ignore[call-overload]
