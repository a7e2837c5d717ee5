"""What producers do to a raw prefix: odd keys, equal files, overwrites and deletions at every moment, thousands at once."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.core.assets import Zone
from common.core.errors import StoreUnavailable
from common.core.nouns import Counts
from common.core.settings import settings
from common.zones.store import ZoneStore, client
from tests.world import World, new_world

HEAD = "customer_id,date,number_of_cds,dollar_value\n"
BRONZE = "ecommerce.transactions.bronze"


def purchase(customer: int, amount: str = "1.00") -> bytes:
    return f"{HEAD}{customer:05d},19970101,1,{amount}\n".encode()


def customers(world: World) -> list[str]:
    return [row[0] for row in world.rows("SELECT customer_id FROM ecommerce.fact_transactions ORDER BY 1")]


def landed(world: World) -> Counts:
    """Empty the raw prefix of transactions into bronze; nothing to do counts as nothing."""
    return world.flow("bronze").get(BRONZE, Counts())


def incidents(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT kind, consumer FROM incident ORDER BY id", "ledger")


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Do something once, just before this process next reads or deletes an object of raw."""

    def arrange(method: str, what: Any) -> None:
        real = getattr(ZoneStore, method)

        def interrupted(self: ZoneStore, *arguments: Any) -> Any:
            if self.zone is Zone.RAW:
                monkeypatch.setattr(ZoneStore, method, real)
                what()
            return real(self, *arguments)

        monkeypatch.setattr(ZoneStore, method, interrupted)

    yield arrange


KEYS = [
    "transactions/with space/a+b%20c%2F.csv",
    "transactions/ünï/ø=1&2;3?x#y.csv",
    "transactions/emoji 😀/日本語.csv",
    "transactions/a//b/../c/./d.csv",
    "transactions/new\nline\tand\\slash\x01.csv",
    "transactions/quote'\"*<>.csv",
    "transactions/not a folder/",
]


