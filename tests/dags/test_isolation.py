"""A contract or model with a fault is seen in Airflow, and holds up no neighbour."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from common.core.caches import forget
from devstack.folder import INCLUDE

DAGS = Path(__file__).parents[2] / "airflow" / "dags"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the domains, of which the shop may be spoiled."""
    shutil.copytree(INCLUDE / "domains", tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("samples"))
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(tmp_path))
    yield tmp_path / "ecommerce"
    forget()


def spoil(file: Path, old: str, new: str) -> int:
    """Write another word into a file; return its line."""
    text = file.read_text()
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def parsed() -> DagBag:
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own
        return DagBag(str(DAGS))


def written(bag: DagBag) -> dict[str, set[str]]:
    """Return the assets that each DAG rings."""
    return {dag_id: {o.name for task in dag.tasks for o in task.outlets} for dag_id, dag in bag.dags.items()}


def test_others_keep_their_dags_and_the_faults_are_an_import_error(shop: Path) -> None:
    before = written(parsed())
    contract = spoil(shop / "contracts" / "events.yaml", "required: true", "requierd: true")
    model = spoil(shop / "gold" / "fact_transactions.sql", "key:", "kee:")
    bag = parsed()
    after = written(bag)
    ((file, error),) = bag.import_errors.items()
    assert file.endswith("contracts.py")
    assert f"events.yaml: is not an ODCS v3 contract: line {contract}: " in error
    assert "no word 'requierd' here. Is 'required' meant?" in error
    assert f"line {model}: /kee: no word 'kee' here. Is 'key' meant?" in error
    assert before.keys() - after.keys() == {"ecommerce_events_to_silver"}
    gone = {name for dag_id in after for name in before[dag_id] - after[dag_id]}
    waiting = {"fact_events", "daily_active_users", "dim_date"}  # they read events
    loads = {name for name in gone if "@" in name}
    assert gone - loads == {f"ecommerce.{name}.gold" for name in ("fact_transactions", *waiting)} | {
        "ecommerce.events.bronze"
    }
    assert {name.partition("@")[0] for name in loads} <= {
        f"ecommerce.{name}" for name in ("fact_transactions", *waiting)
    }
    for name in waiting:
        assert f"{name}.sql: waits for ecommerce.events, whose contract has a fault." in error


def test_a_domain_without_one_sound_file_still_has_its_landing_and_its_master(shop: Path) -> None:
    for folder in ("contracts", "gold"):
        for file in (shop / folder).iterdir():
            file.write_text("a: [")
    bag = parsed()
    assert {"ecommerce_raw_to_bronze", "ecommerce_master"} <= bag.dags.keys()
    assert written(bag)["ecommerce_raw_to_bronze"] == {"ecommerce.unrouted.quarantine"}
    ((_, error),) = bag.import_errors.items()
    for file in (*(shop / "contracts").iterdir(), *(shop / "gold").iterdir()):
        assert str(file) in error
