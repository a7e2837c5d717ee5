"""Files through the real hops: bronze, quarantine, silver, gold and both warehouses."""

import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import duckdb
import polars as pl
import psycopg
import pytest
from sqlglot import exp

from common.core.assets import Zone
from common.core.errors import CommitConflict, ConfigError, NotApplied, TargetUnavailable, TerminalError
from common.core.nouns import Counts
from common.pipelines.kinds import consumer_named, step_of
from common.pipelines.work import check_configuration, drained, mark, work
from common.quality.split import Split
from common.refine.latest import Winners
from common.warehouses import sql
from common.warehouses.postgres import Postgres
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows
from common.zones.store import Changed, ZoneStore, client, storage_options
from tests.world import World

HEAD = "customer_id,date,number_of_cds,dollar_value\n"
ONE = HEAD + "00001,19970101,1,11.77\n"


def purchases(*lines: str) -> bytes:
    return (HEAD + "".join(f"{line}\n" for line in lines)).encode()


def refusals(world: World) -> list[tuple[str, int]]:
    rows = world.rows("SELECT reason, sum(count)::int FROM refusal GROUP BY reason ORDER BY reason", "ledger")
    return [(reason, count) for reason, count in rows]


def test_bronze_is_the_same_bytes_and_raw_is_emptied(world: World) -> None:
    world.land("transactions/a/p.csv", ONE.encode())
    done = world.flow("bronze")
    assert done["ecommerce.transactions.bronze"] == Counts(1, 1, 0, 0)
    (key,) = world.keys("bronze/")
    content = client().get_object(Bucket=world.env["WATERSHED_BUCKET"], Key=key)["Body"].read()
    assert content == ONE.encode()
    assert world.keys("raw/") == []


def test_equal_names_do_not_overwrite_and_equal_content_is_not_loaded_twice(world: World) -> None:
    world.land("transactions/a/part-0.csv", ONE.encode())
    world.land("transactions/b/part-0.csv", purchases("00002,19970102,2,5.00"))
    world.land("transactions/c/other.csv", ONE.encode())
    assert world.flow("bronze")["ecommerce.transactions.bronze"] == Counts(3, 2, 1, 0)
    world.land("transactions/d/again.csv", ONE.encode())
    assert world.flow("bronze")["ecommerce.transactions.bronze"] == Counts(1, 0, 1, 0)
    world.flow()
    assert world.rows("SELECT count(*), sum(amount)::text FROM ecommerce.fact_transactions") == [(2, "16.77")]


@pytest.mark.parametrize(
    "key",
    [
        "transactions/with space/a+b%20c.csv",
        "transactions/ünï/ø=1&2;3.csv",
        "transactions/" + "d/" * 200 + "x" * 500 + ".csv",
    ],
)
def test_every_key_that_s3_allows_arrives(world: World, key: str) -> None:
    world.land(key, ONE.encode())
    world.flow()
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(1,)]
    assert all(len(found.encode()) <= 1024 for found in world.keys(""))


def test_unreadable_files_are_kept_with_their_reason(world: World) -> None:
    world.land("transactions/empty.csv", b"")
    world.land("transactions/rubbish.csv", bytes(range(256)) * 10)
    world.land("transactions/schema.csv", b"a,b\n1,2\n")
    world.land("transactions/schema.json", b'[{"a": 1}, {"b": 2}]')
    world.land("nowhere/x.csv", b"a,b\n1,2\n")
    world.land("transactions/folder/", b"")
    world.flow()
    assert refusals(world) == [("binary", 1), ("empty", 1), ("schema", 2), ("unrouted", 1)]
    for place, reason in world.rows("SELECT place, reason FROM refusal", "ledger"):
        key = urlsplit(place).path.lstrip("/")
        bucket = world.env["WATERSHED_BUCKET"]
        client().head_object(Bucket=bucket, Key=key)
        why = json.loads(client().get_object(Bucket=bucket, Key=f"{key.rsplit('/', 1)[0]}/_reason.json")["Body"].read())
        assert why["reason"] == reason
    assert world.keys("raw/") == ["raw/ecommerce/transactions/folder/"]


