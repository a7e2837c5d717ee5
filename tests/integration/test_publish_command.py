"""The command from a generated file to a rollback, on a real object store and with real validation."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dag_publisher.cli.main import app
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from tests.publishing import bucket, released

Run = Callable[..., Any]
JOB = ["--dag-id", "shop_daily", "--job-name", "daily", "--image-tag", "1.4.2", "--outlet", "s3://bucket/gold/sales"]


@pytest.fixture
def store(stack: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name, value in stack.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    with bucket(stack) as made:
        yield made


@pytest.fixture
def run(store: Store) -> Run:
    """Run a command on a package and return what it says to machines."""

    def command(name: str, *words: str, code: int = 0, environment: str = "dev") -> Any:
        where = ["--bucket", store.bucket, "--environment", environment, "--package-name", "shop"]
        done = CliRunner().invoke(app, [name, *where, *words, "--json"], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return command


def test_from_a_generated_file_to_a_rollback(run: Run, store: Store, tmp_path: Path) -> None:
    written = CliRunner().invoke(app, ["generate", "--package-name", "shop", *JOB, "--output", str(tmp_path)])
    assert written.exit_code == 0
    first = run("publish", "--dag-path", str(tmp_path))
    assert (first["release"], first["changed"], first["dags"]) == (1, True, ["shop_daily"])
    (listed,) = run("list")
    assert (listed["current"], listed["images"], listed["dags"]) == (True, ["shop:1.4.2"], ["shop_daily"])
    stored = Shelf(store, "dev", "shop").release(1).dags[0]
    assert (stored["outlet_assets"], stored["file"]) == (["s3://bucket/gold/sales"], "shop_daily.py")
    assert run("diff", "--dag-path", str(tmp_path)) == {"differ": False, "diff": []}
    assert run("promote", "--to", "staging")["release"] == 1
    assert run("list", environment="staging")[0]["origin"] == "dev/1"
    released(Shelf(store, "dev", "shop"), shop_daily="two")
    assert run("diff", "--release", "1", code=1)["differ"]
    assert run("rollback", "--dry-run")["dry_run"]
    assert run("list")[0]["current"]
    assert run("rollback", "--why", "totals")["release"] == 1
    assert [one["release"] for one in run("list") if one["current"]] == [1]
    assert run("gc", "--keep", "1", "--days", "1") == {"releases": [], "objects": [], "dry_run": False}
    assert run("verify") == {"shop": []}


def test_a_file_that_breaks_a_rule_is_not_published(run: Run, store: Store, tmp_path: Path) -> None:
    (tmp_path / "shop_a.py").write_text("with DAG(:\n")
    where = ["--bucket", store.bucket, "--environment", "dev", "--package-name", "shop"]
    done = CliRunner().invoke(app, ["publish", *where, "--dag-path", str(tmp_path)])
    assert "shop_a.py:1: syntax:" in str(done.exception)
    assert list(store.listed("")) == []


def test_verify_ends_with_1_where_something_is_damaged(run: Run, store: Store) -> None:
    files = released(Shelf(store, "dev", "shop"), shop_a="one").release.files
    store.put(f"dev/shop/objects/{files['shop_a.py']}", b"other")
    assert any("not what was published" in line for line in run("verify", code=1)["shop"])
