"""No contract that lints makes the engine raise on any value: every record is good or refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contracts.read import parse_contract
from common.core.errors import ContractError
from common.core.shape import Shape
from common.lake.schema import silver_schema
from common.quality.checks import contract_checks
from common.quality.split import apply
from common.refine.clean import clean
from tests.unit.common.refine.made_up import SERIES, columns


@given(columns(), SERIES, st.sampled_from(["csv", "ndjson", "parquet"]))
@settings(max_examples=250, deadline=None)
def test_every_record_is_good_or_refused(column: dict[str, Any], values: pl.Series, form: Any) -> None:
    document = {
        "apiVersion": "v3.0.2", "kind": "DataContract", "id": "u", "name": "o", "version": "1.0.0", "domain": "shop",
        "schema": [{"name": "o", "properties": [column]}],
    }  # fmt: skip
    try:
        made = parse_contract(json.dumps(document))
        checks = contract_checks(made)
    except ContractError:
        return
    frame = values.alias("x").to_frame().with_row_index("_record", offset=1)
    split = apply(clean(frame, made, Shape(form, "none", "utf-8", None, None, header=True, columns=("x",))), checks)
    assert sorted([*split.good["_record"], *split.refused["_record"]]) == list(range(1, values.len() + 1))
    assert split.good.schema["x"] == silver_schema(made)["x"]
    assert split.refused.select("rule", "column", "value").height == split.refused.height
    in_python = split.good["x"].to_list()  # no value that the engines behind could not hold
    assert all(not isinstance(value, datetime) or value >= datetime(1, 1, 1, tzinfo=UTC) for value in in_python)
    assert all(not isinstance(value, Decimal) or value.is_finite() for value in in_python)