def of_bytes(length: int, letter: str) -> str:
    """Make a key that has so many bytes with its zone and its domain, as long a name as fits."""
    room = length - len("raw/ecommerce/transactions/.csv")
    name = letter * (room // len(letter.encode()))
    return f"transactions/{name}{'x' * (room - len(name.encode()))}.csv"


LONG = [of_bytes(1024, "x"), of_bytes(1024, "é"), of_bytes(1023, "😀")]


def test_every_key_that_s3_allows_arrives(world: World) -> None:
    for customer, key in enumerate([*KEYS, *LONG]):
        world.land(key, purchase(customer))
    world.flow()
    assert customers(world) == [f"{customer:05d}" for customer in range(len(KEYS) + len(LONG))]
    assert world.keys("raw/") == []
    assert all(len(found.encode()) <= 1024 for found in world.keys(""))


def test_every_key_that_s3_allows_can_be_quarantined(world: World) -> None:
    contents = {f"a,b\n{number},2\n".encode(): key for number, key in enumerate([*KEYS, *LONG])}
    for content, key in contents.items():
        world.land(key, content)
    world.flow("bronze")
    begin = f"s3://{settings().bucket}/"
    kept = [place.removeprefix(begin) for (place,) in world.rows("SELECT place FROM refusal", "ledger")]
    found = {client().get_object(Bucket=settings().bucket, Key=key)["Body"].read() for key in kept}
    assert found == set(contents)
    assert world.keys("raw/") == []
    assert all(len(key.encode()) <= 1024 for key in world.keys(""))


def test_a_key_that_no_database_can_hold_keeps_no_other_file_back(world: World) -> None:
    world.land("transactions/nul\0.csv", purchase(1))
    world.land("transactions/good.csv", purchase(2))
    world.flow()
    world.flow()
    assert customers(world) == ["00002"]
    assert incidents(world) == [("parked", "ecommerce.unrouted.quarantine")]
    assert world.keys("raw/") == ["raw/ecommerce/transactions/nul\0.csv"]


def test_folder_markers_are_no_files_and_empty_files_are_quarantined(world: World) -> None:
    for marker in ("", "transactions/", "transactions/1997/", "elsewhere/"):
        world.land(marker, b"")
    world.land("transactions/1997/empty.csv", b"")
    world.land("transactions/1997/full.csv", purchase(1))
    assert landed(world) == Counts(2, 1, 0, 1)
    assert world.rows("SELECT reason FROM refusal", "ledger") == [("empty",)]
    assert len(world.keys("raw/")) == 4
    assert world.flow("bronze") == {}


def test_equal_base_names_of_different_folders_are_different_files(world: World) -> None:
    for number in range(20):
        world.land(f"transactions/shop {number}/part-0.csv", purchase(number))
    world.flow()
    assert customers(world) == [f"{number:05d}" for number in range(20)]
    assert len(world.keys("bronze/")) == 20


def test_equal_content_is_a_duplicate_only_within_its_dataset(world: World) -> None:
    for folder in ("transactions", "users", "nowhere"):
        world.land(f"{folder}/a.csv", purchase(1))
        world.land(f"{folder}/b.csv", purchase(1))
    assert landed(world) == Counts(2, 1, 1, 0)
    refused = world.rows("SELECT reason, count(*) FROM refusal GROUP BY 1 ORDER BY 1", "ledger")
    assert refused == [("schema", 2), ("unrouted", 2)]


def partitioned(folder: Path, pattern: str) -> Path:
    """Write a domain whose files name their partition in their key."""
    contract = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": "urn:throw-away",
        "name": "stock",
        "version": "1.0.0",
        "status": "active",
        "domain": "mill",
        "schema": [{"name": "stock", "properties": [{"name": "item", "logicalType": "string"}]}],
        "customProperties": [
            {"property": "owner", "value": "tests"},
            {"property": "partition", "value": {"path": pattern}},
        ],
    }
    (folder / "mill" / "contracts").mkdir(parents=True)
    (folder / "mill" / "contracts" / "stock.yaml").write_text(yaml.safe_dump(contract))
    return folder


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        (r"day=(\d{4}-\d\d-\d\d)/", ["day=2024-01-01/x.csv", "day=2024-01-02/x.csv", "day=2024-01-01/again.csv"]),
        (r"_(\d{8})\.csv$", ["x_20240101.csv", "x_20240102.csv", "y_20240101.csv"]),
    ],
)
def test_equal_content_for_another_partition_is_no_duplicate(
    stack: Mapping[str, str], tmp_path: Path, pattern: str, keys: list[str]
) -> None:
    with new_world(stack, tmp_path, "mill", partitioned(tmp_path / "domains", pattern)) as world:
        for key in keys:
            world.land(f"stock/{key}", b"item\nflour\n")
        world.land("stock/unnamed.csv", b"item\nflour\n")
        assert world.flow("bronze")["mill.stock.bronze"] == Counts(4, 3, 1, 0)
        world.land(f"stock/late/{keys[1]}", b"item\nflour\n")
        assert world.flow("bronze")["mill.stock.bronze"] == Counts(1, 0, 1, 0)
        world.flow()
        assert world.silver("stock").height == 3
        found = world.rows("SELECT partition FROM batch WHERE asset = 'mill.stock.bronze' ORDER BY 1", "ledger")
        assert [row[0] and row[0].replace("-", "") for row in found] == ["20240101", "20240102", None]


def test_a_file_overwritten_between_read_and_delete_is_two_batches(world: World, between: Any) -> None:
    world.land("transactions/1.csv", purchase(1))
    between("delete", lambda: world.land("transactions/1.csv", purchase(2)))
    assert landed(world) == Counts(1, 1, 0, 0)
    assert len(world.keys("raw/")) == 1
    world.flow()
    assert customers(world) == ["00001", "00002"]
    assert (world.keys("raw/"), incidents(world)) == ([], [])


def test_a_file_overwritten_before_it_is_read_is_read_in_its_new_version_alone(world: World, between: Any) -> None:
    world.land("transactions/1.csv", purchase(1))
    between("download", lambda: world.land("transactions/1.csv", purchase(2)))
    assert landed(world) == Counts(1, 0, 0, 1)
    world.flow()
    assert customers(world) == ["00002"]
    assert incidents(world) == [("superseded", BRONZE)]


