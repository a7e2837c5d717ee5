"""Rules for whole batches: which batch is held back, and what the person who decides is told."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from common.contracts.contract import BatchRules
from common.core.errors import QualityError
from common.quality.batch import BatchFacts, require

LANDED = datetime(2026, 3, 10, 12, tzinfo=UTC)


def facts(**found: Any) -> BatchFacts:
    return BatchFacts(**{"batch": "b1", "name": "a.csv", "records": 100, "refused": 0, "landed": LANDED, **found})


@pytest.mark.parametrize(
    ("rules", "found", "told"),
    [
        (BatchRules(max_refused_share=0.4), {"records": 4, "refused": 2}, r"2 of 4 records \(50\.0%\) were refused; at most 40\.0%"),
        (BatchRules(rows=(200, None)), {}, r"has 100 records; allowed are 200 to any"),
        (BatchRules(rows=(None, 99)), {}, r"has 100 records; allowed are any to 99"),
        (BatchRules(of_median=(0.5, 2)), {"records": 10}, r"has 10 records where the median of recent batches is 100; allowed is 0\.5 to 2"),
        (BatchRules(max_age_hours=24, age_column="at"), {"newest": date(2026, 3, 8)}, r"newest at is 36\.0 hours older than its landing; at most 24"),
        (BatchRules(max_age_hours=1, age_column="at"), {"newest": datetime(2026, 3, 10, 10, tzinfo=UTC)}, r"is 2\.0 hours older"),
        (BatchRules(known_columns=True), {"unknown_columns": ("x",)}, r"drifted from the contract: new x, missing none"),
        (BatchRules(known_columns=True), {"missing_columns": ("y",)}, r"new none, missing y"),
    ],
)  # fmt: skip
def test_a_batch_that_breaks_a_rule_is_named_with_what_is_allowed(
    rules: BatchRules, found: dict[str, Any], told: str
) -> None:
    good = facts(
        batch="b0",
        name="good.csv",
        newest=LANDED,
        **({"records": rules.rows[0] or 50} if rules.rows[1] or rules.rows[0] else {}),
    )
    with pytest.raises(QualityError, match=told) as caught:
        require([good, facts(**found)], rules, recent=[90, 100, 110])
    assert caught.value.batches == ("b1",)
    assert "watershed parked" in str(caught.value)


@pytest.mark.parametrize(
    "rules",
    [
        BatchRules(),
        BatchRules(max_refused_share=0.5, rows=(1, 100), of_median=(0.5, 2), known_columns=True),
        BatchRules(max_age_hours=12, age_column="at"),
    ],
)
def test_a_batch_within_every_limit_passes(rules: BatchRules) -> None:
    require([facts(refused=50, newest=date(2026, 3, 10))], rules, recent=[100])
    require([facts(records=0)], BatchRules(max_refused_share=0.0))