def test_refused_rows_keep_the_bytes_of_the_source_at_their_offset(world: World) -> None:
    content = purchases("00001,19970101,1,11.77", "short", "00002,19979999,1,1.00", "00003,19970103,1,-2.00")
    world.land("transactions/p.csv", content)
    done = world.flow()
    assert done["ecommerce.transactions.silver"] == Counts(4, 1, 0, 3)
    (place,) = {row[0] for row in world.rows("SELECT place FROM refusal", "ledger")}
    rows = pl.read_parquet(place, storage_options=storage_options()).sort("line")
    assert rows.select("line", "reason", "column", "value").rows() == [
        (3, "short_row", None, None),
        (4, "type", "purchased_on", "19979999"),
        (5, "minimum", "amount", "-2.00"),
    ]
    for row in rows.iter_rows(named=True):
        assert content[row["offset"] :].startswith(row["text"])
        assert row["file"] in {key.removeprefix("bronze/") for key in world.keys("bronze/")}


def test_a_later_row_of_a_user_is_the_current_one_everywhere_and_the_earlier_stays_history(world: World) -> None:
    head = "customer_id,name,email,country,signed_up_on,updated_at\n"
    late = head + "00001,New,n@x.com,se,1996-01-01,1998-01-01T00:00:00Z\n"
    early = head + "00001,Old,o@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n00002,B,b@x.com,us,1996-01-01,1997-01-01\n"
    world.land("users/late.csv", late.encode())
    world.flow()
    world.land("users/early.csv", (early.rstrip() + "T00:00:00Z\n").encode())
    assert world.flow()["ecommerce.users.silver"] == Counts(2, 2, 0, 0)
    assert world.rows("SELECT customer_id, name FROM ecommerce.dim_users ORDER BY 1") == [
        ("00001", "New"),
        ("00002", "B"),
    ]
    assert world.rows("SELECT country, customers FROM ecommerce.dim_country ORDER BY 1") == [("SE", 1), ("US", 1)]
    world.land("users/move.csv", (head + "00002,B,b@x.com,se,1996-01-01,1999-01-01T00:00:00Z\n").encode())
    world.flow()
    assert world.rows("SELECT country, customers FROM ecommerce.dim_country") == [("SE", 2)]
    interval = "extract(year FROM valid_from)::int, extract(year FROM valid_to)::int, is_current"
    assert world.rows(f"SELECT name, country, {interval} FROM ecommerce.users_history ORDER BY 1, 3") == [
        ("B", "US", 1997, 1999, False),
        ("B", "SE", 1999, None, True),
        ("New", "SE", 1998, None, True),
        ("Old", "US", 1997, 1998, False),
    ]


