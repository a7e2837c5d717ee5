"""The Redshift stand-in executes as Redshift's documents say, and refuses what they refuse."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import polars as pl
import psycopg
import pytest
from botocore.exceptions import ClientError

from devstack.standins.redshift.errors import Failed
from devstack.standins.redshift.refusals import REFUSALS, Refusal
from devstack.standins.redshift.translation import translated
from tests.stacks import server

ROLE = "IAM_ROLE 'arn:aws:iam::000000000000:role/copy'"
ACCOUNT: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
HERE = {"WorkgroupName": "suite"}


@pytest.fixture(scope="module")
def database(stack: Mapping[str, str]) -> str:
    name = f"r{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server(stack)}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    return name


@pytest.fixture(scope="module")
def api(redshift: str) -> Any:
    return boto3.client("redshift-data", endpoint_url=redshift, **ACCOUNT)


@pytest.fixture(scope="module")
def store(stack: Mapping[str, str]) -> Iterator[Any]:
    """The object store, to which the stand-in is pointed as well."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [known for known in stack if known.startswith("AWS_")]:
            patch.setenv(variable, stack[variable])
        client = boto3.client("s3")
        client.create_bucket(Bucket="redshift-files")
        yield client


class Session:
    """Sends statements, each to its end."""

    def __init__(self, api: Any, database: str) -> None:
        self.api, self.place = api, {**HERE, "Database": database}
        self.id = ""

    def send(self, *texts: str, **more: Any) -> Mapping[str, Any]:
        place: dict[str, Any] = {"SessionId": self.id} if self.id else {**self.place, "SessionKeepAliveSeconds": 60}
        call = self.api.execute_statement if len(texts) == 1 else self.api.batch_execute_statement
        sent = call(**({"Sql": texts[0]} if len(texts) == 1 else {"Sqls": list(texts)}), **place, **more)
        self.id = sent["SessionId"]
        state: Mapping[str, Any] = self.api.describe_statement(Id=sent["Id"], WaitTimeSeconds=30)
        return state

    def do(self, *texts: str) -> Mapping[str, Any]:
        state = self.send(*texts)
        assert state["Status"] == "FINISHED", state["Error"]
        return state

    def fails(self, *texts: str) -> str:
        state = self.send(*texts)
        assert state["Status"] == "FAILED"
        return str(state["Error"])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        result = self.api.get_statement_result(Id=self.do(query)["Id"])
        return [
            tuple(None if "isNull" in cell else next(iter(cell.values())) for cell in row) for row in result["Records"]
        ]


@pytest.fixture
def session(api: Any, database: str) -> Session:
    return Session(api, database)


@pytest.fixture
def table(session: Session) -> str:
    name = f"t{uuid.uuid4().hex[:12]}"
    session.do(f"CREATE TABLE {name} (a INT PRIMARY KEY, b VARCHAR)")
    return name


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.name)
def test_what_is_documented_as_unsupported_is_refused(row: Refusal) -> None:
    with pytest.raises(Failed) as failed:
        translated(row.example)
    assert str(failed.value) == f"{row.message} ({row.link})"


def test_there_are_at_least_thirty_of_them() -> None:
    assert len({row.name for row in REFUSALS}) == len(REFUSALS) >= 30


def test_a_refusal_is_a_failed_statement(session: Session) -> None:
    assert session.fails("CREATE TABLE t (a UUID)").startswith("ERROR: Unsupported: column type")


