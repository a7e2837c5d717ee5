"""Models that a warehouse computes: after the loads that they read, audited, in one commit with the token."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from common.core.errors import ConfigError, ConservationError, ModelError, TargetUnavailable
from common.models.model import model_faults
from common.pipelines.transforming import TransformStep
from common.upkeep.apply import apply
from common.upkeep.verify import verify
from tests.fake_step import incidents
from tests.world import World, forget, new_world, small_shop

HEADER = "/*\ndescription: Versions of customers by country.\n{words}\n*/\n{sql}\n"
WORDS = "on: warehouse\nkey: [country]\ninputs: {ecommerce.users_history: all}"
CONTROLS = "\ncontrols: [{result: sum(versions), input: ecommerce.users_history, equals: count(*)}]"
SQL = """
SELECT country, count(*) AS versions, CAST(max(valid_from) AS DATE) AS since, bool_or(is_current) AS current
FROM ecommerce.users_history GROUP BY country"""
USERS = "customer_id,name,email,country,signed_up_on,updated_at\n"
MART = "ecommerce.countries@warehouse"


@pytest.fixture
def shop(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    domains = tmp_path / "domains"
    shutil.copytree(small_shop(), domains)
    _write(domains, WORDS + CONTROLS, SQL)
    with new_world(stack, tmp_path, "ecommerce", domains) as made:
        yield made


def _write(domains: Path, words: str, sql: str, name: str = "countries") -> None:
    (domains / "ecommerce" / "gold" / f"{name}.sql").write_text(HEADER.format(words=words, sql=sql))


def _change(world: World, words: str, sql: str, name: str = "countries") -> None:
    _write(world.folder / "domains", words, sql, name)
    forget()


def sign_up(world: World, customer: int, country: str, year: int = 1997) -> None:
    line = f"{customer:05d},Ann,a@x.com,{country},1996-01-01,{year}-01-01T00:00:00Z\n"
    world.land(f"users/{customer}-{year}.csv", (USERS + line).encode())


def mart(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT country, versions, since::text, current FROM ecommerce.countries ORDER BY 1")


def test_a_table_is_computed_where_its_inputs_are_loaded_once_they_are(shop: World) -> None:
    sign_up(shop, 1, "us")
    sign_up(shop, 2, "us")
    shop.flow("bronze", "silver", "gold")
    assert shop.flow("transform") == {}
    shop.flow("load")
    assert str(shop.flow("transform")[MART]) == "1 in = 1 good + 0 merged + 0 refused"
    assert mart(shop) == [("US", 2, "1997-01-01", True)]
    sign_up(shop, 1, "se", 1998)
    assert str(shop.flow()[MART]) == "2 in = 1 good + 1 merged + 0 refused"
    assert mart(shop) == [("SE", 1, "1998-01-01", True), ("US", 2, "1997-01-01", True)]
    assert list(verify()) == []
    shop.rows("DELETE FROM ecommerce.countries WHERE country = 'SE' RETURNING 1")
    assert list(verify()) == [(MART, "ecommerce.countries has 1 rows, hop 2 published 2")]


def test_a_wrong_total_or_key_publishes_nothing_until_the_model_is_mended(shop: World) -> None:
    sign_up(shop, 1, "us")
    shop.flow()
    sign_up(shop, 2, "se")
    for words, sql, told in (
        (WORDS + CONTROLS, SQL.replace("GROUP", "WHERE country = 'US' GROUP"), r"sum\(versions\) is 1, but .* is 2"),
        (
            WORDS,
            SQL.replace("SELECT country", "SELECT left(country, 0) AS country"),
            "1 rows share a key",
        ),
        (WORDS, SQL.replace("SELECT country", "SELECT nullif(country, 'SE') AS country"), "1 rows have no 'country'"),
    ):
        _change(shop, words, sql)
        shop.flow("bronze", "silver", "gold", "load")
        with pytest.raises(ConservationError, match=told):
            shop.flow("transform")
        assert mart(shop) == [("US", 1, "1997-01-01", True)]
    assert incidents(shop) == [("stopped", True)]
    _change(shop, WORDS + CONTROLS, SQL)
    shop.flow("transform")
    assert [row[0] for row in mart(shop)] == ["SE", "US"]


def test_a_load_that_comes_while_it_is_read_makes_it_read_again(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_up(shop, 1, "us")
    shop.flow("bronze", "silver", "gold", "load")
    counts = TransformStep._counts

    def loaded_meanwhile(step: TransformStep, staging: str) -> object:
        monkeypatch.undo()
        sign_up(shop, 2, "se")
        shop.flow("bronze", "silver", "gold", "load")
        return counts(step, staging)

    monkeypatch.setattr(TransformStep, "_counts", loaded_meanwhile)
    with pytest.raises(TargetUnavailable, match=r"ecommerce\.users_history was loaded while"):
        shop.flow("transform")
    assert mart(shop) == []
    shop.flow("transform")
    assert [row[0] for row in mart(shop)] == ["SE", "US"]


@pytest.mark.parametrize(
    ("words", "sql", "told"),
    [
        (WORDS.replace("warehouse", "sybase"), SQL, "/on: no warehouse 'sybase'. Known: warehouse, duckdb"),
        (WORDS.replace("users_history", "user_history"), SQL, "no table 'ecommerce.user_history' is loaded into 'warehouse'. Is 'ecommerce.users_history' meant?"),
        (WORDS.replace("all", "country"), SQL, "found 'country'; a model on 'warehouse' reads its inputs whole"),
        (WORDS + "\nslice: country", SQL, "/slice: means nothing for a model on 'warehouse'"),
        (WORDS + "\nload: [{to: duckdb, strategy: full}]", SQL, "/load: means nothing for a model on 'warehouse'"),
        (WORDS + "\ncontrols: [{result: a, input: ecommerce.users, equals: b}]", SQL, "ecommerce.users is no input of the model"),
    ],
)  # fmt: skip
def test_what_a_header_cannot_mean_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, sql: str, told: str) -> None:  # fmt: skip
    domains = tmp_path / "domains"
    shutil.copytree(small_shop(), domains)
    _write(domains, words, sql)
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(domains))
    (fault,) = model_faults("ecommerce", domains).values()
    assert told in fault
    assert "countries.sql: line " in fault


def test_sql_that_reads_what_is_no_input_of_it_or_that_the_warehouse_cannot_is_refused_by_apply(shop: World) -> None:
    for sql, told in (
        (SQL.replace("ecommerce.users_history", "ecommerce.daily_revenue"), "daily_revenue"),
        (SQL.replace("count(*)", "approx_top_k(country, 2)"), "versions"),
        (SQL.replace("GROUP BY country", "GROUP BY countri"), "countri"),
    ):
        _change(shop, WORDS, sql)
        with pytest.raises((ModelError, ConfigError), match=told):
            apply()
