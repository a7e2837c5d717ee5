"""A new domain is a folder of contracts and one thin DAG file: a seed chooses what it looks like."""

import csv
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.seed import GIVEN, SEED
from tests.world import new_world

ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]
PARSE = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print(bag.import_errors, *bag.dags)
"""


class Shape:
    """What a seed makes of a domain: columns, key, partition, formats, rows."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.domain, self.name = chance.choice(["fleet", "clinic", "mill"]), chance.choice(["trips", "visits"])
        self.compound = chance.random() < 0.5
        self.by = chance.choice(["day", "month", "year", "value", None])
        self.ending = chance.choice(["csv", "csv.gz", "tsv", "json", "ndjson", "parquet"])
        self.key = ["unit", "serial"] if self.compound else ["serial"]
        self.chance = chance

    @property
    def contract(self) -> dict[str, Any]:
        part = {"column": "site" if self.by == "value" else "happened_on", "by": self.by} if self.by else {}
        words = {"latest": "revision", "owner": "tests", "immutable": ["site", "happened_on"], "partition": part}
        words["load"] = [{"to": "warehouse", "strategy": "incremental"}]
        columns: Rows = [
            {"name": "unit", "logicalType": "string", "primaryKey": self.compound},
            {"name": "serial", "logicalType": "integer", "primaryKey": True},
            {"name": "site", "logicalType": "string"},
            {"name": "happened_on", "logicalType": "date", "required": True},
            {"name": "amount", "logicalType": "number", "physicalType": "decimal(12,3)"},
            {"name": "revision", "logicalType": "integer", "required": True},
            {"name": "ok", "logicalType": "boolean"},
        ]
        return {
            "apiVersion": "v3.0.2",
            "kind": "DataContract",
            "id": "urn:throw-away",
            "name": self.name,
            "version": "1.0.0",
            "status": "active",
            "domain": self.domain,
            "schema": [{"name": self.name, "properties": columns}],
            "customProperties": [{"property": k, "value": v} for k, v in words.items() if v],
        }

    def rows(self) -> Rows:
        pick = self.chance
        return [
            {
                "unit": pick.choice(["u/1", "u 2", "ü%3"]),
                "serial": pick.randrange(40),
                "site": pick.choice(["a b", "c/d=e", "ö%20"]),
                "happened_on": str(date(2024, 1, 1) + timedelta(days=pick.randrange(500))),
                "amount": f"{pick.randrange(10**6) / 1000:.3f}",
                "revision": number,
                "ok": pick.choice(["true", "false"]),
            }
            for number in range(pick.randrange(1, 200))
        ]

    def write(self, rows: Rows) -> bytes:
        if self.ending == "parquet":
            buffer = io.BytesIO()
            pl.DataFrame(rows).with_columns(pl.col("happened_on").str.to_date()).write_parquet(buffer)
            return buffer.getvalue()
        if self.ending == "json":
            return json.dumps(rows).encode()
        if self.ending == "ndjson":
            return "\n".join(json.dumps(row) for row in rows).encode()
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if self.ending == "tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
        return gzip.compress(content) if self.ending.endswith("gz") else content


SEEDS = [SEED] if GIVEN else [1, 2, 3, SEED]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_throw_away_domain_goes_from_files_to_silver_and_postgres(
    seed: int, stack: Mapping[str, str], tmp_path: Path
) -> None:
    shape = Shape(seed)
    folder = tmp_path / "domains" / shape.domain / "contracts"
    folder.mkdir(parents=True)
    (folder / f"{shape.name}.yaml").write_text(yaml.safe_dump(shape.contract))
    files = [shape.rows() for _ in range(3)]
    for revision, row in enumerate(row for rows in files for row in rows):
        row["revision"] = revision
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in (row for rows in files for row in rows):
        latest[tuple(row[name] for name in shape.key)] = row
    expected = sorted(
        (row["unit"], row["serial"], row["site"], row["happened_on"], row["amount"], row["ok"] == "true")
        for row in latest.values()
    )
    with new_world(stack, tmp_path, shape.domain, tmp_path / "domains") as world:
        for number in shape.chance.sample(range(3), 3):
            world.land(f"{shape.name}/part {number}/data.{shape.ending}", shape.write(files[number]))
            world.flow()
        found = world.silver(shape.name)
        loaded = world.rows(
            f"SELECT unit, serial, site, happened_on::text, amount::text, ok FROM {shape.domain}.{shape.name}"
        )
        counts = world.rows("SELECT sum(taken), sum(refused) FROM hop WHERE consumer LIKE '%.silver'", "ledger")
    assert sorted(loaded) == expected
    assert found.height == len(expected)
    assert counts == [(sum(map(len, files)), 0)]
    _dag_file_is_all_it_takes(shape, tmp_path)


def _dag_file_is_all_it_takes(shape: Shape, tmp_path: Path) -> None:
    dags = tmp_path / "dags" / shape.domain
    dags.mkdir(parents=True)
    (dags / "pipeline.py").write_text(
        f'"""The {shape.domain} domain on Airflow: every DAG."""\n'
        f'from common.dags.stages import domain_dags\n\ndomain_dags("{shape.domain}")\n'
    )
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "airflow" / "include"),
        "WATERSHED_DOMAINS_DIR": str(tmp_path / "domains"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARSE, str(tmp_path / "dags")],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "{}", last
    assert set(last[1:]) == {
        f"{shape.domain}_raw_to_bronze",
        f"{shape.domain}_{shape.name}_to_silver",
        f"{shape.domain}_load",
        f"{shape.domain}_sweep",
        f"{shape.domain}_master",
    }
