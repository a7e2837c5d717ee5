"""What every warehouse does, whichever it is: a new engine joins by one line in ENGINES."""

import itertools
import json
import math
import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest
from snowflake.connector import errors as snowflake_errors
from sqlglot import exp
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from common.core.assets import Zone
from common.core.errors import (
    CommitConflict,
    ConfigError,
    ConservationError,
    ContractError,
    DataError,
    MachineUnavailable,
    NotApplied,
    TargetUnavailable,
    TransientError,
    WatershedError,
)
from common.core.nouns import Dataset, Head
from common.lake.changes import GONE
from common.load.plan import LoadPlan
from common.load.scd2 import Intervals
from common.load.strategies import STRATEGIES, strategy
from common.models.model import Input, Model
from common.models.run import run
from common.models.translated import select
from common.warehouses import duckdb as duckdb_engine
from common.warehouses import postgres as postgres_engine
from common.warehouses import snowflake as snowflake_engine
from common.warehouses import sql
from common.warehouses.data_api import Client, meaning
from common.warehouses.definition import create
from common.warehouses.dialect import Widening
from common.warehouses.duckdb import Duckdb
from common.warehouses.postgres import Postgres
from common.warehouses.redshift import Redshift
from common.warehouses.snowflake import Snowflake
from common.warehouses.sql import Token
from common.warehouses.translation import translated
from common.warehouses.warehouse import Rows, Warehouse, create_token, head
from common.zones.store import ZoneStore
from tests.batch_only import BatchOnly
from tests.engines import (
    CONSUMER,
    SCHEMA,
    TABLE,
    Ask,
    connect,
    contents,
    load,
    plan,
    redshift_of,
    rows_of,
    snowflake_of,
    staged_tables,
)
from tests.histories import EPOCH, MICRO, Version, drawn, intervals
from tests.seed import SEED

MANY = 200_000


def test_the_token_begins_at_nothing_and_says_who_committed(target: Warehouse) -> None:
    assert head(target, CONSUMER) == Head(0, 0)
    load(target, 1, rows_of(("a", 1)), attempt=2**63 - 1)
    assert head(target, CONSUMER) == Head(1, 2**63 - 1)
    with pytest.raises(NotApplied, match=r"no load token of somebody.*watershed apply"):
        head(target, "somebody")


@pytest.mark.parametrize(("hop", "attempt"), [(1, 8), (1, 7), (3, 8)], ids=["late", "sent twice", "too early"])
def test_only_the_hop_after_the_head_commits(target: Warehouse, hop: int, attempt: int) -> None:
    load(target, 1, rows_of(("a", 1)), attempt=7)
    token, rows = Token(CONSUMER, hop, attempt), rows_of(("b", 2))
    with suppress(DataError):
        target.stage(token, rows)
    with pytest.raises(CommitConflict):
        target.commit(token, rows.count, strategy("full")(plan(token)))
    assert (head(target, CONSUMER), contents(target)) == (Head(1, 7), [("a", 1)])


def test_of_attempts_that_race_one_wins(target: Warehouse) -> None:
    tokens = [Token(CONSUMER, 1, attempt) for attempt in range(1, 5)]
    for token in tokens:
        target.stage(token, rows_of((f"by {token.attempt}", token.attempt)))
    begin = threading.Barrier(len(tokens))

    def race(token: Token) -> int:
        begin.wait()
        target.commit(token, 1, strategy("incremental")(plan(token)))
        return token.attempt

    with ThreadPoolExecutor(len(tokens)) as pool:
        ends = [pool.submit(race, token) for token in tokens]
        lost = [end.exception() for end in ends if end.exception()]
    assert all(isinstance(error, TransientError) for error in lost), lost
    (winner,) = [end.result() for end in ends if not end.exception()]
    assert head(target, CONSUMER) == Head(1, winner)
    assert contents(target) == [(f"by {winner}", winner)]


