"""Whatever a library raises has an owner: data that is parked, something to be mended, or an outage to be waited out."""

import inspect
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import deltalake.exceptions
import duckdb
import polars as pl
import polars.exceptions
import psycopg
import psycopg.errors
import pytest
from botocore import exceptions as botocore
from deltalake import write_deltalake
from deltalake.exceptions import DeltaError, SchemaMismatchError, TableNotFoundError

from common.core.errors import (
    CommitConflict,
    ConfigError,
    DataError,
    EngineFailed,
    NotApplied,
    StoreUnavailable,
    TransientError,
    WatershedError,
)
from common.lake.table import committing, reading
from common.ledger.claims import Claim
from common.pipelines.hop import drain
from common.warehouses import duckdb as duckdb_engine
from common.warehouses import postgres as postgres_engine
from common.warehouses.translation import translated
from common.zones.store import translated as from_store
from tests.fake_step import FakeStep, arrive, incidents
from tests.world import World


def classes(module: ModuleType, root: type[BaseException]) -> list[type[BaseException]]:
    """Return every error class that a module offers."""
    found = (item for _, item in inspect.getmembers(module, inspect.isclass))
    return sorted({item for item in found if issubclass(item, root)}, key=lambda item: item.__name__)


POLARS = [item for item in classes(polars.exceptions, BaseException) if not issubclass(item, Warning)]
DELTA = classes(deltalake.exceptions, DeltaError)
PSYCOPG = sorted({*classes(psycopg, psycopg.Error), *classes(psycopg.errors, psycopg.Error)}, key=lambda c: c.__name__)
DUCKDB = classes(duckdb, duckdb.Error)


def made(kind: type[BaseException], message: str) -> BaseException:
    """Make an error of a class; botocore's want the values of their message."""
    if issubclass(kind, botocore.ClientError):
        return kind({"Error": {"Code": message}}, "GetObject")
    if issubclass(kind, botocore.BotoCoreError):
        return _of_botocore(kind)
    return kind(message)


def _of_botocore(kind: type[BaseException]) -> BaseException:
    names = [piece.split("}")[0].split("!")[0].split(":")[0] for piece in str(getattr(kind, "fmt", "")).split("{")[1:]]
    more = {"last_response": {}} if issubclass(kind, botocore.WaiterError) else {}
    return kind(**dict.fromkeys(names, "x"), **more)


def test_the_libraries_offer_errors_to_walk_through() -> None:
    assert min(len(POLARS), len(DELTA), len(DUCKDB)) >= 5
    assert len(PSYCOPG) > 200


@pytest.mark.parametrize("kind", POLARS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "words", ["could not compute", "request to the url of a bucket: HTTP 503, connection timed out"]
)
def test_what_polars_cannot_do_is_a_fault_of_the_data_whatever_it_quotes(kind: type[BaseException], words: str) -> None:
    with pytest.raises(kind), reading("a table"):
        raise made(kind, words)


def test_data_that_speaks_of_the_store_is_a_fault_of_the_data(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"url": ["the bucket's request to https://example.org timed out"]})
    with pytest.raises(polars.exceptions.ComputeError, match="url"), reading("a table"):
        rows.select(pl.col("url").str.json_decode(pl.Int64)).collect()
    write_deltalake(tmp_path / "table", pl.DataFrame({"url": ["request"]}))
    with pytest.raises(SchemaMismatchError) as caught:
        write_deltalake(tmp_path / "table", pl.DataFrame({"bucket": [1], "request": [2]}), mode="append")
    assert committing("append", caught.value) is caught.value
    with pytest.raises(SchemaMismatchError), reading("a table"):
        raise caught.value


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("answer", [503, 500, 403, None])
def test_a_store_that_fails_under_an_engine_is_an_outage(engine: Any, answer: int | None) -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if answer:
                self.send_response(answer)
                self.send_header("content-length", "0")
                self.end_headers()
            else:
                self.connection.close()

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    Thread(target=server.serve_forever, daemon=True).start()
    options = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "aws_region": "x", "aws_allow_http": "true"}
    options |= {"aws_endpoint_url": f"http://127.0.0.1:{server.server_port}"}
    few: Any = options | {"max_retries": 1}
    try:
        with pytest.raises(StoreUnavailable), reading("a table"):
            pl.scan_parquet("s3://bucket/x.parquet", storage_options=few).collect(engine=engine)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", DELTA, ids=lambda kind: kind.__name__)
