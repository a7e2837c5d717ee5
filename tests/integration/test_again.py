"""Replay, plan and backfill: what is done again gives the same table, and a plan tells what the run then does."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError
from common.core.nouns import Dataset
from common.ledger.database import transaction
from common.ledger.refusals import Filter
from common.pipelines import gold
from common.repair.decide import backfill, discard, redrive, replay
from common.repair.partitions import partitions
from common.upkeep.verify import verify
from tests.world import World, by, other_contract

RUN = CliRunner()
HEAD = "customer_id,date,number_of_cds,dollar_value\n"
USERS = "customer_id,name,email,country,signed_up_on,updated_at\n"
PURCHASES, DAILY = Dataset("ecommerce", "transactions"), Dataset("ecommerce", "daily_revenue")


def told(*arguments: str) -> Any:
    result = RUN.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.output)


def batch_of(world: World, asset: str, file: str = "") -> str:
    return str(told("batches", asset, "--file", file)[0]["id"])


def tables(world: World) -> dict[str, pl.DataFrame]:
    names = [r[0] for r in world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'ecommerce'")]
    loaded = {name: pl.DataFrame(sorted(map(str, world.rows(f"SELECT * FROM ecommerce.{name}")))) for name in names}
    silver = {name: world.silver(name).sort("_file", "_record") for name in ("transactions", "users")}
    return loaded | silver


@pytest.fixture
def filled(world: World) -> World:
    """Two months of purchases with a bad line each, and a user who was updated."""
    for month in ("01", "02"):
        lines = "".join(f"0000{n},1997{month}0{n},1,{n}.00\n" for n in range(1, 5))
        world.land(f"transactions/{month}.csv", f"{HEAD}{lines}short {month}\n".encode())
    world.land(
        "users/1.csv",
        f"{USERS}00001,A,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n00002,B,b@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n".encode(),
    )
    world.flow()
    world.land("users/2.csv", f"{USERS}00001,New,a@x.com,se,1996-01-01,1998-01-01T00:00:00Z\n".encode())
    world.flow()
    return world


@pytest.mark.parametrize(
    ("asset", "file"),
    [
        ("ecommerce.transactions.bronze", "01.csv"),
        ("ecommerce.users.bronze", "1.csv"),
        ("ecommerce.users.bronze", "2.csv"),
    ],
)
def test_a_replay_gives_the_same_tables_as_planned(filled: World, asset: str, file: str) -> None:
    before, batch = tables(filled), batch_of(filled, asset, file)
    (planned,) = told("plan", "replay", batch)
    replay(batch, "", by("to be sure"))
    done = filled.flow()[planned["consumer"]]
    assert {name: planned[name] for name in vars(done)} == vars(done)
    assert done.good == 0
    assert done.taken > 0
    after = tables(filled)
    for name, table in before.items():
        assert table.equals(after[name]), name
    assert filled.rows("SELECT sum(count) FROM refusal WHERE state = 'open'", "ledger") == [(2,)], (
        "refusals are not doubled"
    )
    assert list(verify()) == []


def test_tables_and_consumers_are_named_by_their_beginning(filled: World) -> None:
    del filled
    assert [plan["consumer"] for plan in told("plan", "hop", "ecommerce.users.s")] == ["ecommerce.users.silver"]
    loads = {plan["consumer"] for plan in told("plan", "load", "ecommerce.daily_rev")}
    assert loads == {"ecommerce.daily_revenue@warehouse", "ecommerce.daily_revenue@duckdb"}
    whole = told("backfill", "status", "ecommerce.transactions")
    assert told("backfill", "status", "ecommerce.tr") == whole
    several = RUN.invoke(app, ["backfill", "status", "ecommerce.d"])
    assert isinstance(several.exception, ConfigError)
    assert "Several tables begin with 'ecommerce.d'" in str(several.exception)


def test_a_replay_after_a_mended_contract_replaces_what_the_file_gave(filled: World, tmp_path: Path) -> None:
    batch = batch_of(filled, "ecommerce.transactions.bronze", "01.csv")
    with other_contract(filled, tmp_path, "transactions", lambda text: text.replace("minimum: 0,", "minimum: 3,")):
        replay(batch, "", by("small amounts are tests"))
        done = filled.flow()["ecommerce.transactions.silver"]
        assert (done.taken, done.merged, done.refused) == (5, 2, 3)
        amounts = filled.rows("SELECT amount::int FROM ecommerce.fact_transactions ORDER BY purchased_on")
        assert [a for (a,) in amounts] == [3, 4, 1, 2, 3, 4]
        assert filled.rows("SELECT sum(revenue)::int FROM ecommerce.daily_revenue") == [(17,)]


def test_a_replay_up_to_the_warehouse_does_every_hop_again(filled: World) -> None:
    before = tables(filled)
    with transaction() as connection:
        connection.exec_driver_sql("SELECT 1")
    replay(batch_of(filled, "ecommerce.transactions.bronze", "01.csv"), "warehouse", by("the warehouse was restored"))
    done = filled.flow()
    assert done["ecommerce.fact_transactions@warehouse"].taken == 8
    for name, table in tables(filled).items():
        assert table.equals(before[name]), name
    assert list(verify()) == []


def test_what_a_replay_cannot_do_is_said(filled: World) -> None:
    with pytest.raises(ConfigError, match=r"only batches of bronze, silver, gold are replayed"):
        replay(batch_of(filled, "ecommerce.users.raw"), "", by("x"))
    with pytest.raises(ConfigError, match=r"There is no batch nonsense"):
        replay("nonsense", "", by("x"))
    with pytest.raises(ConfigError, match=r"Zone 'silver' does not come after silver. Known: gold, warehouse"):
        replay(batch_of(filled, "ecommerce.users.silver"), "silver", by("x"))
    with pytest.raises(
        ConfigError, match=r"Zone 'warehose' does not come after bronze. Known: silver, gold, warehouse"
    ):
        replay(batch_of(filled, "ecommerce.users.bronze", "1.csv"), "warehose", by("a slip"))
    replay(batch_of(filled, "ecommerce.users.bronze", "1.csv"), "", by("once"))
    filled.flow()
    with pytest.raises(ConfigError, match="replay that one"):
        replay(batch_of(filled, "ecommerce.users.bronze", "1.csv"), "", by("a replay of a replay"))


def test_the_plan_of_waiting_hops_tells_what_they_then_do(filled: World) -> None:
    filled.land("transactions/03.csv", f"{HEAD}00001,19970301,1,5.00\nshort\n".encode())
    filled.land("transactions/again.csv", f"{HEAD}00001,19970301,1,5.00\nshort\n".encode())
    from common.pipelines.look import look

    look("ecommerce")
    for stage, consumer in (
        ("bronze", "ecommerce.transactions.bronze"),
        ("silver", "ecommerce.transactions.silver"),
        ("gold", "ecommerce.daily_revenue.gold"),
        ("load", "ecommerce.daily_revenue@warehouse"),
    ):
        before = filled.keys("")
        (planned,) = told("plan", "load", consumer) if stage == "load" else told("plan", "hop", consumer)
        assert filled.keys("") == before, "a plan writes nothing"
        done = filled.flow(stage)[consumer]
        assert {name: planned[name] for name in vars(done)} == vars(done), consumer
    assert told("plan", "hop", consumer)[0]["taken"] == 0


def test_partitions_are_backfilled_by_state(filled: World, tmp_path: Path) -> None:
    with transaction() as connection:
        found = {p.partition: p.state for p in partitions(connection, PURCHASES, "1996-12", "1997-03")}
    assert found == {"1996-12": "missing", "1997-01": "failed", "1997-02": "failed", "1997-03": "missing"}
    before = tables(filled)
    assert len(backfill(PURCHASES, "1997-01", "1997-01", (), by("to be sure"))) == 1
    assert filled.flow()["ecommerce.transactions.silver"].taken == 5
    assert backfill(PURCHASES, "1996-12", "1996-12", (), by("nothing is there")) == []
    with other_contract(
        filled, tmp_path, "transactions", lambda text: text.replace("version: 1.0.0", "version: 1.0.1")
    ):
        with transaction() as connection:
            states = partitions(connection, PURCHASES)
        assert [p.state for p in states] == ["failed", "failed"]
        assert backfill(PURCHASES, "", "", ("stale",), by("stale only")) == []
    with pytest.raises(ConfigError, match=r"'1997' is no month: expected as in 2026-01"):
        backfill(PURCHASES, "1997", "1997-02", (), by("x"))
    with pytest.raises(ConfigError, match=r"No state broken to backfill. Known: missing, failed, stale"):
        backfill(PURCHASES, "", "", ("broken",), by("x"))
    for name, table in tables(filled).items():
        assert table.equals(before[name]), name


def test_slices_of_a_gold_table_are_computed_again(filled: World, tmp_path: Path) -> None:
    (row,) = told("backfill", "plan", "ecommerce.daily_revenue", "--from", "1997-02", "--to", "1997-02")
    assert row["consumer"] == "ecommerce.daily_revenue.gold"
    before = tables(filled)
    backfill(DAILY, "1997-02", "1997-02", (), by("to be sure"))
    done = filled.flow()
    assert "ecommerce.daily_revenue.gold" in done
    for name, table in tables(filled).items():
        assert table.equals(before[name]), name
    with other_contract(
        filled,
        tmp_path,
        "daily_revenue",
        lambda text: text.replace("count(DISTINCT customer_id)", "count(DISTINCT customer_id) + 1"),
    ):
        with transaction() as connection:
            assert {p.state for p in partitions(connection, DAILY)} == {"stale"}
        backfill(DAILY, "", "", ("stale",), by("the model was mended"))
        filled.flow()
        assert filled.rows("SELECT DISTINCT customers FROM ecommerce.daily_revenue") == [(2,)], "with no new input"


def test_lineage_leads_from_a_warehouse_row_to_file_and_line_and_back(filled: World) -> None:
    (origin,) = told(
        "lineage",
        "up",
        "ecommerce.fact_transactions@warehouse",
        "--where",
        "amount = 3 AND purchased_on = DATE '1997-02-03'",
    )
    assert (origin["file"], origin["line"], origin["dataset"]) == (
        "ecommerce/transactions/02.csv",
        4,
        "ecommerce.transactions",
    )
    (user,) = told("lineage", "up", "ecommerce.dim_users", "--where", "customer_id = '00001'")
    assert (user["file"], user["line"]) == ("ecommerce/users/2.csv", 2)
    down = told("lineage", "down", "s3://watershed/raw/ecommerce/transactions/02.csv")
    assert {row["asset"] for row in down} >= {
        "ecommerce.transactions.raw",
        "ecommerce.transactions.silver",
        "ecommerce.daily_revenue@warehouse",
    }
    up = told("lineage", "up", "ecommerce.daily_revenue@warehouse")
    assert {"ecommerce/transactions/01.csv", "ecommerce/transactions/02.csv"} <= {row["origin"] for row in up}
    for wrong, why in (
        (("no.such.table",), "knows of no batch, file or table"),
        (("ecommerce.users", "--where", "nonsense ="), "is no condition"),
        (("ecommerce.users", "--where", "customer_id = 'x'"), "No row of"),
    ):
        result = RUN.invoke(app, ["lineage", "up", *wrong])
        assert isinstance(result.exception, ConfigError)
        assert why in str(result.exception)


def test_rows_that_a_replay_refused_are_sent_again_and_the_others_of_their_file_stay(filled: World) -> None:
    before = tables(filled)
    replay(batch_of(filled, "ecommerce.transactions.bronze", "01.csv"), "", by("to be sure"))
    filled.flow()
    assert redrive(Filter(consumer="ecommerce.transactions"), by("try again"))
    filled.flow()
    for name, table in tables(filled).items():
        assert table.equals(before[name]), name
    assert filled.rows("SELECT sum(count) FROM refusal WHERE state = 'open'", "ledger") == [(2,)]
    assert list(verify()) == []


def test_slices_asked_for_after_a_change_of_the_model_leave_none_of_the_old_model(
    filled: World, tmp_path: Path
) -> None:
    def mended(text: str) -> str:
        return text.replace("count(DISTINCT customer_id)", "count(DISTINCT customer_id) + 1")

    with other_contract(filled, tmp_path, "daily_revenue", mended):
        backfill(DAILY, "1997-02", "1997-02", (), by("the model was mended"))
        filled.flow()
        assert filled.rows("SELECT DISTINCT customers FROM ecommerce.daily_revenue") == [(2,)]


def test_a_backfill_of_more_slices_than_a_predicate_can_name_is_done(
    filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(filled)
    monkeypatch.setattr(gold, "MOST_SLICES", 1)
    named: list[str | None] = []
    real = gold.replace_slices
    monkeypatch.setattr(gold, "replace_slices", lambda *a: (named.append(a[2]), real(*a)))
    backfill(DAILY, "1997-01", "1997-02", (), by("to be sure"))
    filled.flow()
    assert named == [None]
    for name, table in tables(filled).items():
        assert table.equals(before[name]), name


def test_a_backfill_of_an_empty_range_does_nothing(filled: World) -> None:
    assert backfill(DAILY, "2020-01", "2020-02", (), by("nothing is there")) == []
    assert backfill(DAILY, "", "", ("failed",), by("nothing failed")) == []
    result = RUN.invoke(app, ["replay", "nonsense", "--why", "x"])
    assert isinstance(result.exception, ConfigError)


def test_a_replay_that_would_miss_what_a_person_discarded_is_held_back(filled: World, tmp_path: Path) -> None:
    discard(Filter(reason="short_row"), by("test lines"))
    rule = '  - {property: dialect, value: {quote: "\'"}}\n'
    with other_contract(filled, tmp_path, "transactions", lambda text: text + rule):
        replay(batch_of(filled, "ecommerce.transactions.bronze", "01.csv"), "", by("other quotes"))
        before = tables(filled)
        filled.flow()
        for name, table in tables(filled).items():
            assert table.equals(before[name]), name
        (held,) = told("parked", "ls")
        assert "cannot be told from the others" in held["detail"]
