"""A short way to judge values by one column of a contract."""

from typing import Any

import polars as pl

from common.core.shape import Format, Shape
from common.quality.checks import contract_checks
from common.quality.split import Split, apply
from common.refine.clean import clean
from tests.unit.common.contract_text import contract


def judge(column: dict[str, Any], values: pl.Series, form: Format = "csv") -> Split:
    """Split values by a column, as they come from a file of a format."""
    made = contract(column)
    frame = values.alias(column["name"]).to_frame().with_row_index("_record", offset=1)
    shape = Shape(form, "none", "utf-8", None, None, header=True, columns=(column["name"],))
    return apply(clean(frame, made, shape), contract_checks(made))


def answers(column: dict[str, Any], *texts: str | None, form: Format = "csv") -> list[Any]:
    """Return of each text what it becomes, or the rule in brackets that refuses it."""
    split = judge(column, pl.Series(list(texts), dtype=pl.String), form)
    return in_order(column["name"], split)


def in_order(name: str, split: Split) -> list[Any]:
    """Return good values and refusals in the order of the records."""
    good = zip(split.good["_record"], split.good[name], strict=True)
    refused = zip(split.refused["_record"], split.refused["rule"], strict=True)
    return [
        value for _, value in sorted([*good, *((record, [rule]) for record, rule in refused)], key=lambda pair: pair[0])
    ]
