"""A contract or model with a fault holds up no neighbour: the others are applied, swept and verified."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ContractError, ModelError
from common.core.nouns import Dataset
from common.models.model import model_of
from common.upkeep.rebuild import rebuild
from common.upkeep.verify import verify
from tests.world import World, forget, new_world, small_shop

HEAD = b"customer_id,date,number_of_cds,dollar_value\n"


@pytest.fixture
def shop(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """The shop, applied, in a copy of its own."""
    domains = tmp_path / "domains"
    shutil.copytree(small_shop(), domains)
    with new_world(stack, tmp_path, "ecommerce", domains) as made:
        yield made


def spoil(world: World, file: str, old: str, new: str) -> None:
    path = Path(world.env["WATERSHED_DOMAINS_DIR"]) / "ecommerce" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    forget()


def test_neighbours_of_a_faulty_contract_go_on_and_its_files_wait_for_it(shop: World) -> None:
    spoil(shop, "contracts/transactions.yaml", "required: true", "requierd: true")
    shop.land("transactions/1.csv", HEAD + b"00001,19970101,1,1.00\n")
    shop.land("users/1.csv", b"x\n")
    shop.land("nowhere/1.csv", b"x\n")
    listed = CliRunner().invoke(app, ["contract", "ls"])
    assert (listed.exit_code, "ecommerce.users" in listed.stdout, "requierd" in listed.stderr) == (1, True, True)
    done = shop.flow()
    swept = CliRunner().invoke(app, ["sweep"])
    assert (swept.exit_code, "nothing to do" in swept.stdout, "requierd" in swept.stderr) == (2, True, True)
    assert "ecommerce.users.bronze" in done
    waiting = ["raw/ecommerce/nowhere/1.csv", "raw/ecommerce/transactions/1.csv"]  # the faulty one may claim both
    assert shop.keys("raw/") == waiting
    assert {name for name, _ in verify()} >= {"transactions", "fact_transactions"}
    with pytest.raises(ContractError, match="requierd"):
        rebuild("tester", from_nothing=True)
    spoil(shop, "contracts/transactions.yaml", "requierd: true", "required: true")
    assert "ecommerce.unrouted.quarantine" in shop.flow()
    assert shop.silver("transactions").height == 1
    assert shop.keys("raw/") == []


def test_apply_makes_the_rest_and_tells_every_fault_at_its_end(shop: World) -> None:
    spoil(shop, "gold/fact_transactions.sql", "slice:", "slcie:")
    spoil(shop, "gold/dim_users.sql", "ecommerce.users:", "ecommerce.user:")
    result = CliRunner().invoke(app, ["apply"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith("Applied: 4 landing, 3 silver, 2 model")
    assert "dim_users.sql: line" in lines[1]
    assert "no dataset 'ecommerce.user'. Is 'ecommerce.users' meant?" in lines[1]
    assert "fact_transactions.sql: line" in lines[2]
    assert json.loads(CliRunner().invoke(app, ["apply", "--json"]).output)["faults"] == lines[1:]
    with pytest.raises(ModelError, match="slcie"):
        model_of(Dataset("ecommerce", "fact_transactions"))
    shop.land("transactions/1.csv", HEAD + b"00001,19970101,1,1.00\n")
    assert "ecommerce.daily_revenue.gold" in shop.flow()