def test_a_statement_that_fails_takes_everything_back(target: Warehouse) -> None:
    load(target, 1, rows_of(("a", 1)))
    token, rows = Token(CONSUMER, 2, 8), rows_of(("b", 2))
    target.stage(token, rows)
    broken = exp.delete(sql.table(TABLE), where=exp.cast(sql.text("no number"), "BIGINT").eq(1))
    with pytest.raises(DataError):
        target.commit(token, rows.count, [*strategy("full")(plan(token)), broken])
    assert (head(target, CONSUMER), contents(target)) == (Head(1, 7), [("a", 1)])
    target.commit(token, rows.count, strategy("full")(plan(token)))
    assert (head(target, CONSUMER), contents(target)) == (Head(2, 8), [("b", 2)])


EMPTIED: dict[str, Callable[[str], exp.Expr]] = {
    "emptied": lambda staging: exp.delete(sql.table(staging)),
    "dropped": sql.drop,
}


@pytest.mark.parametrize("how", EMPTIED)
def test_what_was_staged_and_is_gone_is_not_committed(target: Warehouse, how: str) -> None:
    load(target, 1, rows_of(("a", 1)))
    token, rows = Token(CONSUMER, 2, 8), rows_of(("b", 2))
    target.stage(token, rows)
    target.apply([EMPTIED[how](token.staging)])
    with pytest.raises(TargetUnavailable, match=r"staged 1.*Nothing was committed"):
        target.commit(token, rows.count, strategy("incremental")(plan(token)))
    assert (head(target, CONSUMER), contents(target)) == (Head(1, 7), [("a", 1)])


def test_rows_that_are_not_as_many_as_announced_are_not_staged(target: Warehouse) -> None:
    two = rows_of(("a", 1), ("b", 2))
    with pytest.raises(ConservationError, match="2 of 3 rows"):
        target.stage(Token(CONSUMER, 1, 7), Rows(3, two.schema, two.frames))


def test_staging_tables_of_closed_hops_go_and_those_of_the_open_one_stay(target: Warehouse) -> None:
    if target.dialect.temporary:
        pytest.skip("this engine's staging tables end with their session")
    for attempt in (1, 2):
        target.stage(Token(CONSUMER, 1, attempt), rows_of(("a", attempt)))
    other = Token("another@somewhere", 1, 1)
    target.stage(other, rows_of(("a", 9)))
    assert len(staged_tables(target)) == 2
    load(target, 1, rows_of(("a", 3)), attempt=3)
    token = Token(CONSUMER, 2, 4)
    target.stage(token, rows_of(("b", 4)))
    assert staged_tables(target) == [token.staging.partition(".")[2]]
    assert target.query(sql.count(other.staging)) == [(1,)]


def test_incremental_replaces_by_key_and_removes_what_is_deleted(target: Warehouse) -> None:
    load(target, 1, rows_of(("a", 1), ("b", 2), ("c", 3)))
    load(target, 2, rows_of(("b", 20), ("d", 4), gone=(("c", 3), ("never there", 0))))
    assert contents(target) == [("a", 1), ("b", 20), ("d", 4)]


def test_full_replaces_everything(target: Warehouse) -> None:
    load(target, 1, rows_of(("a", 1), ("b", 2)))
    load(target, 2, rows_of(("c", 3)), how="full")
    assert contents(target) == [("c", 3)]


