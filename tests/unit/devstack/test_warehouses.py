"""Which stand-ins a stack starts."""

import json
from pathlib import Path

import pytest

from common.core.errors import ConfigError
from devstack.warehouses import SETTING, in_use

MINE = {"engine": "snowflake", "conn": "warehouse_snowflake", "uri": "snowflake://me/DB"}


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    (tmp_path / "shop" / "gold").mkdir(parents=True)
    (tmp_path / "shop" / "orders.yaml").write_text("{property: load, value: [{to: warehouse}, {to: redshift}]}")
    (tmp_path / "shop" / "gold" / "days.sql").write_text("/*\nload: [{to: 'emea'}]\n*/ SELECT 1")
    return tmp_path


def test_those_that_a_domain_loads(domains: Path) -> None:
    assert in_use(domains, {}) == ["redshift"]
    assert in_use(domains / "nothing", {}) == []


def test_a_domain_may_be_a_link(domains: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    others = tmp_path_factory.mktemp("others")
    assert in_use(others, {}) == []
    (others / "shop").symlink_to(domains / "shop")
    assert in_use(others, {}) == ["redshift"]


def test_words_of_the_users_own_mean_a_stand_in_by_its_connection(domains: Path) -> None:
    assert in_use(domains, {SETTING: json.dumps({"emea": MINE})}) == ["redshift", "snowflake"]
    assert in_use(domains, {SETTING: json.dumps({"emea": {**MINE, "conn": "real"}})}) == ["redshift"]


def test_none_where_the_user_reaches_the_warehouse_itself(domains: Path) -> None:
    assert in_use(domains, {"AIRFLOW_CONN_WAREHOUSE_REDSHIFT": "aws://"}) == []


def test_what_is_no_json_is_told(domains: Path) -> None:
    with pytest.raises(ConfigError, match="WATERSHED_WAREHOUSES is no JSON"):
        in_use(domains, {SETTING: "{"})
