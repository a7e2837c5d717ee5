"""Upkeep beside running hops: what readers and consumers need stays, what only lost attempts wrote goes."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from deltalake import DeltaTable

from common.core.assets import Zone
from common.core.clock import now
from common.core.errors import CommitConflict, UnknownFeature
from common.core.nouns import Dataset
from common.core.settings import settings
from common.lake import upkeep as lake
from common.lake.table import LakeTable, current_version
from common.ledger.claims import Claim, claim
from common.ledger.consumers import lock
from common.ledger.database import drop_tables, engine, transaction
from common.pipelines.kinds import all_consumers, consumer_named
from common.upkeep import retain
from common.upkeep.apply import apply
from common.upkeep.rebuild import rebuild
from common.upkeep.verify import verify
from common.zones.store import ZoneStore, client, storage_options
from tests.world import World, forget

vacuum = lake.vacuum
HEAD = "customer_id,date,number_of_cds,dollar_value\n"


def land(world: World, n: int) -> None:
    world.land(f"transactions/{n}.csv", f"{HEAD}{n:05d},19970101,1,1.00\nshort\n".encode())


def uri() -> str:
    return ZoneStore(Zone.SILVER).uri("ecommerce/transactions")


def table() -> LakeTable:
    return LakeTable(Zone.SILVER, Dataset("ecommerce", "transactions"), "upkeep")


def test_small_files_are_joined_and_nothing_is_loaded_again(world: World) -> None:
    for n in range(4):
        land(world, n)
        world.flow()
    assert lake.compact(table(), most=2) == 4
    assert world.silver("transactions").height == 4
    assert not any(counts.taken for counts in world.flow().values())
    land(world, 9)
    world.flow()
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(5,)]
    assert list(verify()) == []


def test_a_table_that_cannot_be_compacted_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake.compact, "__defaults__", (0,))
    users = (
        "customer_id,name,email,country,signed_up_on,updated_at\n{:05d},A,a@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n"
    )
    for n in range(3):
        land(world, n)
        world.land(f"users/{n}.csv", users.format(n).encode())
        world.flow()
    of_users = ZoneStore(Zone.SILVER).uri("ecommerce/users")
    DeltaTable(uri(), storage_options=storage_options()).alter.set_table_properties({"delta.appendOnly": "true"})
    forget()
    before = len(DeltaTable(of_users, storage_options=storage_options()).file_uris())
    with pytest.raises(UnknownFeature, match=re.escape(uri())):
        retain.compact()
    assert len(DeltaTable(of_users, storage_options=storage_options()).file_uris()) == 1 < before


def test_compaction_and_retention_run_beside_hops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake, "SMALL_FILES", 0)
    land(world, 0)
    world.flow()
    with ThreadPoolExecutor(1) as pool:
        for n in range(1, 6):
            land(world, n)
            beside = pool.submit(lambda: [lake.compact(table(), most=0), *retain.retain()])
            for _ in range(5):
                try:
                    world.flow()
                    break
                except CommitConflict:
                    continue
            beside.result()
    world.flow()
    assert world.silver("transactions").height == 6
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(6,)]
    assert list(verify()) == []


def test_what_lost_attempts_wrote_goes_and_what_winners_wrote_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(world, 1)
    world.flow()
    lost = [
        "quarantine/rows/ecommerce.transactions.silver/1/42/0.parquet",
        "quarantine/files/ecommerce.transactions.bronze/1/42/batch/_reason.json",
        "manifests/ecommerce.transactions.silver/1/42.json",
    ]
    part = "silver/ecommerce/transactions/purchased_on_month=1997-01/1/42/0.parquet"
    for key in [*lost, part]:
        client().put_object(Bucket=settings().bucket, Key=key, Body=b"x")
    before = set(world.keys(""))
    retain.retain()
    assert set(world.keys("")) == before, "too young"
    grow_old(monkeypatch)
    retain.retain()
    assert before - set(world.keys("")) == set(lost)
    assert vacuum(uri(), current_version(uri()), timedelta(0), now()) == 1
    assert before - set(world.keys("")) == {*lost, part}
    assert list(verify()) == []


def grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything be older than it must be kept; the tables' own files are on delta-rs's clock."""
    later = now() + timedelta(hours=settings().retention_hours + 1)
    monkeypatch.setattr(retain, "clock", lambda _: later)
    monkeypatch.setattr(lake, "vacuum", lambda *_: 0)