def test_one_more_row_changes_exactly_that_row_and_rewrites_no_other_partition(world: World) -> None:
    world.land(
        "transactions/1.csv", purchases("00001,19970101,1,1.00", "00001,19970102,1,2.00", "00002,19970201,1,3.00")
    )
    world.flow()
    before = {key for key in world.keys("gold/ecommerce/fact_transactions/") if "1997-02" in key}
    told = world.rows("SELECT day::text, revenue::text FROM ecommerce.daily_revenue ORDER BY 1")
    world.land("transactions/2.csv", purchases("00003,19970102,1,5.00"))
    done = world.flow()
    assert done["ecommerce.fact_transactions.gold"] == Counts(1, 1, 0, 0)
    assert done["ecommerce.daily_revenue@warehouse"] == Counts(1, 0, 1, 0)
    after = {key for key in world.keys("gold/ecommerce/fact_transactions/") if "1997-02" in key}
    assert after == before
    assert world.rows("SELECT day::text, revenue::text FROM ecommerce.daily_revenue ORDER BY 1") == [
        told[0],
        ("1997-01-02", "7.00"),
        told[2],
    ]
    with duckdb.connect(json.loads(world.env["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"]) as connection:
        found = connection.execute("SELECT sum(revenue)::VARCHAR, count(*) FROM ecommerce.daily_revenue").fetchall()
    assert found == [("11.00", 3)]


def test_doing_it_again_or_twice_at_once_changes_nothing(world: World) -> None:
    world.land("transactions/1.csv", purchases(*(f"{n:05d},19970101,1,1.00" for n in range(200))))
    world.flow("bronze")
    hop = "ecommerce.transactions.silver"
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(work, consumer_named(hop), f"run-{n}", "r") for n in range(4)]
        outcomes = [f.exception() or f.result()[0] for f in found]
    assert sum(getattr(outcome, "hops", []) == [1] for outcome in outcomes) == 1, outcomes
    assert world.silver("transactions").height == 200
    world.flow()
    assert world.flow() == {}
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(200,)]


def test_a_second_attempt_cannot_publish_on_delta_or_in_the_warehouse(world: World) -> None:
    world.land("transactions/1.csv", ONE.encode())
    world.flow()
    for hop in (
        "ecommerce.transactions.silver",
        "ecommerce.fact_transactions.gold",
    ):
        step = step_of(consumer_named(hop))
        assert step.head().hop == 1
        with pytest.raises(CommitConflict):
            step.table.properties(1, 42)  # type: ignore[attr-defined]
    for to in ("warehouse", "duckdb"):
        load = step_of(consumer_named(f"ecommerce.fact_transactions@{to}"))
        with pytest.raises(CommitConflict):
            load.warehouse.commit(Token(load.consumer.name, 1, 42), None, [])  # type: ignore[attr-defined]


