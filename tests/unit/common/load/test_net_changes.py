"""A change feed is reduced to what a warehouse must do, and strategies write plain SQL."""

import polars as pl
import pytest

from common.core.errors import ConfigError
from common.load.plan import LoadPlan
from common.load.strategies import strategy
from common.pipelines.loading import net_changes


def feed(*events: tuple[str, str | None, str, int]) -> pl.DataFrame:
    return pl.DataFrame(events, schema=["k", "v", "_change_type", "_commit_version"], orient="row")


@pytest.mark.parametrize(
    ("events", "net"),
    [
        ([("a", "1", "insert", 1)], [("a", "1", False)]),
        (
            [("a", "1", "insert", 1), ("a", "1", "update_preimage", 2), ("a", "2", "update_postimage", 2)],
            [("a", "2", False)],
        ),
        ([("a", "1", "delete", 2)], [("a", "1", True)]),
        ([("a", "1", "insert", 1), ("a", "1", "delete", 2)], []),
        ([("a", "1", "insert", 2), ("a", "1", "delete", 2)], []),
        ([("a", "2", "insert", 2), ("a", "1", "delete", 2)], [("a", "2", False)]),
        ([("a", None, "delete", 2), ("a", None, "insert", 2)], []),
        ([("a", "1", "delete", 1), ("a", "2", "insert", 1), ("a", "2", "delete", 2), ("a", "1", "insert", 2)], []),
    ],
)
def test_only_the_net_change_remains(events: list[tuple[str, str, str, int]], net: list[tuple[str, str, bool]]) -> None:
    assert net_changes(feed(*events), ("k",)).rows() == net


def test_an_unknown_strategy_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"No load strategy named 'upsert'\. Known: full, incremental\."):
        strategy("upsert")


def test_names_are_quoted() -> None:
    plan = LoadPlan("shop.order", "staging", ("select", "b"), ("select", "b"))
    assert strategy("incremental")(plan)[0] == (
        'DELETE FROM "shop"."order" t USING "staging" s WHERE t."select" = s."select" AND t."b" = s."b"'
    )