def test_what_delta_says_is_an_outage_or_a_lost_race_but_for_a_schema_and_a_missing_table(
    kind: type[Exception],
) -> None:
    others = {SchemaMismatchError: SchemaMismatchError, TableNotFoundError: NotApplied}
    with pytest.raises(others.get(kind, StoreUnavailable)), reading("a table"):
        raise kind("x")
    if kind is not SchemaMismatchError:
        assert isinstance(committing("append", kind("x")), StoreUnavailable | CommitConflict)


OUTAGES = (
    "OperationalError",
    "InterfaceError",
    "InternalError",
    "AdminShutdown",
    "DeadlockDetected",
    "DiskFull",
    "ConnectionFailure",
)


@pytest.mark.parametrize("kind", PSYCOPG, ids=lambda kind: kind.__name__)
def test_what_postgresql_answers_has_an_owner(kind: type[Exception]) -> None:
    with pytest.raises(WatershedError) as caught, translated("load", postgres_engine.MEANINGS):
        raise kind("x")
    if kind.__name__ in OUTAGES:
        assert isinstance(caught.value, TransientError)
    if issubclass(kind, psycopg.DataError | psycopg.IntegrityError):
        assert isinstance(caught.value, DataError)


@pytest.mark.parametrize("kind", DUCKDB, ids=lambda kind: kind.__name__)
def test_what_duckdb_answers_has_an_owner(kind: type[Exception]) -> None:
    with pytest.raises(WatershedError) as caught, translated("load", duckdb_engine.MEANINGS):
        raise kind("x")
    if issubclass(kind, duckdb.DataError | duckdb.IntegrityError):
        assert isinstance(caught.value, DataError)
    if kind is duckdb.CatalogException:
        assert isinstance(caught.value, NotApplied)


BOTOCORE = classes(botocore, botocore.BotoCoreError)


@pytest.mark.parametrize("kind", BOTOCORE, ids=lambda kind: kind.__name__)
def test_what_the_sdk_raises_by_itself_is_an_outage(kind: type[BaseException]) -> None:
    with pytest.raises(StoreUnavailable), from_store("get a file"):
        raise made(kind, "x")


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("AccessDenied", ConfigError),
        ("NoSuchBucket", WatershedError),
        ("SlowDown", StoreUnavailable),
        ("Odd", StoreUnavailable),
    ],
)
def test_what_the_store_answers_has_an_owner(code: str, ours: type[Exception]) -> None:
    with pytest.raises(ours), from_store("get a file"):
        raise made(botocore.ClientError, code)


def raising(error: BaseException) -> Callable[[str, Claim], None]:
    def fault(at: str, held: Claim) -> None:
        if at == "stage" and any(batch.place.other["name"] == "bad" for batch in held.batches):  # type: ignore[union-attr]
            raise error

    return fault


class PanicException(BaseException):
    """A panic of a library in Rust: each has a class of its own, of this name."""


def engine_errors() -> Iterator[BaseException]:
    yield from (kind("x") for kind in POLARS if kind is not polars.exceptions.PolarsError)
    yield from (kind("x") for kind in (duckdb.ConversionException, duckdb.InvalidInputException))
    yield PanicException("called `Option::unwrap()` on a `None` value")


@pytest.mark.parametrize("error", list(engine_errors()), ids=lambda error: type(error).__name__)
def test_a_batch_that_an_engine_cannot_take_holds_up_no_other(world: World, error: BaseException) -> None:
    step = FakeStep(fault=raising(error))
    arrive(step, "a", "bad", "b")
    drain(step, "me")
    assert step.taken == ["a", "b"]
    assert incidents(world) == [("parked", True)]
    ((detail,),) = world.rows("SELECT detail FROM incident", "ledger")
    assert EngineFailed.__name__ in detail
    assert type(error).__name__ in detail


def test_an_error_that_nobody_has_classified_is_an_incident_until_its_batches_are_through(world: World) -> None:
    step, left = FakeStep(), [1]

    def once(at: str, _held: Any) -> None:
        if at == "stage" and left:
            left.pop()
            raise LookupError("nobody knows")

    step.fault = once
    arrive(step, "a")
    with pytest.raises(LookupError):
        drain(step, "me")
    assert incidents(world) == [("unforeseen", True)]
    drain(step, "me")
    assert step.taken == ["a"]
    assert incidents(world) == [("unforeseen", False)]
