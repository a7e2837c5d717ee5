"""A contract that changes: new columns come by `watershed apply`, other types never by stealth."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from common.core.errors import ContractError, NotApplied
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
        with pytest.raises(ContractError, match=r"other types of \['tier'\]"):
            apply()
