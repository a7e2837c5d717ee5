"""Warehouses by words of the settings."""

import json
from typing import Any

import pytest

from common.core.errors import ConfigError
from common.core.targets import target, targets

pytestmark = pytest.mark.usefixtures("fresh_settings")
SNOW = {"engine": "snowflake", "conn": "snow", "uri": "snowflake://acme-emea/ANALYTICS"}


def known(monkeypatch: pytest.MonkeyPatch, warehouses: Any) -> None:
    monkeypatch.setenv("WATERSHED_WAREHOUSES", warehouses if isinstance(warehouses, str) else json.dumps(warehouses))


def test_one_of_each_engine_is_always_there_and_the_mapping_adds_others(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, {"emea": SNOW, "apac": {**SNOW, "conn": "other", "uri": "snowflake://acme-apac/ANALYTICS"}})
    assert list(targets()) == ["warehouse", "duckdb", "redshift", "snowflake", "emea", "apac"]
    assert target("apac").address("shop.orders") == "snowflake://acme-apac/ANALYTICS/SHOP/ORDERS"
    assert target("warehouse").address("shop.Orders") == "postgres://warehouse/warehouse/shop/Orders"


def test_the_mapping_may_name_one_of_them_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, {"warehouse": {"engine": "redshift", "conn": "r", "uri": "redshift://acme/dev"}})
    assert target("warehouse").address("Shop.Orders") == "redshift://acme/dev/shop/orders"


def test_a_word_that_nobody_has_set_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"No warehouse 'emea'\. Known: warehouse, duckdb, redshift, snowflake; WATERSHED_WAREHOUSES"
    ):
        target("emea")


@pytest.mark.parametrize(
    ("warehouses", "fault"),
    [
        (
            {"a": {**SNOW, "engine": "snowflak"}},
            r"WATERSHED_WAREHOUSES \(a\): .*no engine 'snowflak'\. Known: postgres, ",
        ),
        (
            {"a": {**SNOW, "uri": "postgres://x/y"}},
            "'postgres://x/y' is no address of snowflake: snowflake://HOST/DATABASE",
        ),
        ({"a": {**SNOW, "user": "me"}}, r"WATERSHED_WAREHOUSES \(a, user\): Extra inputs"),
        ({"a": {"engine": "duckdb"}}, r"WATERSHED_WAREHOUSES \(a, conn\): Field required"),
        ({"A b": SNOW}, r"WATERSHED_WAREHOUSES \(A b.*pattern"),
        ({"a": SNOW, "b": SNOW}, "'a' and 'b' have one address, snowflake://acme-emea/ANALYTICS"),
        (
            {"a": {"engine": "postgres", "conn": "p", "uri": "postgres://warehouse/warehouse"}},
            "'warehouse' and 'a' have",
        ),
        ("{", "warehouses"),
    ],
    ids=["engine", "address", "misspelt", "missing", "word", "twice", "as a default", "no JSON"],
)
def test_what_is_wrong_with_a_warehouse_is_named(monkeypatch: pytest.MonkeyPatch, warehouses: Any, fault: str) -> None:
    known(monkeypatch, warehouses)
    with pytest.raises(ConfigError, match=fault):
        targets()
