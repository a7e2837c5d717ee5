"""The sidecar: a folder is at the current releases, each package as a whole, and what fails leaves what is there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from dag_publisher.sync import look
from tests.publishing import package, released


def files(folder: Path) -> dict[str, bytes]:
    """Return the files as Airflow finds them: links are followed, hidden folders are not."""
    walked = os.walk(folder, followlinks=True)
    found = [Path(root, name) for root, _, names in walked for name in names if ".releases" not in root]
    return {str(file.relative_to(folder)): file.read_bytes() for file in found if file.suffix == ".py"}


def below(name: str, **texts: str) -> dict[str, bytes]:
    return {f"{name}/{file}": content for file, content in package(**texts).contents.items()}


def test_each_change_is_told_and_what_left_is_removed(shop: Shelf, tmp_path: Path) -> None:
    said: list[str] = []
    sales = Shelf(shop.store, "dev", "sales")
    released(shop, shop_a="one", shop_b="one")
    released(sales, sales_a="one")
    assert look(shop.store, "dev", tmp_path, said.append)
    released(shop, shop_b="two")
    for one in [*sales.listed("")]:
        shop.store.delete(one.key)
    assert look(shop.store, "dev", tmp_path, said.append)
    assert files(tmp_path) == below("shop", shop_b="two")
    assert said == [
        "sales: release none -> 1",
        "shop: release none -> 1",
        "shop: release 1 -> 2",
        "sales: release 1 -> none, the package has left",
    ]
    assert look(shop.store, "dev", tmp_path, said.append)
    assert len(said) == 4


@pytest.mark.filterwarnings("ignore")  # Airflow's own, of .airflowignore
def test_airflow_finds_each_dag_once(shop: Shelf, tmp_path: Path) -> None:
    released(shop, shop_a="one")
    look(shop.store, "dev", tmp_path, lambda _: None)
    found = DagBag(tmp_path, bundle_path=tmp_path)
    assert {dag.relative_fileloc for dag in found.dags.values()} == {"shop/shop_a.py"}


def test_a_damaged_release_a_lost_pointer_and_a_store_that_is_away_leave_what_is_there(
    shop: Shelf, tmp_path: Path
) -> None:
    said: list[str] = []
    released(shop, shop_a="one")
    look(shop.store, "dev", tmp_path, said.append)
    stored = released(shop, shop_a="two").release.files
    shop.store.put(f"dev/shop/objects/{stored['shop_a.py']}", b"import os")
    assert not look(shop.store, "dev", tmp_path, said.append)
    shop.store.delete("dev/shop/current.json")
    assert not look(shop.store, "dev", tmp_path, said.append)
    assert not look(Store("no-such-bucket-at-all", shop.store._client), "dev", tmp_path, said.append)
    assert files(tmp_path) == below("shop", shop_a="one")
    assert "shop: stays at release 1" in said[1]
    assert "its hash is" in said[1]
    assert "pointer is lost" in said[2]
    assert "those that are here stay" in said[3]


def test_what_somebody_else_put_there_is_not_overwritten(shop: Shelf, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.py").write_text("mine")
    released(shop, shop_a="one")
    said: list[str] = []
    assert not look(shop.store, "dev", tmp_path, said.append)
    assert files(tmp_path) == {"shop/mine.py": b"mine"}
    assert "is not a link of `sync`" in said[0]


def until(done: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_as_a_sidecar_it_reads_its_settings_from_the_environment_and_survives_being_killed(
    shop: Shelf, stack: Mapping[str, str], tmp_path: Path
) -> None:
    env = {**os.environ, **stack, "DAG_BUCKET": shop.store.bucket, "ENVIRONMENT": "dev", "DAG_SYNC_INTERVAL": "0.2"}
    command = [sys.executable, "-m", "dag_publisher.cli.main", "sync", str(tmp_path)]
    released(shop, shop_a="one")
    for ending, text in ((signal.SIGKILL, "two"), (signal.SIGTERM, "three")):
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, cwd="airflow/include") as process:
            until(lambda: bool(files(tmp_path)))
            released(shop, shop_a=text)
            until(lambda: files(tmp_path) == below("shop", shop_a=text))  # noqa: B023 - asked at once
            process.send_signal(ending)
            assert process.wait(30) == (-ending if ending == signal.SIGKILL else 0)
