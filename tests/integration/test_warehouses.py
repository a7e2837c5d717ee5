"""What every warehouse does, whichever it is: a new engine joins by one line in ENGINES."""

import itertools
import json
import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from sqlglot import exp
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from common.core.assets import Zone
from common.core.errors import (
    CommitConflict,
    ConfigError,
    ConservationError,
    DataError,
    NotApplied,
    TargetUnavailable,
    TransientError,
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
from common.warehouses.data_api import Client
from common.warehouses.definition import create
from common.warehouses.duckdb import Duckdb
from common.warehouses.postgres import Postgres
from common.warehouses.redshift import Redshift
from common.warehouses.snowflake import Snowflake
from common.warehouses.sql import Token
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
