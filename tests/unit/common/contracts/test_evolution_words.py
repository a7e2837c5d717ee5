"""What a load says about a table that is not as asked for is known, kept, and exact; anything else is a fault."""

import pytest

from common.contracts.contract import Evolution
from common.core.errors import ContractError
from tests.unit.common.contracts.test_scd2_rules import ENDS, contract


@pytest.mark.parametrize("word", list(Evolution))
def test_the_policy_of_a_load_is_kept(word: str) -> None:
    (load,) = contract(f"strategy: incremental, evolution: {word}").loads
    assert load.evolution == word
    assert contract("strategy: incremental").loads[0].evolution == "evolve"


@pytest.mark.parametrize(
    ("load", "found"),
    [
        ("strategy: full, evolution: frozen", r"no evolution 'frozen'\. Known: evolve, freeze, quarantine\."),
        ("strategy: full, evolution: quarantine", r"'full' replaces all rows .* Say 'freeze' or 'evolve'"),
        (f"{ENDS}, evolution: quarantine", r"'scd2' makes intervals of all versions of a key"),
        ("strategy: full, evolution: [freeze]", r"evolution: found \['freeze'\]; expected a text"),
        ("strategy: full, evolve: freeze", r"no word 'evolve' here\. "),
    ],
)
def test_a_policy_that_is_unknown_or_would_lose_rows_is_a_fault(load: str, found: str) -> None:
    with pytest.raises(ContractError, match=found):
        contract(load)
