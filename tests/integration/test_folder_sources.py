"""Folders as sources: of this machine, and of another object store."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from common.core.errors import ConfigError
from common.pipelines.kinds import consumer_named
from common.pipelines.work import work
from common.zones.store import client
from tests.origins import ID, fetching
from tests.world import World

COLUMNS = (ID, "name: code, logicalType: string")
INGEST = "lab.files.raw"


def source(url: str) -> dict[str, Any]:
    return {"kind": "folder", "conn": "there", "schedule": "0 * * * *", "url": url, "pattern": "*.csv"}


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture
def local(stack: Mapping[str, str], tmp_path: Path, there: Path) -> Iterator[World]:
    words = {"columns": COLUMNS, "source": source(f"file://{there}")}
    both = {"files": words, "newest": {**words, "delivery": "replace"}}
    with fetching(stack, tmp_path, both) as world:
        yield world


def write(folder: Path, name: str, *codes: str, second: int = 1) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ("id,code", *(f"{n},{code}" for n, code in enumerate(codes)))))
    os.utime(path, (1_767_600_000 + second, 1_767_600_000 + second))


def codes(world: World, name: str = "files") -> list[str]:
    return sorted(world.silver(name)["code"])


def test_each_version_of_a_file_arrives_once_and_replaces_where_the_contract_says_so(local: World, there: Path) -> None:
    write(there, "2026/a.csv", "x", "y")
    write(there, "b.csv.gz", "no csv")
    write(there, "c.CSV", "no csv either")
    for _ in range(2):
        local.flow()
    assert codes(local) == codes(local, "newest") == ["x", "y"]
    (key,) = local.keys("bronze/lab/files/")
    assert key.endswith(".csv")
    write(there, "2026/a.csv", "z", second=2)
    write(there, "b.csv", "b")
    local.flow()
    assert codes(local) == ["b", "x", "y", "z"]
    assert codes(local, "newest") == ["b", "z"]
    write(there, "2026/a.csv", "x", "y", second=3)  # as it was at first
    local.flow()
    assert codes(local, "newest") == ["b", "x", "y"]


def test_a_file_that_is_overwritten_while_it_is_read_comes_as_what_it_is_then(
    local: World, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.sources.folders import Folder

    write(there, "a.csv", "x")
    fetch = Folder.fetch

    def overwritten(self: Folder, *args: Any) -> int:
        monkeypatch.setattr(Folder, "fetch", fetch)
        write(there, "a.csv", "y", second=2)
        return fetch(self, *args)

    monkeypatch.setattr(Folder, "fetch", overwritten)
    _, ring = work(consumer_named(INGEST), "test", "run")
    assert ring is None
    assert local.rows("SELECT kind, batch = '' FROM incident", "ledger") == [("superseded", False)]
    write(there, "a.csv", "x")  # the version that was gone is there again
    local.flow()
    assert codes(local) == ["x"]


def test_a_folder_that_is_missing_is_an_error_and_one_without_files_is_not(local: World, there: Path) -> None:
    done, ring = work(consumer_named(INGEST), "test", "run")
    assert (ring, done.why) == (None, f"no file in file://{there} that matches '*.csv' is new")
    there.rmdir()
    with pytest.raises(ConfigError, match="There is no folder"):
        local.do(INGEST)


def test_a_folder_of_another_object_store_arrives(stack: Mapping[str, str], tmp_path: Path) -> None:
    login = {"login": stack["AWS_ACCESS_KEY_ID"], "password": stack["AWS_SECRET_ACCESS_KEY"]}
    extra = {"endpoint_url": stack["AWS_ENDPOINT_URL"], "region_name": "us-east-1"}
    connection = {"conn_type": "aws", **login, "extra": extra}
    words = {"columns": COLUMNS, "source": source("s3://elsewhere/in")}
    with fetching(stack, tmp_path, {"files": words}, there=connection) as world:
        with pytest.raises(ConfigError, match="by Airflow Connection 'there': FileNotFoundError"):
            world.do(INGEST)
        client().create_bucket(Bucket="elsewhere")
        client().put_object(Bucket="elsewhere", Key="in/x/a.csv", Body=b"id,code\n1,x\n")
        client().put_object(Bucket="elsewhere", Key="out/a.csv", Body=b"id,code\n1,no\n")
        world.flow()
        assert codes(world) == ["x"]
        client().put_object(Bucket="elsewhere", Key="in/x/a.csv", Body=b"id,code\n1,y\n")
        world.flow()
        assert codes(world) == ["x", "y"]