def test_a_batch_is_one_transaction_and_a_statement_commits_by_itself(session: Session, table: str) -> None:
    state = session.send(f"INSERT INTO {table} VALUES (1, 'x')", "SELECT CAST('no' AS INT)", "SELECT 1")
    assert [part["Status"] for part in state["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert "invalid input syntax" in state["Error"]
    assert session.rows(f"SELECT * FROM {table}") == []
    session.do(f"INSERT INTO {table} VALUES (1, 'x')")
    session.send("SELECT CAST('no' AS INT)")
    assert session.rows(f"SELECT * FROM {table}") == [(1, "x")]


def test_truncate_ends_its_transaction(session: Session, table: str) -> None:
    session.do(f"INSERT INTO {table} VALUES (1, 'x')")
    session.fails(f"TRUNCATE {table}", "SELECT CAST('no' AS INT)")
    assert session.rows(f"SELECT * FROM {table}") == []


def test_names_are_small_letters_and_keys_are_not_enforced(session: Session, table: str) -> None:
    session.do(f'INSERT INTO "{table.upper()}" ("A") VALUES (1)', f"INSERT INTO {table} VALUES (1, 'x')")
    assert len(session.rows(f'SELECT "A" FROM {table}')) == 2


def test_a_varchar_without_a_length_has_256_bytes(session: Session, table: str) -> None:
    session.do(f"INSERT INTO {table} VALUES (1, '{'é' * 128}')")
    assert "value too long" in session.fails(f"INSERT INTO {table} VALUES (2, '{'é' * 129}')")


def test_a_temporary_table_is_of_its_session(session: Session, api: Any, database: str) -> None:
    session.do("CREATE TEMP TABLE mine (a INT)")
    session.do("INSERT INTO mine VALUES (1)")
    assert session.rows("SELECT * FROM mine") == [(1,)]
    assert "does not exist" in Session(api, database).fails("SELECT * FROM mine")


def test_of_two_updates_of_a_row_one_is_a_violation(session: Session, table: str, api: Any, database: str) -> None:
    session.do(f"INSERT INTO {table} VALUES (1, 'x')")
    wait = "SELECT count(*) FROM information_schema.columns a, information_schema.columns b"
    other = Session(api, database)
    first = api.batch_execute_statement(
        Sqls=[f"UPDATE {table} SET b = 'first' WHERE a = 1", wait], **HERE, Database=database
    )
    second = other.send(f"UPDATE {table} SET b = 'second' WHERE a = 1")
    ends = [api.describe_statement(Id=first["Id"], WaitTimeSeconds=30), second]
    assert all(end["Status"] == "FINISHED" or "1023" in end["Error"] for end in ends)
    assert session.rows(f"SELECT b FROM {table}")[0][0] in ("first", "second")


REFUSED_CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "nowhere": ({"Sql": "SELECT 1", "Database": "x"}, "Exactly one of"),
    "two places": ({"Sql": "SELECT 1", "Database": "x", **HERE, "ClusterIdentifier": "c"}, "Exactly one of"),
    "no database": ({"Sql": "SELECT 1", **HERE}, "Database is missing"),
    "session": ({"Sql": "SELECT 1", "SessionId": str(uuid.uuid4())}, "not available"),
    "too long": ({"Sql": f"SELECT '{'x' * 100_000}'", "Database": "x", **HERE}, "100 KB"),
}


@pytest.mark.parametrize("name", REFUSED_CALLS)
def test_calls_that_the_api_refuses(api: Any, name: str) -> None:
    call, fault = REFUSED_CALLS[name]
    with pytest.raises(ClientError, match=fault):
        api.execute_statement(**call)


def test_a_batch_has_at_most_forty_statements(api: Any, database: str) -> None:
    with pytest.raises(ClientError, match="41 statements, 40 are allowed"):
        api.batch_execute_statement(Sqls=["SELECT 1"] * 41, **HERE, Database=database)


def test_a_call_sent_twice_is_executed_once(session: Session, table: str, api: Any, database: str) -> None:
    calls = [
        api.execute_statement(Sql=f"INSERT INTO {table} VALUES (7, '')", ClientToken=table, **HERE, Database=database)
        for _ in range(2)
    ]
    assert calls[0]["Id"] == calls[1]["Id"]
    api.describe_statement(Id=calls[0]["Id"], WaitTimeSeconds=30)
    assert session.rows(f"SELECT a FROM {table}") == [(7,)]


def test_what_is_unloaded_can_be_copied(session: Session, table: str, store: Any) -> None:
    session.do(f"INSERT INTO {table} VALUES (1, 'it''s'), (2, NULL)")
    target = f"s3://redshift-files/{table}/"
    unload = f"UNLOAD ('SELECT a::int, b FROM {table}') TO '{target}' {ROLE} FORMAT AS PARQUET"
    session.do(unload)
    assert "not empty" in session.fails(unload)
    (key,) = [entry["Key"] for entry in store.list_objects_v2(Bucket="redshift-files", Prefix=table)["Contents"]]
    frame = pl.read_parquet(store.get_object(Bucket="redshift-files", Key=key)["Body"].read())
    store.put_object(Bucket="redshift-files", Key=f"{table}/narrow", Body=_parquet(frame.cast({"a": pl.Int32})))
    session.do(f"COPY {table} FROM '{target}narrow' {ROLE} FORMAT AS PARQUET")
    assert session.rows(f"SELECT count(*) FROM {table} WHERE b = 'it''s'") == [(2,)]


def _parquet(frame: pl.DataFrame) -> bytes:
    from io import BytesIO

    file = BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


COPIES: dict[str, tuple[pl.DataFrame, str, str]] = {
    "no role": (pl.DataFrame({"a": [1]}), "FORMAT PARQUET", "authorization is missing"),
    "columns": (pl.DataFrame({"a": [1]}), f"{ROLE} PARQUET", "has 1 columns, the table has 2"),
    "types": (pl.DataFrame({"a": ["1"], "b": ["x"]}), f"{ROLE} PARQUET", "incompatible Parquet schema"),
    "too long": (
        pl.DataFrame({"a": [1], "b": ["x" * 257]}, {"a": pl.Int32, "b": pl.String}),
        f"{ROLE} PARQUET",
        "value too long",
    ),
    "NUL": (pl.DataFrame({"a": [1], "b": ["\0"]}, {"a": pl.Int32, "b": pl.String}), f"{ROLE} PARQUET", "null byte"),
    "option": (pl.DataFrame({"a": [1]}), f"{ROLE} FORMAT AS PARQUET MAXERROR 5", "MAXERROR argument is not supported"),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_that_fail_change_nothing(session: Session, table: str, store: Any, name: str) -> None:
    frame, options, fault = COPIES[name]
    store.put_object(Bucket="redshift-files", Key=f"bad/{table}", Body=_parquet(frame))
    assert fault in session.fails(f"COPY {table} FROM 's3://redshift-files/bad/{table}' {options}")
    assert session.rows(f"SELECT * FROM {table}") == []


def test_a_prefix_without_objects_fails(session: Session, table: str, store: Any) -> None:
    assert "does not exist" in session.fails(f"COPY {table} FROM 's3://redshift-files/nothing' {ROLE} PARQUET")


def test_limit_cannot_be_unloaded(session: Session, table: str, store: Any) -> None:
    text = f"UNLOAD ('SELECT a FROM {table} LIMIT 1') TO 's3://redshift-files/x/' {ROLE} PARQUET"
    assert "Limit clause" in session.fails(text)
