"""What Airflow reads of releases: whole versions, the last good one whatever happens, and those that runs began with."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.bundles import base
from airflow.dag_processing.bundles.base import BundleUsageTrackingManager, BundleVersionLock

from dag_publisher.bundle import ReleaseDagBundle, releases_of, version_of
from dag_publisher.errors import Missing, PublisherError, Refused
from dag_publisher.publish import publish, rollback
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from devstack.dag_processor import dag_processor, releases
from tests.publishing import WHO, bucket, package, released


@pytest.fixture
def store(stack: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, stack.get(name, "us-east-1"))
    machine(tmp_path / "machine", monkeypatch)
    with bucket(stack) as made:
        yield made


@pytest.fixture
def sales(store: Store) -> Shelf:
    return Shelf(store, "dev", "sales")


def machine(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Be a machine that has nothing yet."""
    patch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(folder))
    patch.setattr(base, "STALE_BUNDLE_TRACKING_FOLDER", folder / "_tracking")


MADE: list[ReleaseDagBundle] = []


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()


def bundle(store: Store, version: str | None = None, **more: Any) -> ReleaseDagBundle:
    """Set up the bundle as one of Airflow's processes does."""
    made = ReleaseDagBundle(name="releases", bucket=store.bucket, environment="dev", version=version, **more)
    MADE.append(made)
    made.initialize()
    return made


def texts(made: ReleaseDagBundle) -> dict[str, str]:
    """Return each file's description of its DAG."""
    files = sorted(made.path.rglob("*.py"))
    return {
        str(file.relative_to(made.path)): file.read_text().split('description="')[1].split('"')[0] for file in files
    }


def test_it_has_the_current_release_of_every_package_and_follows_each(shop: Shelf, sales: Shelf) -> None:
    released(shop, shop_a="one")
    made = bundle(shop.store)
    released(sales, sales_a="one")
    released(shop, shop_b="two")
    made.refresh()
    assert texts(made) == {"sales/sales_a.py": "one", "shop/shop_b.py": "two"}
    assert made.get_current_version().version == "sales.1+shop.2"
    assert made.get_current_version().data == {"packages": {"sales": 1, "shop": 2}}
    rollback(shop, None, WHO)
    made.refresh()
    assert texts(made) == {"sales/sales_a.py": "one", "shop/shop_a.py": "one"}


def test_a_version_is_a_folder_of_its_own_that_never_changes(shop: Shelf) -> None:
    released(shop, shop_a="one", shop_b="one")
    made = bundle(shop.store)
    before, seen = made.path, texts(made)
    released(shop, shop_a="two")
    made.refresh()
    assert made.path != before
    assert {file.name for file in before.rglob("*.py")} == {file.removeprefix("shop/") for file in seen}


