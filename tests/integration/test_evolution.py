"""A contract that changes: new columns come by `watershed apply`, other types never by stealth."""

import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from common.core.assets import Zone
from common.core.errors import ConfigError, ContractError, NotApplied
from common.core.nouns import Dataset
from common.lake.table import LakeTable, changes
from common.upkeep.apply import apply
from tests.world import forget, new_world, small_shop

HEAD = "customer_id,name,email,country,signed_up_on,updated_at"
ROW = "{},A,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z"


def test_a_new_column_arrives_after_apply_and_another_type_is_refused(stack: Mapping[str, str], tmp_path: Path) -> None:
    domains = tmp_path / "domains"
    shutil.copytree(small_shop(), domains)
    contract = domains / "ecommerce" / "contracts" / "users.yaml"
    with new_world(stack, tmp_path, "ecommerce", domains) as world:
        world.land("users/1.csv", f"{HEAD}\n{ROW.format('00001')}\n".encode())
        world.flow()
        text = contract.read_text()
        wider = text.replace(
            "customProperties:\n  - {property: owner", "      - {name: tier, logicalType: string}\nX", 1
        )
        contract.write_text(wider.replace("\nX", "\ncustomProperties:\n  - {property: owner"))
        forget()
        world.land("users/2.csv", f"{HEAD},tier\n{ROW.format('00002')},gold\n".encode())
        with pytest.raises(NotApplied, match=r"has no column tier yet\. Run `watershed apply`"):
            world.flow()
        apply()
        world.flow()
        assert sorted(world.silver("users").select("customer_id", "tier").rows()) == [
            ("00001", None),
            ("00002", "gold"),
        ]
        assert world.rows("SELECT count(*) FROM ecommerce.dim_users") == [(2,)]
        contract.write_text(contract.read_text().replace("tier, logicalType: string", "tier, logicalType: integer"))
        forget()
        with pytest.raises(ConfigError, match=r"made otherwise: tier is string, asked for is integer") as told:
            apply()
        assert "ecommerce.users_history in connection 'warehouse' was made otherwise: tier is VARCHAR" in str(
            told.value
        )


def test_a_wider_type_keeps_every_row_and_is_no_change_to_any_reader(stack: Mapping[str, str], tmp_path: Path) -> None:
    domains = tmp_path / "domains"
    shutil.copytree(small_shop(), domains)
    shutil.rmtree(domains / "ecommerce" / "gold")
    contract = domains / "ecommerce" / "contracts" / "transactions.yaml"
    head = "customer_id,date,number_of_cds,dollar_value\n"
    with new_world(stack, tmp_path, "ecommerce", domains) as world:
        world.land("transactions/1997-01/1.csv", f"{head}00001,19970101,1,29.33\n00002,19970202,2,0.10\n".encode())
        world.flow()
        table = LakeTable(Zone.SILVER, Dataset("ecommerce", "transactions"), "ecommerce.transactions.silver")
        before = table.load().version()
        text = (
            contract.read_text()
            .replace("decimal(12,2)", "decimal(20,4)")
            .replace("maximum: 100000}", "maximum: 1.0e+9}")
        )
        contract.write_text(
            text.replace("logicalType: integer\n", "logicalType: integer\n        physicalType: decimal(38,0)\n")
        )
        forget()
        apply()
        assert table.load().version() == before + 1
        assert changes(table.uri, before, before + 1, ["customer_id"]).is_empty()
        apply()
        assert table.load().version() == before + 1
        world.land("transactions/1997-03/2.csv", f"{head}00003,19970303,3,123456789.1234\n".encode())
        world.flow()
        assert sorted(world.silver("transactions").select("cds", "amount").rows()) == [
            (Decimal(1), Decimal("29.3300")),
            (Decimal(2), Decimal("0.1000")),
            (Decimal(3), Decimal("123456789.1234")),
        ]
        assert sorted(changes(table.uri, 0, table.load().version(), ["customer_id"])["customer_id"]) == [
            "00001",
            "00002",
            "00003",
        ]
        contract.write_text(contract.read_text().replace("decimal(20,4)", "decimal(18,4)"))
        forget()
        with pytest.raises(ContractError, match=r"amount is decimal\(20,4\), asked for is decimal\(18,4\)"):
            apply()
