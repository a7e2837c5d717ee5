"""Large files, and thousands of files at once: what a store is asked for them, and that they arrive whole."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from common.core.caches import forget
from common.core.nouns import Counts
from common.core.settings import settings
from common.ledger.database import engine
from common.pipelines.look import look
from common.zones.store import ZoneStore, client
from tests.integration.test_landing import BRONZE, HEAD, landed, purchase
from tests.world import World

FILES = int(os.environ.get("FILES", "400"))


def test_an_upload_in_parts_is_seen_once_it_is_complete(world: World) -> None:
    where = {"Bucket": settings().bucket, "Key": "raw/ecommerce/transactions/parts.csv"}
    lines = [f"{number % 100_000:05d},19970101,1,1.00\n" for number in range(300_000)]
    content = (HEAD + "".join(lines)).encode()
    pieces = [content[: 5 << 20], content[5 << 20 :]]
    upload = client().create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, piece in enumerate(pieces, 1):
        done = client().upload_part(**where, UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
        assert world.flow("bronze") == {}
    client().complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})  # type: ignore[typeddict-item]
    assert "-" in client().head_object(**where)["ETag"]
    world.flow()
    assert world.rows("SELECT count(*) FROM ecommerce.fact_transactions") == [(300_000,)]
    assert world.keys("raw/") == []


@contextmanager
def calls(name: str) -> Iterator[list[int]]:
    """Gather the sizes of the bodies of a call of the store, as they are sent."""
    sizes: list[int] = []

    def sent(request: Any, **_: Any) -> None:
        sizes.append(int(request.headers.get("Content-Length") or 0))

    client().meta.events.register(f"before-send.s3.{name}", sent, unique_id=name)
    try:
        yield sizes
    finally:
        client().meta.events.unregister(f"before-send.s3.{name}", unique_id=name)


LARGE = HEAD.encode() + b"00001,19970101,1,1.00\n" * 500_000


def in_bronze(world: World) -> Any:
    (key,) = world.keys("bronze/")
    return client().get_object(Bucket=settings().bucket, Key=key)


def test_a_large_file_is_copied_by_the_store_in_parts_and_is_the_same(world: World) -> None:
    world.land("transactions/large.csv", LARGE)
    with calls("UploadPartCopy") as copied, calls("UploadPart") as sent:
        assert landed(world) == Counts(1, 1, 0, 0)
    found = in_bronze(world)
    assert found["Body"].read() == LARGE
    assert "-" in found["ETag"]
    assert (len(copied), sent) == (2, []), "nothing of it is sent again"


def test_a_large_file_that_is_overwritten_when_it_was_read_is_sent_as_it_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = ZoneStore._copied

    def late(self: ZoneStore, *arguments: Any) -> bool:
        world.land("transactions/large.csv", LARGE.replace(b"00001", b"00002"))
        return copied(self, *arguments)

    world.land("transactions/large.csv", LARGE)
    with monkeypatch.context() as patch:
        patch.setattr(ZoneStore, "_copied", late)
        assert landed(world) == Counts(1, 1, 0, 0)
    assert in_bronze(world)["Body"].read() == LARGE
    assert len(world.keys("raw/")) == 1, "the newer one is there yet"


class Work:
    """Counts what a block asks of the object store and of the ledger."""

    def __init__(self) -> None:
        self.requests = self.statements = 0

    def __enter__(self) -> "Work":
        client().meta.events.register("before-send.s3", self._request, unique_id="work")
        event.listen(engine(), "before_cursor_execute", self._statement)
        return self

    def __exit__(self, *_: object) -> None:
        client().meta.events.unregister("before-send.s3", unique_id="work")
        event.remove(engine(), "before_cursor_execute", self._statement)

    def _request(self, **_: Any) -> None:
        self.requests += 1

    def _statement(self, *_: Any) -> None:
        self.statements += 1


def land_many(world: World, numbers: range) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: world.land(f"transactions/{n % 7}/part-{n}.csv", purchase(n)), numbers))


def test_thousands_of_files_cost_no_more_each_than_a_few(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = FILES // 4, FILES
    monkeypatch.setenv("WATERSHED_HOP_MAX_BATCHES", str(FILES // 8))
    forget()
    with psycopg.connect(settings().ledger_url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE consumer SET width = %s", [FILES // 8])
    with Work() as of_few:
        land_many(world, range(few))
        assert landed(world) == Counts(few, few, 0, 0)
    with Work() as of_many:
        land_many(world, range(few, few + many))
        assert landed(world) == Counts(many, many, 0, 0)
    with Work() as of_nothing:
        assert look("ecommerce") == 0
    assert of_many.requests <= 4.2 * of_few.requests
    assert of_many.statements <= 4.2 * of_few.statements
    assert of_many.requests <= 4.2 * many, "put, get, copy and delete of each file, and a little for each hop"
    assert (of_nothing.requests, of_nothing.statements) == (1, 0)
    receipts = world.rows(f"SELECT count(*), count(DISTINCT batch) FROM receipt WHERE consumer = '{BRONZE}'", "ledger")
    assert receipts == [(few + many, few + many)]


def test_thousands_of_waiting_files_are_looked_at_in_a_few_statements(world: World) -> None:
    land_many(world, range(FILES))
    with Work() as first:
        assert look("ecommerce") == FILES
    with Work() as again:
        assert look("ecommerce") == FILES
    assert again.requests == 1 + FILES // 1000
    assert first.statements <= 8
    assert again.statements <= 8
