"""Several loads of one dataset: two tables of one warehouse, and none that two datasets would share."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError
from common.upkeep.apply import apply, apply_all
from common.upkeep.verify import verify
from tests.mill import CONTRACT
from tests.world import World, forget, new_world

INTO = {"to": "warehouse", "strategy": "incremental"}


def write(folder: Path, name: str, *loads: dict[str, str]) -> None:
    properties = [p for p in CONTRACT["customProperties"] if p["property"] != "load"]
    table = CONTRACT["schema"][0] | {"name": name}
    properties.append({"property": "load", "value": list(loads)})
    text = yaml.safe_dump(CONTRACT | {"name": name, "schema": [table], "customProperties": properties})
    (folder / f"{name}.yaml").write_text(text)


@pytest.fixture
def mill(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    contracts = tmp_path / "domains" / "mill" / "contracts"
    contracts.mkdir(parents=True)
    write(contracts, "sacks", INTO, INTO | {"strategy": "full", "table": "mill.all_sacks"})
    with new_world(stack, tmp_path, "mill", tmp_path / "domains") as made:
        yield made


def test_two_loads_of_a_dataset_into_one_warehouse_fill_two_tables(mill: World) -> None:
    for delivery in (1, 2):
        lines = "".join(f"{delivery},{sack},2024-01-0{delivery},1.25\n" for sack in range(3))
        mill.land(f"sacks/{delivery}.csv", f"delivery,sack,ground_on,weight\n{lines}".encode())
        done = mill.flow()
        assert {name for name in done if "@" in name} == {"mill.sacks@warehouse", "mill.all_sacks@warehouse"}
    for table in ("mill.sacks", "mill.all_sacks"):
        assert mill.rows(f"SELECT count(*), sum(weight)::float FROM {table}") == [(6, 7.5)]
    assert list(verify()) == []


def test_one_table_for_two_datasets_is_refused_by_lint_and_apply(mill: World, tmp_path: Path) -> None:
    write(tmp_path / "domains" / "mill" / "contracts", "bags", INTO | {"table": "mill.ALL_sacks"})
    forget()
    clash = r"both write mill.ALL_sacks@warehouse|both write mill.all_sacks@warehouse"
    with pytest.raises(ConfigError, match=clash):
        apply()
    assert {c.name for c in apply_all().done if "bags" in c.name or "all_sacks" in c.name} == {
        "mill.bags.bronze",
        "mill.bags.silver",
    }
    said = CliRunner().invoke(app, ["contract", "lint"])
    assert said.exit_code == 1
    assert "a table has one consumer" in said.output
    write(tmp_path / "domains" / "mill" / "contracts", "bags", INTO, INTO)
    forget()
    said = CliRunner().invoke(app, ["contract", "lint"])
    assert said.exit_code == 1
    assert "two loads write one table of 'warehouse'" in said.output