def test_scd2_replaces_the_intervals_of_touched_keys(target: Warehouse) -> None:
    chance, names = random.Random(SEED), ("valid_from", "valid_to", "is_current")
    shown: dict[str, pl.DataType] = dict.fromkeys(("shop", "id", "name", "plan", "amount"), pl.String())
    made = Intervals(("shop", "id"), ("at",), ("name", "amount"), shown, names)
    create(target, "shop.history", made.schema, made.identity)
    known: dict[tuple[Any, ...], Version] = {}
    for hop in (1, 2, 3):
        fresh = list(drawn(chance, [("a", f"{chance.randrange(40)}") for _ in range(30)]))
        known |= {(*version.key, version.since): replace(version, order=()) for version in fresh}
        keys = sorted({version.key for version in fresh})
        rows = [(*v.key, *v.values, v.since, v.gone) for v in known.values() if v.key in keys]
        schema = {**shown, "at": pl.Datetime("us", "UTC"), "_deleted": pl.Boolean()}
        touched = pl.DataFrame(keys, schema={name: shown[name] for name in made.key}, orient="row")
        token = Token(CONSUMER, hop, 7)
        with made.spooled(pl.LazyFrame(rows, schema=schema, orient="row"), touched) as staged:
            target.stage(token, staged)
            columns = tuple(made.schema)
            target.commit(
                token, staged.count, strategy("scd2")(LoadPlan("shop.history", token.staging, columns, made.key))
            )
        wanted = intervals(known.values(), lambda values: (values[0], values[2]))
        assert intervals_in(target) == sorted((found.row for found in wanted), key=repr)


