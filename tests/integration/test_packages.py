"""The jobs of the example packages, as their images run them: on a lake and a warehouse that the shop has filled."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest

from common.core.settings import settings
from common.zones.store import client
from tests.packages import PACKAGES, fill, made, reports
from tests.world import World, forget, new_world


@pytest.fixture(scope="module")
def shop(stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with new_world(stack, tmp_path_factory.mktemp("shop"), "ecommerce") as world:
        fill(world)
        yield world


def run(package: str, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a job as its image does: with its own folder as the only one of ours on the path."""
    known = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PATH"))}
    return subprocess.run(
        [sys.executable, "-m", package, *arguments],
        env={**known, **env},
        cwd=PACKAGES / package,
        capture_output=True,
        text=True,
    )


def told(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def processed(partition: str) -> "subprocess.CompletedProcess[str]":
    lake = f"s3://{settings().bucket}"
    table = f"{lake}/silver/ecommerce/transactions"
    where = ("--table", table, "--output", f"{lake}/exports/pipeline_processing")
    return run("pipeline_processing", *where, "--partition", partition)


def test_a_partition_is_summed_up_day_by_day_and_the_same_when_done_again(shop: World) -> None:
    del shop
    found = told(processed("1997-01"))
    assert (found["days"], found["purchases"], Decimal(found["amount"])) == (2, 3, Decimal("19.50"))
    key = found["file"].removeprefix(f"s3://{settings().bucket}/")
    first = client().get_object(Bucket=settings().bucket, Key=key)["Body"].read()
    assert pl.read_parquet(BytesIO(first)).select(pl.col("purchased_on").cast(pl.String), "purchases").rows() == [
        ("1997-01-01", 1),
        ("1997-01-02", 2),
    ]
    assert told(processed("1997-01")) == found
    assert client().get_object(Bucket=settings().bucket, Key=key)["Body"].read() == first
    assert told(processed("newest"))["partition"] == "1997-02"


def test_a_partition_that_is_not_there_is_told_with_those_that_are(shop: World) -> None:
    del shop
    done = processed("2001-01")
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no partition '2001-01'. Known, the last of them: 1997-01, 1997-02." in done.stderr


def seeded(world: World, *which: str) -> "subprocess.CompletedProcess[str]":
    return run("reporting_seeder", *which, WAREHOUSE_URL=world.env["WAREHOUSE_URL"])


def test_reports_are_made_for_all_agencies_and_anew_for_one(shop: World) -> None:
    found = told(seeded(shop, "--all"))
    assert (found["reports"], found["purchases"], found["revenue"]) == (4, 5, "22.50")
    everything = reports(shop)
    assert everything == [
        ("SE", "1997-01", 1, 1, "4.00"),
        ("US", "1997-01", 1, 2, "15.50"),
        ("US", "1997-02", 1, 1, "1.00"),
        ("unknown", "1997-02", 1, 1, "2.00"),
    ]
    with psycopg.connect(shop.env["WAREHOUSE_URL"], autocommit=True) as connection:
        connection.execute("UPDATE reporting.agency_revenue SET revenue = 0")
    told(seeded(shop, "--agency", "US"))
    assert [row[4] for row in reports(shop)] == ["0", "15.50", "1.00", "0"], "the others stay as they were"
    told(seeded(shop, "--all"))
    assert reports(shop) == everything


def test_what_a_seeder_cannot_do_is_one_line_and_changes_nothing(shop: World) -> None:
    told(seeded(shop, "--all"))
    before = reports(shop)
    unknown = seeded(shop, "--agency", "XX")
    assert (unknown.returncode, unknown.stderr.splitlines()) == (
        1,
        ["reporting_seeder: There is no agency 'XX'. Known: SE, US, unknown."],
    )
    assert "WAREHOUSE_URL is not set" in run("reporting_seeder", "--all").stderr
    assert (
        "reporting_seeder: The warehouse"
        in run("reporting_seeder", "--all", WAREHOUSE_URL="host=127.0.0.1 port=1").stderr
    )
    assert reports(shop) == before


@pytest.mark.parametrize("package", ["pipeline_processing", "reporting_seeder"])
def test_the_dags_of_a_package_are_what_its_pipeline_generates_and_may_be_published(
    package: str, tmp_path: Path, stack: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {path.name: path.read_text() for path in (PACKAGES / package / "airflow_dags").glob("*.py")}
    (digest,) = {found for text in kept.values() for found in re.findall(r"sha256:[0-9a-f]{64}", text)}
    (registry,) = {found for text in kept.values() for found in re.findall(rf"image='(\S+)/{package}@", text)}
    made(package, "dags", DIGEST=digest, REGISTRY=registry, DAGS=str(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.glob("*.py")} == kept
    bucket = f"d{uuid.uuid4().hex[:12]}"
    for name in [name for name in stack if name.startswith("AWS_")]:
        monkeypatch.setenv(name, stack[name])
    forget()
    client().create_bucket(Bucket=bucket)
    made(package, "validate", "publish", BUCKET=bucket, ENVIRONMENT="dev")
    made(package, "promote", BUCKET=bucket, ENVIRONMENT="dev", TO="prod")
    for environment in ("dev", "prod"):
        objects = client().list_objects_v2(Bucket=bucket, Prefix=f"{environment}/{package}/dags/")["Contents"]
        found = [client().get_object(Bucket=bucket, Key=item["Key"])["Body"].read().decode() for item in objects]
        assert sorted(found) == sorted(kept.values()), environment
    forget()