def test_a_ledger_that_lacks_a_hop_of_its_target_removes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    land(world, 1)
    world.flow()
    before = set(world.keys(""))
    grow_old(monkeypatch)
    drop_tables()
    apply()
    retain.retain()
    assert set(world.keys("")) == before
    rebuild("tester")
    retain.retain()
    assert list(verify()) == []


def test_nothing_of_a_hop_that_has_long_been_open_is_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    land(world, 1)
    world.flow("bronze")
    held = open_hop_of("ecommerce.transactions.silver")
    staged = f"quarantine/rows/{held.consumer}/{held.hop}/{held.attempt}/0.parquet"
    client().put_object(Bucket=settings().bucket, Key=staged, Body=b"x")
    with engine().begin() as connection:
        connection.exec_driver_sql("UPDATE hop SET opened_at = opened_at - interval '1 year' WHERE state = 'open'")
    grow_old(monkeypatch)
    retain.retain()
    assert staged in world.keys("quarantine/")


def test_parts_that_a_dead_load_has_left_are_removed_when_they_are_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = next(consumer.name for consumer in all_consumers() if consumer.to)
    part = f"staging/{load}/1/abc/000000.parquet"
    client().put_object(Bucket=settings().bucket, Key=part, Body=b"x")
    retain.retain()
    assert part in world.keys("staging/")
    grow_old(monkeypatch)
    retain.retain()
    assert part not in world.keys("staging/")


def test_a_machine_whose_clock_is_wrong_removes_nothing_early(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    land(world, 1)
    world.flow()
    load = next(consumer.name for consumer in all_consumers() if consumer.to)
    part = f"staging/{load}/1/abc/000000.parquet"
    client().put_object(Bucket=settings().bucket, Key=part, Body=b"x")
    kept, wrong = timedelta(hours=settings().retention_hours), timedelta(days=400)
    monkeypatch.setattr(retain, "now", lambda: now() + wrong)
    asked: list[timedelta] = []
    monkeypatch.setattr(lake, "vacuum", lambda _uri, _needed, keep, _now: asked.append(keep) or 0)
    retain.retain()
    assert part in world.keys("staging/")
    assert asked
    assert all(timedelta() <= keep - kept - wrong < timedelta(minutes=1) for keep in asked), "delta-rs has that clock"


def open_hop_of(name: str) -> Claim:
    with transaction() as connection:
        lock(connection, name)
        held = claim(connection, consumer_named(name), "somebody")
    assert isinstance(held, Claim)
    return held


def test_files_are_kept_until_the_slowest_consumer_has_read_past_them(world: World) -> None:
    users = "customer_id,name,email,country,signed_up_on,updated_at\n00001,A{n},a@x.com,us,1996-01-01,1997-01-01T00:00:00Z\n"
    where = ZoneStore(Zone.SILVER).uri("ecommerce/users")
    for n in (1, 2, 3):
        world.land(f"users/{n}.csv", users.format(n=n).encode())
        world.flow("bronze", "silver", *(["gold"] if n == 1 else []))
    files = len(world.keys("silver/ecommerce/users/"))
    assert lake.vacuum(where, 1, timedelta(0), now()) == 0, "the model has read version 1 and needs what follows"
    assert len(world.keys("silver/ecommerce/users/")) >= files
    world.flow()
    assert world.rows("SELECT name FROM ecommerce.dim_users") == [("A3",)]
    assert lake.vacuum(where, current_version(where), timedelta(0), now()) > 0
    world.land("users/4.csv", users.format(n=4).encode())
    world.flow()
    assert world.rows("SELECT name FROM ecommerce.dim_users") == [("A4",)]
    assert list(verify()) == []