def test_a_file_deleted_before_it_is_read_or_deleted_stops_nobody(world: World, between: Any) -> None:
    def delete(name: str) -> None:
        client().delete_object(Bucket=settings().bucket, Key=f"raw/ecommerce/transactions/{name}")

    world.land("transactions/1.csv", purchase(1))
    between("download", lambda: delete("1.csv"))
    assert landed(world) == Counts(1, 0, 0, 1)
    world.land("transactions/2.csv", purchase(2))
    between("delete", lambda: delete("2.csv"))
    assert landed(world) == Counts(1, 1, 0, 0)
    world.flow()
    assert customers(world) == ["00002"]
    assert incidents(world) == [("superseded", BRONZE)]


def freeze_the_stores_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every object of raw have been modified in the same second, as quick producers manage."""
    from dataclasses import replace
    from datetime import UTC, datetime

    real, moment = ZoneStore.list, datetime(2026, 11, 21, tzinfo=UTC)

    def frozen(self: ZoneStore, under: str = "") -> Any:
        return (replace(found, modified=moment) for found in real(self, under))

    monkeypatch.setattr(ZoneStore, "list", frozen)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_bytes_that_come_back_within_a_second_are_read_and_then_taken_away(
    world: World, between: Any, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    freeze_the_stores_clock(monkeypatch)
    for _ in range(times):
        world.land("transactions/1.csv", purchase(1))
        between("download", lambda: world.land("transactions/1.csv", b"something else meanwhile"))
        assert landed(world) == Counts(1, 0, 0, 1)
    world.land("transactions/1.csv", purchase(1))

    def cut_off() -> None:
        raise StoreUnavailable("the deletion was cut off")

    between("delete", cut_off)
    with pytest.raises(StoreUnavailable):
        world.flow("bronze")
    assert len(world.keys("raw/")) == 1
    world.flow()
    assert world.keys("raw/") == []
    assert customers(world) == ["00001"]
    taken = world.rows(f"SELECT sum(good), sum(merged), sum(refused) FROM hop WHERE consumer = '{BRONZE}'", "ledger")
    assert taken == [(1, 0, times)]


def test_each_version_of_a_growing_file_that_is_read_is_read_whole(world: World) -> None:
    content = HEAD.encode()
    for number in range(6):
        content += f"{number:05d},19970101,1,1.00\n".encode()
        world.land("transactions/growing.csv", content)
        if number % 2:
            world.flow()
    sizes = [
        row[0] for row in world.rows(f"SELECT bytes FROM batch WHERE asset = '{BRONZE}' ORDER BY number", "ledger")
    ]
    line = len("00000,19970101,1,1.00\n")
    assert sizes == [len(HEAD) + lines * line for lines in (2, 4, 6)]
    assert len(customers(world)) == 2 + 4 + 6


def test_a_producer_that_overwrites_while_files_are_landing_gives_whole_versions_only(world: World) -> None:
    with ThreadPoolExecutor(1) as producer:

        def produce() -> None:
            for number in range(1, 60):
                world.land("transactions/1.csv", HEAD.encode() + b"00001,19970101,1,1.00\n" * number)

        writing = producer.submit(produce)
        while not writing.done():
            landed(world)
        writing.result()
    world.flow()
    bronze = world.rows(f"SELECT place->>'key', bytes FROM batch WHERE asset = '{BRONZE}' ORDER BY number", "ledger")
    contents = [ZoneStore(Zone.BRONZE).read(key) or b"" for key, _ in bronze]
    lines = [content.count(b"\n") - 1 for content in contents]
    assert all(
        content == HEAD.encode() + b"00001,19970101,1,1.00\n" * n for content, n in zip(contents, lines, strict=True)
    )
    assert lines[-1] == 59
    assert len(set(lines)) == len(lines)
    assert customers(world) == ["00001"] * sum(lines)


def test_bronze_never_keeps_another_content_under_its_key(world: World) -> None:
    store, file = ZoneStore(Zone.BRONZE), world.folder / "file"
    file.write_bytes(b"one")
    assert store.upload(file, "key").etag == store.upload(file, "key").etag
    file.write_bytes(b"two")
    with pytest.raises(StoreUnavailable, match="not what was written"):
        store.upload(file, "key")
    file.write_bytes(b"longer: the first was cut off")
    assert store.upload(file, "key").size == len(b"longer: the first was cut off")
    assert store.read("key") == b"longer: the first was cut off"
