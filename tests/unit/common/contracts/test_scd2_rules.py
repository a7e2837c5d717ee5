"""A load by scd2 says what it needs, and nothing that it would not keep."""

import pytest

from common.contracts.contract import Contract, LoadSpec
from common.contracts.read import parse_contract
from common.core.errors import ContractError
from tests.unit.common.contracts.test_read import HEAD

COLUMNS = """
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: at, logicalType: timestamp, required: true}
      - {name: seq, logicalType: integer, required: true}
      - {name: plan, logicalType: string}
      - {name: valid_to, logicalType: date}
customProperties:
"""
PARTITION = "  - {property: partition, value: {column: plan, by: value}}\n"


def contract(load: str, *, latest: str = "[at, seq]", history: str = "true") -> Contract:
    properties = {"latest": latest, "history": history, "load": f"[{{to: warehouse, {load}}}]"}
    words = "".join(f"  - {{property: {word}, value: {value}}}\n" for word, value in properties.items())
    return parse_contract(HEAD.rstrip("\n") + COLUMNS + PARTITION + words)


def test_what_a_load_by_scd2_says_is_kept() -> None:
    own = "strategy: scd2, track: [plan], validFrom: start_date, validTo: end_date, isCurrent: active"
    load = LoadSpec(
        "warehouse", "scd2", track=("plan",), valid_from="start_date", valid_to="end_date", is_current="active"
    )
    assert contract(own).loads == (load,)
    assert load.interval == ("start_date", "end_date", "active")
    (plain,) = contract("strategy: scd2, validTo: ends").loads
    assert (plain.track, plain.interval) == (None, ("valid_from", "ends", "is_current"))


ENDS = "strategy: scd2, validTo: ends"


@pytest.mark.parametrize(
    ("load", "latest", "history", "found"),
    [
        (ENDS, "at", "false", r"/load/0/strategy: .*keeps the newest alone: say {property: history, value: true}"),
        (ENDS, "[seq, at]", "true", r"/load/0/strategy: .*first column of `latest`, 'seq', is integer\. Put a date"),
        (f"{ENDS}, history: true", "at", "true", r"/load/0/history: .*leave it out"),
        (f"{ENDS}, track: [plan, paln]", "at", "true", r"/load/0/track: no column 'paln'\. Known: seq, plan, valid_to"),
        (f"{ENDS}, track: [plan, plan]", "at", "true", r"/load/0/track: names 'plan' twice"),
        (f"{ENDS}, track: [id]", "at", "true", r"/load/0/track: 'id' is of the key"),
        (f"{ENDS}, track: [at]", "at", "true", r"/load/0/track: 'at' tells versions apart"),
        (f"{ENDS}, track: []", "at", "true", r"/load/0/track: is empty"),
        (f"{ENDS}, track: plan", "at", "true", r"/load/0/track: found 'plan'; expected a list"),
        ("strategy: scd2", "at", "true", r"/load/0/validTo: the table has a column 'valid_to' already"),
        (f"{ENDS}, isCurrent: plan_part", "at", "true", r"/load/0/isCurrent: the table has a column 'plan_part'"),
        (f"{ENDS}, isCurrent: _file", "at", "true", r"/load/0/isCurrent: the table has a column '_file' already"),
        (f"{ENDS}, validFrom: Start", "at", "true", r"/load/0/validFrom: 'Start' is no name; use lower case"),
        (f"{ENDS}, validFrom: ends", "at", "true", r"'ends' would be the name of two columns: validFrom, validTo"),
        (f"{ENDS}, vaildFrom: begins", "at", "true", r"no word 'vaildFrom' here\. Is 'validFrom' meant"),
        ("strategy: full, track: [plan]", "at", "true", r"/load/0/track: means something for strategy 'scd2' alone"),
        ("strategy: full, validTo: a", "at", "true", r"/load/0/validTo: .*'scd2' alone; this load is 'full'"),
    ],
)
def test_what_would_not_be_kept_is_a_fault(load: str, latest: str, history: str, found: str) -> None:
    with pytest.raises(ContractError, match=found):
        contract(load, latest=latest, history=history)


@pytest.mark.parametrize("latest", ["arrival", "[at, arrival]", "valid_to"])
def test_a_version_is_a_time_or_the_delivery(latest: str) -> None:
    assert contract(ENDS, latest=latest).loads[0].strategy == "scd2"