def test_a_run_has_the_release_it_began_with_on_any_machine(
    shop: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(shop, shop_a="one")
    began = bundle(shop.store).get_current_version().version
    for text in ("two", "three"):
        released(shop, shop_a=text)
    machine(tmp_path / "another", monkeypatch)
    assert texts(bundle(shop.store)) == {"shop/shop_a.py": "three"}
    assert texts(bundle(shop.store, version=began)) == {"shop/shop_a.py": "one"}


def test_a_release_that_is_gone_is_not_replaced_by_another_one(shop: Shelf) -> None:
    released(shop, shop_a="one")
    with pytest.raises(Missing, match="A run that began with it cannot go on"):
        bundle(shop.store, version="shop.7")


def test_a_damaged_release_holds_up_its_own_package_only(shop: Shelf, sales: Shelf) -> None:
    released(shop, shop_a="one")
    released(sales, sales_a="one")
    made = bundle(shop.store)
    files = released(shop, shop_a="two").release.files
    released(sales, sales_a="two")
    shop.store.put(f"dev/shop/objects/{files['shop_a.py']}", b"import os")
    made.refresh()
    assert texts(made) == {"sales/sales_a.py": "two", "shop/shop_a.py": "one"}
    released(shop, shop_a="three")
    made.refresh()
    assert texts(made)["shop/shop_a.py"] == "three"


def test_a_lost_pointer_leaves_the_release_that_is_there(shop: Shelf) -> None:
    released(shop, shop_a="one")
    made = bundle(shop.store)
    shop.store.delete("dev/shop/current.json")
    made.refresh()
    assert texts(made) == {"shop/shop_a.py": "one"}


def test_a_store_that_is_away_leaves_the_last_good_release_also_after_a_restart(
    shop: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(shop, shop_a="one")
    made = bundle(shop.store)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    vars(made).pop("store")
    made.refresh()
    assert texts(made) == texts(bundle(shop.store)) == {"shop/shop_a.py": "one"}
    machine(tmp_path / "another", monkeypatch)
    with pytest.raises(PublisherError):
        bundle(shop.store)


def test_a_release_for_another_airflow_is_not_taken(shop: Shelf) -> None:
    released(shop, shop_a="one")
    made = bundle(shop.store)
    newer = package(shop_a="two")
    publish(shop, type(newer)(newer.contents, newer.dags, ">=4"), WHO)
    made.refresh()
    assert texts(made) == {"shop/shop_a.py": "one"}


def test_files_of_a_changed_package_look_new_and_those_of_others_do_not(shop: Shelf, sales: Shelf) -> None:
    released(shop, shop_a="one")
    released(sales, sales_a="one")
    made = bundle(shop.store)
    made.refresh()

    def times() -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in made.path.rglob("*.py")}

    before = times()
    released(shop, shop_a="two")
    made.refresh()
    first = times()
    assert (first["sales_a.py"], first["shop_a.py"] > before["shop_a.py"]) == (before["sales_a.py"], True)
    made.refresh()
    assert times()["shop_a.py"] > first["shop_a.py"], "what was being read while the release came is read once more"
    again = times()
    made.refresh()
    assert times() == again


def test_airflow_collects_versions_that_nobody_holds_and_a_run_gets_its_own_again(
    shop: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AGE_THRESHOLD", "MIN_VERSIONS"):
        monkeypatch.setenv(f"AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_{name}", "0")
    released(shop, shop_a="one")
    made = bundle(shop.store)
    for text in ("two", "three"):
        released(shop, shop_a=text)
        made.refresh()
    with BundleVersionLock("releases", "shop.1"):  # a task of that version runs
        BundleUsageTrackingManager()._remove_stale_bundle_versions_for_bundle("releases")
        assert {path.name for path in made.versions_dir.iterdir()} == {"shop.1", "shop.3"}
    BundleUsageTrackingManager()._remove_stale_bundle_versions_for_bundle("releases")
    assert {path.name for path in made.versions_dir.iterdir()} == {"shop.3"}
    assert texts(bundle(shop.store, version="shop.2")) == {"shop/shop_a.py": "two"}


def test_a_bundle_may_have_some_of_the_packages_only(shop: Shelf, sales: Shelf) -> None:
    released(shop, shop_a="one")
    released(sales, sales_a="one")
    assert texts(bundle(shop.store, packages=["sales"])) == {"sales/sales_a.py": "one"}


def test_an_environment_without_packages_is_no_error(store: Store) -> None:
    made = bundle(store)
    assert texts(made) == {}
    assert releases_of(made.get_current_version().version) == {}
    released(Shelf(store, "dev", "shop"), shop_a="one")
    made.refresh()
    assert texts(made) == {"shop/shop_a.py": "one"}


def test_more_packages_than_a_version_can_name_are_an_error_that_says_what_to_do() -> None:
    many = {f"package_{number}": number for number in range(1, 40)}
    assert releases_of(version_of(dict(list(many.items())[:10]))) == dict(list(many.items())[:10])
    with pytest.raises(Refused, match="Configure several bundles"):
        version_of(many)


WORKER = """
import sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag
for version in sys.argv[1:]:
    bundle = DagBundlesManager().get_bundle("releases", version=version)
    bundle.initialize()
    bag = BundleDagBag(bundle.path / "shop/shop_a.py", bundle_path=bundle.path, bundle_name="releases")
    print("found", bag.dags["shop_a"].description)
"""


def test_airflows_dag_processor_and_workers_see_releases(
    shop: Shelf, sales: Shelf, stack: Mapping[str, str], tmp_path: Path
) -> None:
    released(shop, shop_a="one", shop_gone="one")
    (tmp_path / "airflow").mkdir()
    with dag_processor(tmp_path / "airflow", releases(shop.store.bucket), stack) as airflow:
        airflow.until(lambda dags: dags.keys() == {"shop_a", "shop_gone"})
        trigger = [sys.executable, "-W", "ignore", "-m", "airflow", "dags", "trigger", "shop_a", "--run-id", "began"]
        subprocess.run(trigger, env=airflow.env, check=True, capture_output=True)
        bad = package(sales_a="one")
        contents = {**bad.contents, "sales_bad.py": b"raise RuntimeError('not validated')  # airflow dag\n"}
        publish(sales, type(bad)(contents, bad.dags, bad.airflow), WHO)
        released(shop, shop_a="two", shop_new="one")
        airflow.until(lambda dags: dags.keys() == {"sales_a", "shop_a", "shop_new"} and dags["shop_a"][0] == "two")
        assert airflow.dags()["shop_a"] == ("two", "sales.1+shop.2")
        assert airflow.rows("SELECT bundle_version FROM dag_run") == [("shop.1",)]
        assert airflow.rows("SELECT filename FROM import_error") == [("sales/sales_bad.py",)]
        rollback(shop, None, WHO)
        airflow.until(lambda dags: dags.keys() == {"sales_a", "shop_a", "shop_gone"} and dags["shop_a"][0] == "one")
    shutil.rmtree(tmp_path / "airflow" / "bundles")  # a worker elsewhere
    worker = [sys.executable, "-W", "ignore", "-c", WORKER, "shop.1", "sales.1+shop.2"]
    done = subprocess.run(worker, env=airflow.env, check=True, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("found")] == ["found one", "found two"]