def test_rows_that_the_server_loses_after_staging_are_staged_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of PostgreSQL empties unlogged tables: an outage, which stops nothing and opens no incident."""
    world.land("transactions/1.csv", ONE.encode())
    world.flow("bronze", "silver", "gold")
    hop, real = "ecommerce.fact_transactions@warehouse", Postgres.stage

    def lost(self: Postgres, token: Token, rows: Rows) -> None:
        real(self, token, rows)
        self.apply([exp.delete(sql.table(token.staging))])
        monkeypatch.setattr(Postgres, "stage", real)

    monkeypatch.setattr(Postgres, "stage", lost)
    with pytest.raises(TargetUnavailable, match="has 0 rows"):
        world.do(hop)
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(0,)]
    counted = world.do(hop)
    assert counted.good == counted.taken > 0
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(counted.taken,)]
    assert world.rows("SELECT kind FROM incident", "ledger") == []


def test_a_file_that_changes_before_it_is_read_is_superseded_not_mixed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.land("transactions/1.csv", ONE.encode())
    real, newer = ZoneStore.download, purchases("00009,19970109,9,9.00")

    def overwritten(self: ZoneStore, key: str, to: object, etag: str) -> None:
        if self.zone is Zone.RAW:
            world.land("transactions/1.csv", newer)
            monkeypatch.setattr(ZoneStore, "download", real)
        real(self, key, to, etag)  # type: ignore[arg-type]

    monkeypatch.setattr(ZoneStore, "download", overwritten)
    assert world.flow("bronze")["ecommerce.transactions.bronze"] == Counts(1, 0, 0, 1)
    assert world.rows("SELECT kind FROM incident", "ledger") == [("superseded",)]
    world.flow()
    assert world.rows("SELECT customer_id FROM ecommerce.fact_transactions") == [("00009",)]


def test_conditional_reads_and_deletes_touch_only_what_was_listed(world: World) -> None:
    raw = ZoneStore(Zone.RAW)
    world.land("transactions/1.csv", b"one")
    listed = next(raw.list("ecommerce/"))
    world.land("transactions/1.csv", b"two")
    with pytest.raises(Changed):
        raw.delete(listed.key, listed.etag)
    with pytest.raises(Changed):
        raw.download(listed.key, world.folder / "x", listed.etag)
    assert raw.read(listed.key) == b"two"
    assert raw.put_once("ecommerce/new", b"1")
    assert not raw.put_once("ecommerce/new", b"2")
    assert raw.read("ecommerce/new") == b"1"
    assert raw.read("ecommerce/none") is None


def test_a_missing_table_names_the_command_that_makes_it(world: World) -> None:
    world.land("transactions/1.csv", ONE.encode())
    world.flow("bronze", "silver", "gold")
    with psycopg.connect(world.env["WAREHOUSE_URL"]) as connection:
        connection.execute("DELETE FROM watershed.load_token")
    with pytest.raises(NotApplied, match="watershed apply"):
        world.flow("load")


def test_the_master_waits_until_drained_and_names_what_is_parked(world: World) -> None:
    world.land("transactions/1.csv", ONE.encode())
    upto = mark("ecommerce", "bronze")
    assert not drained("ecommerce", "bronze", upto)
    world.flow("bronze")
    assert drained("ecommerce", "bronze", upto)
    upto = mark("ecommerce", "silver")
    with psycopg.connect(world.env["WATERSHED_LEDGER_URL"].replace("+psycopg", "")) as connection:
        connection.execute(
            "INSERT INTO incident (kind, consumer, batch, detail) "
            "SELECT 'parked', 'ecommerce.transactions.silver', id, '' FROM batch WHERE asset = 'ecommerce.transactions.bronze'"
        )
    with pytest.raises(TerminalError, match=r"parked batches .* of ecommerce\.transactions\.silver"):
        drained("ecommerce", "silver", upto)


def test_configuration_is_checked_before_anything_starts(world: World) -> None:
    assert check_configuration("ecommerce", ["load", "bronze"])["stages"] == ["bronze", "load"]
    with pytest.raises(ConfigError, match=r"No stage 'platinum' in ecommerce\. Known: bronze, silver, gold, load"):
        check_configuration("ecommerce", ["platinum"])
    with pytest.raises(ConfigError, match="No stage was asked for"):
        check_configuration("ecommerce", [])


@pytest.mark.parametrize(
    ("where", "name"),
    [("common.refine.spool", "apply"), ("common.refine.local", "winners"), ("common.refine.local", "stage_parts")],
)
def test_a_transform_that_drops_rows_reaches_no_table(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str, name: str
) -> None:
    """Broken on purpose: rows vanish while they are checked, while the latest are chosen, while parts are written."""
    module = importlib.import_module(where)
    real = getattr(module, name)

    def broken(*arguments: Any) -> Any:
        if name == "stage_parts":
            table, frames, *rest = arguments
            return real(table, [rows.head(1) for rows in frames], *rest)
        match found := real(*arguments):
            case Split():
                return replace(found, good=found.good.head(1))
            case Winners():
                return replace(found, new_rows=[rows.head(1) for rows in found.new_rows])
            case _:
                return found.head(1)

    monkeypatch.setattr(module, name, broken)
    world.land("transactions/1.csv", purchases("00001,19970101,1,1.00", "00002,19970102,1,2.00"))
    head = "customer_id,name,email,country,signed_up_on,updated_at\n"
    lines = "".join(f"0000{n},A,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n" for n in (1, 2))
    world.land("users/1.csv", (head + lines).encode())
    world.flow()
    dataset = "users" if name == "winners" else "transactions"
    assert world.silver(dataset).is_empty()
    (said,) = world.rows(f"SELECT detail FROM incident WHERE consumer = 'ecommerce.{dataset}.silver'", "ledger")
    assert "ConservationError" in said[0]
    assert "Nothing was published" in said[0]
