"""A change feed is reduced to what a warehouse must do, and strategies write plain SQL."""

import polars as pl
import pytest
from sqlglot import exp

from common.core.errors import ConfigError
from common.lake.changes import net_changes
from common.load.plan import LoadPlan
from common.load.strategies import strategy


def feed(*events: tuple[str, str | None, str, int]) -> pl.DataFrame:
    types = {"k": pl.String, "v": pl.String, "_change_type": pl.String, "_commit_version": pl.Int64}
    return pl.DataFrame(events, schema=types, orient="row")


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
    assert net_changes(feed(*events), ("k",)).rows.rows() == net


def test_an_unknown_strategy_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"No load strategy named 'upsert'\. Known: full, incremental, scd2\."):
        strategy("upsert")


def test_names_are_quoted_and_the_target_has_no_alias() -> None:
    plan = LoadPlan("shop.order", "watershed.staging", ("select", "b"), ("select", "b"))
    delete, insert = strategy("incremental")(plan)
    assert isinstance(delete, exp.Delete)
    assert isinstance(insert, exp.Insert)
    assert delete.sql("postgres") == (
        'DELETE FROM "shop"."order" WHERE EXISTS(SELECT 1 FROM "watershed"."staging" '
        'WHERE "staging"."select" = "order"."select" AND "staging"."b" = "order"."b")'
    )
    assert insert.sql("postgres") == (
        'INSERT INTO "shop"."order" ("select", "b") SELECT "select", "b" FROM "watershed"."staging" WHERE NOT "_gone"'
    )


def test_a_key_that_an_engine_compares_without_its_trailing_blanks_is_compared_by_its_length_too() -> None:
    delete, _ = strategy("incremental")(LoadPlan("shop.t", "watershed.s", ("k", "n"), ("k", "n"), padded=("k",)))
    assert isinstance(delete, exp.Delete)
    assert delete.sql("redshift").endswith(
        'WHERE "s"."k" = "t"."k" AND "s"."n" = "t"."n" AND LENGTH("s"."k") = LENGTH("t"."k"))'
    )


@pytest.mark.parametrize(
    ("events", "new"),
    [
        ([("a", "1", "insert", 1), ("b", "1", "insert", 1)], 2),
        ([("a", "1", "update_preimage", 2), ("a", "2", "update_postimage", 2), ("b", "1", "insert", 3)], 1),
        ([("a", "1", "delete", 1), ("a", "2", "insert", 1), ("b", "1", "delete", 2)], 0),
        ([("a", "1", "insert", 1), ("a", "1", "delete", 2)], 0),
        ([("a", "1", "insert", 1), ("a", "1", "delete", 2), ("a", "1", "insert", 3)], 1),
        ([], 0),
    ],
)
def test_a_key_is_new_where_the_feed_has_nothing_from_before(events: list[tuple[str, str, str, int]], new: int) -> None:
    assert net_changes(feed(*events), ("k",)).new == new
    assert net_changes(feed(*events).drop("v"), ("k",)).new == new
