"""Readers of silver, gold and all warehouses while publication follows on publication: all of each is seen, or nothing.

`N=1000` makes it a thousand publications, a few in a world at a time: readers that look without a pause at a table of many
small files would leave no time to anybody else.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.upkeep.apply import apply
from tests.integration.reader import SACKS, TABLES, WEIGHT, Seen
from tests.seed import SEED
from tests.world import World, new_world

ROOT = Path(__file__).parents[2]
N, A_TIME = int(os.environ.get("N", "40")), 100
LOADS = [{"to": to, "strategy": "incremental"} for to in ("warehouse", "duckdb", "redshift", "snowflake")]
CONTRACT: dict[str, Any] = {
    "apiVersion": "v3.0.2",
    "kind": "DataContract",
    "id": "urn:throw-away",
    "name": "sacks",
    "version": "1.0.0",
    "status": "active",
    "domain": "mill",
    "schema": [
        {
            "name": "sacks",
            "properties": [
                {"name": "delivery", "logicalType": "integer", "primaryKey": True},
                {"name": "sack", "logicalType": "integer", "primaryKey": True},
                {"name": "ground_on", "logicalType": "date", "required": True},
                {
                    "name": "weight",
                    "logicalType": "number",
                    "physicalType": "decimal(12,2)",
                    "required": True,
                    "logicalTypeOptions": {"minimum": 0},
                },
                {"name": "revision", "logicalType": "integer", "required": True},
            ],
        }
    ],
    "customProperties": [
        {"property": "owner", "value": "tests"},
        {"property": "latest", "value": "revision"},
        {"property": "immutable", "value": ["ground_on"]},
        {"property": "partition", "value": {"column": "ground_on", "by": "month"}},
        {"property": "batch", "value": {"maxRefusedShare": 0.5}},
        {"property": "load", "value": LOADS},
    ],
}
MODEL = """/*
description: What was ground each day.
key: [day]
slice: month
partition: [month]
inputs: {mill.sacks: ground_on_month}
controls:
  - {result: sum(sacks), input: mill.sacks, equals: count(*)}
load:
  - {to: warehouse, strategy: incremental}
  - {to: duckdb, strategy: full}
  - {to: redshift, strategy: full}
  - {to: snowflake, strategy: full}
*/
SELECT
    ground_on AS day,
    count(*) AS sacks,
    CAST(sum(weight) AS DECIMAL(14, 2)) AS weight,
    ground_on_month AS month
FROM mill.sacks
GROUP BY ground_on, ground_on_month
"""


def mill(folder: Path) -> Path:
    """Write the domain."""
    (folder / "mill" / "contracts").mkdir(parents=True)
    (folder / "mill" / "gold").mkdir()
    (folder / "mill" / "contracts" / "sacks.yaml").write_text(yaml.safe_dump(CONTRACT))
    (folder / "mill" / "gold" / "daily.sql").write_text(MODEL)
    return folder


def delivery(number: int, revision: int, chance: random.Random) -> list[str]:
    """Make the rows of a delivery: whatever the revision, its weights add up to the same."""
    cuts = sorted(chance.randrange(int(WEIGHT * 100)) for _ in range(SACKS - 1))
    weights = [high - low for low, high in zip([0, *cuts], [*cuts, int(WEIGHT * 100)], strict=True)]
    day = f"2024-{1 + number % 3:02d}-{1 + number % 28:02d}"
    return [f"{number},{sack},{day},{weight / 100:.2f},{revision}" for sack, weight in enumerate(weights)]


def file_of(revision: int, chance: random.Random) -> str:
    """Make a file: a new delivery, new weights of an old one, and a row that is refused."""
    lines = delivery(revision, revision, chance)
    if revision:
        lines += delivery(chance.randrange(revision), revision, chance)
    lines.insert(chance.randrange(len(lines)), f"{revision},99,2024-01-01,-1.00,{revision}")
    return "\n".join(["delivery,sack,ground_on,weight,revision", *lines, ""])


def held_back(revision: int) -> str:
    """Make a file of which so much is refused that nothing of it may be seen."""
    lines = [f"-{revision},{n},2024-01-01,{'7.00' if n == 1 else '-7.00'},{revision}" for n in range(1, 9)]
    return "\n".join(["delivery,sack,ground_on,weight,revision", *lines, ""])


def publish(world: World, publications: int) -> int:
    """Land file after file and do all hops of each, until so many commits were made; tell how many files were good."""
    chance, files, done = random.Random(SEED), 0, 0
    while done < publications:
        world.land(f"sacks/{files}.csv", file_of(files, chance).encode())
        if files % 5 == 4:
            world.land(f"sacks/bad {files}.csv", held_back(files).encode())
        files += 1
        done += sum(1 for name in world.flow() if not name.endswith(".bronze"))
    return files


@contextmanager
def reader_of(world: World) -> "Iterator[subprocess.Popen[str]]":
    """Let a process read the tables of the world for the length of the block, and no longer."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.integration.reader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **{name: world.env[name] for name in ("WAREHOUSE_URL", "REDSHIFT_URL")}},
    ) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "begun\n"
            yield reader
        finally:
            reader.kill()


@pytest.mark.parametrize("publications", [min(A_TIME, N - begun) for begun in range(0, N, A_TIME)])
def test_readers_see_whole_publications_only(
    stack: Mapping[str, str], elsewhere: Mapping[str, str], tmp_path: Path, publications: int
) -> None:
    with new_world({**stack, **elsewhere}, tmp_path, "mill", mill(tmp_path / "domains")) as world:
        apply()  # a world that is copied has nothing elsewhere
        world.land("sacks/first.csv", file_of(0, random.Random(SEED)).encode())
        world.flow()
        with reader_of(world) as reader:
            files = publish(world, publications)
            told, _ = reader.communicate(timeout=600)
        parked = world.rows("SELECT count(*) FROM incident WHERE kind = 'parked'", "ledger")
        assert world.silver("sacks").height == files * SACKS
        assert world.rows("SELECT sum(sacks) FROM mill.daily") == [(files * SACKS,)]
    assert parked == [(files // 5,)]
    seen = json.loads(told)
    assert {name: found["broken"] for name, found in seen.items()} == {name: [] for name in TABLES}, f"SEED={SEED}"
    assert all(found["states"] >= min(5, files) for found in seen.values()), seen


def test_a_reader_notices_what_must_never_be_seen() -> None:
    whole = {"delivery": 1, "sacks": SACKS, "weight": WEIGHT, "lightest": 0.0}
    unseen = {
        "a part": whole | {"sacks": SACKS - 1},
        "a mixture of two revisions": whole | {"weight": WEIGHT + 1},
        "a refused row": whole | {"lightest": -1.0},
        "a file that was held back": whole | {"delivery": -1},
    }
    for fault, row in unseen.items():
        seen = Seen()
        seen.look([row])
        assert seen.broken, fault
    seen = Seen()
    seen.look([whole])
    assert not seen.broken
    seen.look([])
    assert seen.broken, "an empty table after a full one"
