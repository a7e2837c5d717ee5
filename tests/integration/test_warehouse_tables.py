"""How every warehouse makes the tables of loads and names them, and what it refuses to change."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import polars as pl
import psycopg
import pytest

from common.core.errors import (
    ConfigError,
    ContractError,
    NotApplied,
)
from common.core.nouns import Head
from common.load.strategies import strategy
from common.warehouses import sql
from common.warehouses.definition import create
from common.warehouses.dialect import Widening
from common.warehouses.sql import Token
from common.warehouses.warehouse import Warehouse, create_token, head
from tests.engines import (
    CONSUMER,
    SCHEMA,
    TABLE,
    Ask,
    contents,
    load,
    plan,
    redshift_of,
    rows_of,
)


def test_a_type_that_no_column_holds_is_named(target: Warehouse) -> None:
    with pytest.raises(ContractError, match=r"holds List\(Int64\)\. Known: String, "):
        create(target, "shop.lists", {"v": pl.List(pl.Int64)}, [])


NAMES = ("Id", "select", "Größe", 'say "no"', "with space", "a'b", "t", "staged")


def test_names_may_have_capitals_keywords_and_quotes(bare: Warehouse) -> None:
    schema: dict[str, pl.DataType] = dict.fromkeys(NAMES, pl.Int64())
    odd, token = 'shop.Order "x"', Token('it\'s "me"@x', 1, 7)
    create(bare, odd, schema, ["Id"])
    create_token(bare, token.consumer)
    for hop, row in ((1, (1, 2, 3, 4, 5, 6, 7, 8)), (2, (1, 3, 4, 5, 6, 7, 8, 9))):
        token, rows = Token(token.consumer, hop, 7), rows_of(row, schema=schema)
        bare.stage(token, rows)
        bare.commit(token, 1, strategy("incremental")(plan(token, schema, odd, "Id")))
        assert contents(bare, odd) == [row]


def test_a_name_that_would_be_cut_is_refused(bare: Warehouse) -> None:
    longest = bare.dialect.longest_name
    with pytest.raises(ConfigError, match=f"cuts names at {longest} bytes"):
        create(bare, TABLE, {"é" * (longest // 2 + 1): pl.Int64()}, [])


def test_names_that_the_engine_takes_for_one_are_refused(bare: Warehouse) -> None:
    if bare.dialect.spelling is str:
        pytest.skip("this engine tells capitals from small letters")
    with pytest.raises(ConfigError, match="takes the columns 'Id' and 'id' for one"):
        create(bare, TABLE, {"Id": pl.Int64(), "id": pl.Int64()}, [])


def test_a_wider_decimal_keeps_what_is_there(target: Warehouse) -> None:
    table, narrow = "shop.prices", {"id": pl.String(), "price": pl.Decimal(6, 2), "pieces": pl.Int64()}
    wide = {"id": pl.String(), "price": pl.Decimal(20, 4), "pieces": pl.Decimal(38, 0)}
    create(target, table, narrow, ["id"])
    load(target, 1, rows_of(("a", Decimal("1.25"), 7), schema=narrow), schema=narrow, table=table)
    if target.dialect.widens != Widening.ANY:
        with pytest.raises(ContractError, match=r"(?i)price is DECIMAL\(6, 2\), asked for is DECIMAL\(20, 4\)"):
            create(target, table, wide, ["id"])
        assert contents(target, table) == [("a", Decimal("1.25"), Decimal(7))]
        return
    for _ in range(2):
        create(target, table, wide, ["id"])
    more = ("b", Decimal("1234567.1234"), Decimal(2**80))
    load(target, 2, rows_of(more, schema=wide), schema=wide, table=table)
    assert contents(target, table) == [("a", Decimal("1.2500"), Decimal(7)), more]


def test_a_narrower_decimal_changes_no_value(target: Warehouse) -> None:
    table, wide = "shop.prices", {"id": pl.String(), "price": pl.Decimal(20, 4), "pieces": pl.Decimal(20, 0)}
    create(target, table, wide, ["id"])
    load(target, 1, rows_of(("a", Decimal("1.2345"), Decimal(7)), schema=wide), schema=wide, table=table)
    create(target, table, {**wide, "price": pl.Decimal(8, 2), "pieces": pl.Int64()}, ["id"])
    assert contents(target, table) == [("a", Decimal("1.2345"), Decimal(7))]
    if target.dialect.widens != Widening.ANY:
        return  # what is refused then, the test above looks at
    finer = {**wide, "price": pl.Decimal(8, 6)}
    create(target, table, finer, ["id"])
    more = ("b", Decimal("12.123456"), Decimal(1))
    load(target, 2, rows_of(more, schema=finer), schema=finer, table=table)
    assert contents(target, table) == [("a", Decimal("1.2345"), Decimal(7)), more]


def test_another_type_or_key_is_refused(target: Warehouse) -> None:
    with pytest.raises(ContractError, match=r"(?i)v is (BIGINT|DECIMAL\(19, 0\)), asked for is VARCHAR"):
        create(target, TABLE, {**SCHEMA, "v": pl.String(), "more": pl.String()}, ["id"])
    found = {name for name, *_ in target.query(sql.columns_of(target.dialect, TABLE))}
    assert found == set(map(target.dialect.spelling, SCHEMA)), "nothing of what is refused was made"
    if target.dialect.keys:
        with pytest.raises(ContractError, match="its key is id, asked for is id, v"):
            create(target, TABLE, SCHEMA, ["id", "v"])


def test_applying_twice_changes_nothing_and_new_columns_are_added(target: Warehouse) -> None:
    load(target, 1, rows_of(("a", 1)))
    wider = {**SCHEMA, "Note": pl.String()}
    for _ in range(2):
        create(target, TABLE, wider, ["id"])
        create_token(target, CONSUMER)
    assert (head(target, CONSUMER), contents(target)) == (Head(1, 7), [("a", 1, None)])
    load(target, 2, rows_of(("b", 2, "x"), schema=wider), schema=wider)
    assert contents(target) == [("a", 1, None), ("b", 2, "x")]


def test_many_may_apply_at_once(bare: Warehouse) -> None:
    def apply(_: int) -> None:
        create(bare, TABLE, SCHEMA, ["id"])
        create_token(bare, CONSUMER)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(apply, range(8)))
    assert bare.query(sql.count(sql.TOKENS)) == [(1,)]


def test_redshift_makes_one_token_though_another_is_making_it(address: str, ask: Ask) -> None:
    """No key is enforced there: who applies waits for the other, and sees what that one has made."""
    target = redshift_of(address, ask)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS watershed CASCADE")
    target.apply(sql.token_table(target.dialect))
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'watershed.load_token'::regclass"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(address) as other, psycopg.connect(address) as watch:
        other.execute("INSERT INTO watershed.load_token VALUES (%s, 0, 0)", [CONSUMER])
        made = pool.submit(create_token, target, CONSUMER)
        while not made.done() and watch.execute(waits).fetchone() == (0,):
            watch.rollback()
        other.commit()
        made.result()
    assert target.query(sql.count(sql.TOKENS)) == [(1,)]


def test_what_was_not_applied_says_so_and_is_not_made(bare: Warehouse) -> None:
    token, rows = Token(CONSUMER, 1, 7), rows_of(("a", 1))
    with pytest.raises(NotApplied, match="watershed apply"):
        head(bare, CONSUMER)
    with pytest.raises(NotApplied, match="watershed apply"):
        bare.stage(token, rows)
    create_token(bare, CONSUMER)
    bare.stage(token, rows)
    with pytest.raises(NotApplied, match="watershed apply"):
        bare.commit(token, rows.count, strategy("full")(plan(token)))
    create(bare, TABLE, {"id": pl.String()}, ["id"])
    with pytest.raises(NotApplied, match="watershed apply"):
        bare.commit(token, rows.count, strategy("full")(plan(token)))
    assert head(bare, CONSUMER) == Head(0, 0)