def intervals_in(target: Warehouse) -> list[tuple[Any, ...]]:
    """Return the rows, times in microseconds: DuckDB gives out those with a zone with pytz alone."""
    columns = [sql.column(name) for name in ("shop", "id", "name", "plan", "amount")]
    times = [exp.cast(sql.column(name), "TIMESTAMP") for name in ("valid_from", "valid_to")]
    asked = exp.select(*columns, *times, sql.column("is_current")).from_(sql.table("shop.history"))
    micros = [
        [(v.replace(tzinfo=UTC) - EPOCH) // MICRO if isinstance(v, datetime) else v for v in row]
        for row in target.query(asked)
    ]
    return sorted(map(tuple, micros), key=repr)


DERIVED = Model(
    dataset=Dataset("shop", "derived"),
    sql="""
        WITH known AS (SELECT id, v, v % 3 AS rest FROM shop.orders WHERE v IS NOT NULL)
        SELECT upper(left(id, 1)) || '-' || CAST(rest AS VARCHAR) AS name, count(*) AS n,
            count(*) FILTER (WHERE v > 4) AS many, CAST(sum(v) AS DECIMAL(12, 2)) AS total,
            CAST(round(avg(v / 2), 2) AS DECIMAL(12, 2)) AS half, max(v) // 2 AS whole, min(v) < 3 AS low,
            CASE rest WHEN 0 THEN NULL ELSE coalesce(nullif(max(id), 'b7'), 'none') END AS last,
            row_number() OVER (ORDER BY sum(v) DESC, rest) AS place,
            CAST(date_trunc('month', DATE '2024-02-28') AS DATE) AS month
        FROM known GROUP BY upper(left(id, 1)), rest""",
    hash="",
    description="",
    key=("name",),
    slice="",
    inputs={Dataset("shop", "orders"): Input(None)},
    on="suite",
)


def test_a_models_sql_gives_on_every_engine_what_duckdb_gives(target: Warehouse) -> None:
    rows = [*((f"{'ab'[n % 2]}{n}", n) for n in range(1, 12)), ("c", None)]
    load(target, 1, rows_of(*rows))
    expected = run(DERIVED, {Dataset("shop", "orders"): pl.DataFrame(rows, schema=SCHEMA, orient="row")})
    token = Token("shop.derived@suite", 1, 5)
    create(target, "shop.derived", expected.schema, ("name",))
    create_token(target, token.consumer)
    types = {name: target.dialect.column_type(dtype) for name, dtype in SCHEMA.items()}
    target.derive(token, expected.schema, select(DERIVED, {Dataset("shop", "orders"): types}, target.dialect))
    columns = [sql.name(name) for name in expected.columns]
    computed = exp.select(*map(sql.column, expected.columns)).from_(sql.table(token.staging))
    replaced = [exp.delete(sql.table("shop.derived")), exp.insert(computed, sql.table("shop.derived"), columns=columns)]
    with pytest.raises(CommitConflict):
        target.commit(replace(token, hop=3), None, replaced)
    assert contents(target, "shop.derived") == []
    target.commit(token, expected.height, replaced)
    assert contents(target, "shop.derived") == sorted(expected.rows(), key=str)
    assert head(target, token.consumer) == Head(1, 5)


def test_rows_go_straight_into_the_table_where_the_engine_copies(target: Warehouse) -> None:
    load(target, 1, rows_of(("a", 1)))
    frame = pl.DataFrame([("b", 2), ("c", None)], schema=SCHEMA, orient="row")
    token, rows = Token(CONSUMER, 2, 8), Rows(2, SCHEMA, lambda: frame.iter_slices(1))
    straight = LoadPlan(TABLE, token.staging, tuple(SCHEMA), ("id",), direct=rows)
    if not target.dialect.copies:
        with pytest.raises(ConfigError, match=r"carries no rows: those of shop\.orders must be staged"):
            target.commit(token, None, strategy("full")(straight))
        assert (head(target, CONSUMER), contents(target)) == (Head(1, 7), [("a", 1)])
        return
    with pytest.raises(ConservationError, match="2 of 3 rows"):
        target.commit(token, None, strategy("full")(LoadPlan(TABLE, "", tuple(SCHEMA), ("id",), direct=Rows(3, SCHEMA, rows.frames))))  # fmt: skip
    assert (head(target, CONSUMER), contents(target)) == (Head(1, 7), [("a", 1)])
    target.commit(token, None, strategy("full")(straight))
    assert (head(target, CONSUMER), contents(target)) == (Head(2, 8), [("b", 2), ("c", None)])


@pytest.mark.parametrize("how", STRATEGIES)
def test_an_empty_load_moves_the_token(target: Warehouse, how: str) -> None:
    load(target, 1, rows_of(("a", 1)))
    load(target, 2, rows_of(), how=how)
    assert head(target, CONSUMER) == Head(2, 7)
    assert contents(target) == ([] if how == "full" else [("a", 1)])


MOMENT = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
VALUES: list[tuple[pl.DataType, list[Any]]] = [
    (pl.String(), ["", " ", 'say "no"', "it's", "a,b", "a\nb", "\\N", "NULL", "é漢😀", "%s {} --"]),
    (pl.Boolean(), [True, False]),
    (pl.Date(), [date(1, 1, 1), date(1970, 1, 1), date(9999, 12, 31)]),
    (pl.Float64(), [0.1, -1e300, 5e-324, float("inf"), float("-inf")]),
    (pl.Float32(), [0.5, -2.25]),
    (pl.Int8(), [-128, 127]),
    (pl.Int16(), [-(2**15), 2**15 - 1]),
    (pl.Int32(), [-(2**31), 2**31 - 1]),
    (pl.Int64(), [-(2**63), 2**63 - 1]),
    (pl.Int128(), [-(10**37), 10**37]),
    (pl.Decimal(18, 2), [Decimal("-0.01"), Decimal("9999999999999999.99")]),
    (pl.Decimal(38, 10), [Decimal("1234567890123456789012345678.0123456789")]),
    (pl.Datetime("us"), [MOMENT.replace(tzinfo=None), datetime(1, 1, 1)]),  # noqa: DTZ001
    (pl.Datetime("us", "UTC"), [MOMENT, datetime(1970, 1, 1, tzinfo=UTC)]),
]
# What a stand-in refuses that the engine holds: fakesnow has 64 bits for every whole number.
NOT_OF_STANDINS = {("suite_snowflake", pl.Int128)}


def test_values_come_back_as_they_went_null_included(target: Warehouse) -> None:
    conn = getattr(target, "conn_id", "")
    held = [(dtype, values) for dtype, values in VALUES if (conn, type(dtype)) not in NOT_OF_STANDINS]
    schema: dict[str, pl.DataType] = {"id": pl.Int32(), **{f"v{n}": dtype for n, (dtype, _) in enumerate(held)}}
    create(target, "shop.typed", schema, ["id"])
    sent = [(n, *row) for n, row in enumerate(itertools.zip_longest(*(values for _, values in held)))]
    load(target, 1, rows_of(*sent, schema=schema), schema=schema, table="shop.typed")
    for name, dtype in schema.items():
        value: exp.Expr = sql.column(name)
        expected = [row[list(schema).index(name)] for row in sent]
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:  # DuckDB gives these out with pytz alone
            value, expected = exp.cast(value, "TIMESTAMP"), [v and v.replace(tzinfo=None) for v in expected]
        asked = exp.select(value).from_(sql.table("shop.typed")).order_by(sql.column("id"))
        assert [found for (found,) in target.query(asked)] == expected, dtype


LONG: dict[str, pl.DataType] = {"id": pl.String(), "text": pl.String()}


def test_a_text_is_held_whole_or_refused(target: Warehouse) -> None:
    create(target, "shop.long", LONG, ["id"])
    limit = target.dialect.longest_text
    holds = limit if limit and limit < 100_000 else 70_000
    text = "é" * (holds // 2) + "x" * (holds % 2)
    load(target, 1, rows_of(("a", text), schema=LONG), schema=LONG, table="shop.long")
    if holds == limit:
        with pytest.raises(DataError, match=f"Column text has a text of {holds + 1} bytes, .* holds {holds}"):
            load(target, 2, rows_of(("b", f"{text}x"), schema=LONG), schema=LONG, table="shop.long")
    assert (head(target, CONSUMER), contents(target, "shop.long")) == (Head(1, 7), [("a", text)])


def test_the_character_nul_is_held_or_refused(target: Warehouse) -> None:
    create(target, "shop.long", LONG, ["id"])
    rows = rows_of(("a", "x\0y"), schema=LONG)
    if target.dialect.nul:
        load(target, 1, rows, schema=LONG, table="shop.long")
        assert contents(target, "shop.long") == [("a", "x\0y")]
    else:
        with pytest.raises(DataError):
            load(target, 1, rows, schema=LONG, table="shop.long")
        assert (head(target, CONSUMER), contents(target, "shop.long")) == (Head(0, 0), [])


def test_what_is_no_number_stays_none(target: Warehouse) -> None:
    schema: dict[str, pl.DataType] = {"id": pl.String(), "v": pl.Float64()}
    create(target, "shop.floats", schema, ["id"])
    load(target, 1, rows_of(("a", float("nan")), schema=schema), schema=schema, table="shop.floats")
    ((_, found),) = contents(target, "shop.floats")
    assert math.isnan(found)


def test_many_rows_arrive(target: Warehouse) -> None:
    if isinstance(target, BatchOnly):
        pytest.skip("this made-up engine inserts row by row")
    frame = pl.DataFrame({"id": pl.int_range(MANY, eager=True).cast(pl.String), "v": pl.int_range(MANY, eager=True)})
    marked = frame.with_columns(pl.lit(value=False).alias(GONE))
    load(target, 1, Rows(MANY, dict(marked.schema), lambda: marked.iter_slices(50_000)), how="full")
    asked = exp.select(exp.Count(this=exp.Star()), exp.Sum(this=sql.column("v"))).from_(sql.table(TABLE))
    assert target.query(asked) == [(MANY, MANY * (MANY - 1) // 2)]


def test_loads_of_two_tables_at_once_are_both_done(target: Warehouse) -> None:
    consumers = {CONSUMER: TABLE, "shop.others@somewhere": "shop.others"}
    create(target, "shop.others", SCHEMA, ["id"])
    create_token(target, "shop.others@somewhere")

    @retry(retry=retry_if_exception_type(TransientError), stop=stop_after_attempt(20), reraise=True)
    def loaded(consumer: str, hop: int) -> None:
        token, rows = Token(consumer, hop, 7), rows_of((consumer, hop))
        if head(target, consumer).hop < hop:
            target.stage(token, rows)
            target.commit(token, 1, strategy("incremental")(plan(token, table=consumers[consumer])))

    def many(consumer: str) -> None:
        for hop in (1, 2, 3):
            loaded(consumer, hop)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(many, consumers))
    for consumer, table in consumers.items():
        assert (head(target, consumer), contents(target, table)) == (Head(3, 7), [(consumer, 3)])


class Death(BaseException):
    """Ends a load as the end of its process would."""


# Where an engine's calls go through.
SEAMS: dict[type[Warehouse], tuple[Any, str]] = {
    Postgres: (postgres_engine._Conversation, "_execute"),
    Duckdb: (duckdb_engine._Conversation, "all"),
    BatchOnly: (BatchOnly, "_send"),
    Redshift: (Client, "_wait"),
    Snowflake: (snowflake_engine._Conversation, "execute"),
}


def test_a_death_after_any_call_leaves_all_or_nothing(target: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    seam, name = SEAMS[type(target)]
    given = getattr(seam, name)
    before, hop, ends = [("a", 0)], 1, []
    load(target, 1, rows_of(("a", 0)))
    for last in itertools.count(1):
        calls = itertools.count(1)

        def dying(*arguments: Any, last: int = last, calls: Iterator[int] = calls) -> Any:
            result = given(*arguments)
            if next(calls) == last:
                raise Death
            return result

        with monkeypatch.context() as patch, suppress(Death):
            patch.setattr(seam, name, dying)
            load(target, hop + 1, rows_of(("a", last)), attempt=last)
            break
        done = head(target, CONSUMER) == Head(hop + 1, last)
        ends.append(done)
        assert done or head(target, CONSUMER).hop == hop
        before, hop = ([("a", last)], hop + 1) if done else (before, hop)
        assert contents(target) == before
    assert len(ends) > 2
    assert head(target, CONSUMER) == Head(hop + 1, last)
    assert contents(target) == [("a", last)]


def test_a_table_that_somebody_dropped_is_made_and_loaded_again(target: Warehouse) -> None:
    load(target, 1, rows_of(("a", 1)))
    target.apply([sql.drop(TABLE)])
    with pytest.raises(NotApplied, match="watershed apply"):
        load(target, 2, rows_of(("b", 2)))
    create(target, TABLE, SCHEMA, ["id"])
    load(target, 2, rows_of(("a", 1), ("b", 2)), how="full", attempt=8)
    assert (head(target, CONSUMER), contents(target)) == (Head(2, 8), [("a", 1), ("b", 2)])


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


def every(error: type[Exception]) -> list[type[Exception]]:
    return [error, *(found for child in error.__subclasses__() for found in every(child))]


CREDENTIALS = ("login", "password")


def test_wrong_credentials_are_a_matter_of_configuration(target: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    name = getattr(target, "conn_id", "")
    if isinstance(target, Duckdb | BatchOnly) or name in ("suite_redshift", "suite_snowflake"):
        pytest.skip("nobody signs in there")
    variable = f"AIRFLOW_CONN_{name.upper()}"
    given = json.loads(os.environ[variable])
    monkeypatch.setenv(variable, json.dumps(given | dict.fromkeys(CREDENTIALS, "wrong")))
    with pytest.raises(ConfigError, match="Check the connection"):
        type(target)(name).query(sql.count(TABLE))  # type: ignore[call-arg]


# What the text of a failed statement means, where there is nothing else to go by.
TEXTS: dict[str, type[WatershedError]] = {
    'ERROR: relation "shop.orders" does not exist': NotApplied,
    'ERROR: column "v" does not exist in orders': NotApplied,
    'ERROR: schema "shop" does not exist': NotApplied,
    "ERROR: permission denied for relation orders": ConfigError,
    "ERROR: 1023\n  DETAIL: Serializable isolation violation on table - 12, transactions": TargetUnavailable,
    'ERROR: Relation "orders" already exists': TargetUnavailable,
    "ERROR: Query (12) cancelled on user's request": TargetUnavailable,
    'ERROR: invalid input syntax for integer: "4711"': DataError,
    "ERROR: value too long for type character varying(256)": DataError,
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_data_api_says_has_a_meaning_and_shows_no_value(text: str) -> None:
    error = meaning("load", text)
    assert type(error) is TEXTS[text]
    assert "4711" not in str(error)


SNOWFLAKE: list[tuple[type[snowflake_errors.Error], int, type[WatershedError]]] = [
    (snowflake_errors.ProgrammingError, 2003, NotApplied),
    (snowflake_errors.ProgrammingError, 904, NotApplied),
    (snowflake_errors.ProgrammingError, 3001, ConfigError),
    (snowflake_errors.ProgrammingError, 606, ConfigError),
    (snowflake_errors.ProgrammingError, 625, TargetUnavailable),
    (snowflake_errors.DatabaseError, 250001, ConfigError),
    (snowflake_errors.OperationalError, 250001, TargetUnavailable),
    (snowflake_errors.OperationalError, 250003, TargetUnavailable),
    (snowflake_errors.InterfaceError, 252005, TargetUnavailable),
    (snowflake_errors.ProgrammingError, 100038, DataError),
]


@pytest.mark.parametrize(("kind", "number", "ours"), SNOWFLAKE)
def test_snowflakes_numbers_have_a_meaning(
    kind: type[snowflake_errors.Error], number: int, ours: type[WatershedError]
) -> None:
    with pytest.raises(WatershedError) as told, snowflake_engine._translated("load"):
        raise kind(msg="Numeric value '4711' is not recognized", errno=number)
    assert type(told.value) is ours
    assert ours is not DataError or "4711" not in str(told.value)


def test_an_external_stage_shows_snowflake_the_staging_zone(ask: Ask) -> None:
    ask("bucket")
    target, before = snowflake_of(ask), list(ZoneStore(Zone.STAGING).list())
    create(target, TABLE, SCHEMA, ["id"])
    create_token(target, CONSUMER)
    with target._talk("prepare") as talk:  # type: ignore[attr-defined]
        talk.execute(f"CREATE STAGE SHOP.PARTS URL = '{ZoneStore(Zone.STAGING).uri()}'")
    given = json.loads(os.environ["AIRFLOW_CONN_SUITE_SNOWFLAKE"])
    given["extra"]["watershed_stage"] = "SHOP.PARTS"
    connect("snowflake", given, ask)
    load(target, 1, rows_of(("a", 1), ("b", 2), ("c", None)))
    load(target, 2, rows_of())
    assert contents(target) == [("a", 1), ("b", 2), ("c", None)]
    assert list(ZoneStore(Zone.STAGING).list()) == before  # what dead loads of other tests have left is retention's


# What is said by more than its branch of the database interface (PEP 249), where only outages are worth a retry.
EXACT: dict[Any, dict[str, type[WatershedError]]] = {
    psycopg: {
        "UndefinedTable": NotApplied,
        "UndefinedColumn": NotApplied,
        "InvalidSchemaName": NotApplied,
        "InvalidAuthorizationSpecification": ConfigError,
        "InvalidPassword": ConfigError,
        "InsufficientPrivilege": ConfigError,
        "InvalidCatalogName": ConfigError,
        "InterfaceError": TargetUnavailable,
    },
    duckdb: {
        "CatalogException": NotApplied,
        "BinderException": NotApplied,
        "PermissionException": ConfigError,
        "OutOfMemoryException": MachineUnavailable,
        "FatalException": TargetUnavailable,
        "InterruptException": TargetUnavailable,
    },
}
MEANINGS = {psycopg: postgres_engine.MEANINGS, duckdb: duckdb_engine.MEANINGS}


@pytest.mark.parametrize("driver", EXACT, ids=lambda driver: driver.__name__)
def test_every_error_of_a_driver_has_a_meaning(driver: Any) -> None:
    for error in every(driver.Error):
        outage = issubclass(error, driver.OperationalError | driver.InternalError)
        wanted = EXACT[driver].get(error.__name__, TargetUnavailable if outage else DataError)
        with pytest.raises(WatershedError) as told, translated("load", MEANINGS[driver]):
            raise error("x")
        assert type(told.value) is wanted, error
