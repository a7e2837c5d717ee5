"""The shop's numbers are those of a plain count, also of other purchases than the sample's."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from common.core.errors import WatershedError
from devstack.summary import answers, summarise
from domains.ecommerce.samples.shop import PURCHASES, drops
from tests.recount import perturb, recount
from tests.seed import SEED
from tests.world import new_world, shop_without


def test_perturbed_purchases_give_the_answers_of_a_plain_count(stack: Mapping[str, str], tmp_path: Path) -> None:
    variant = tmp_path / "purchases.txt"
    perturb(PURCHASES, variant, SEED)
    with new_world(stack, tmp_path / "world", "ecommerce", shop_without()) as world:
        with pytest.raises(WatershedError, match="Nothing of ecommerce has reached the end of its way"):
            summarise("ecommerce", 0.0, {})
        for file in drops(variant):
            world.land(file.key, file.content)
        world.flow()
        assert answers() == recount(variant), f"SEED={SEED}"
