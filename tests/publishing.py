"""A bucket of releases for a test, packages published into it without the cost of validation, and stores that fail."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
import pytest

from dag_publisher.activate import Actor
from dag_publisher.publish import Outcome, Package, publish
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store

WHO = Actor("tester", "2026-11-26T12:00:00+00:00")
CLIENT = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
DAG = """from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("{dag_id}", tags=["test"], description="{text}", default_args={{"owner": "test"}}):
    EmptyOperator(task_id="end")
"""


def client(env: Mapping[str, str]) -> Any:
    """Connect to the stack's object store."""
    endpoint, key, secret, region = (env[name] for name in CLIENT)
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret, "region_name": region}
    return boto3.session.Session().client("s3", endpoint_url=endpoint, **keys)


@contextmanager
def bucket(env: Mapping[str, str]) -> Iterator[Store]:
    """Give a store whose bucket is new."""
    store = Store(f"dags-{uuid.uuid4().hex[:12]}", client(env))
    store._client.create_bucket(Bucket=store.bucket)
    yield store


@pytest.fixture
def store(stack: Mapping[str, str]) -> Iterator[Store]:
    """Give a store whose bucket is new."""
    with bucket(stack) as made:
        yield made


@pytest.fixture
def shop(store: Store) -> Shelf:
    """Give what the package `shop` has there."""
    return Shelf(store, "dev", "shop")


def package(**files: str) -> Package:
    """Make a package of one DAG a file: its name is the file's and the DAG's, its text tells releases apart."""
    contents = {f"{name}.py": DAG.format(dag_id=name, text=text).encode() for name, text in files.items()}
    dags: list[dict[str, Any]] = [{"file": f"{name}.py", "dag_id": name, "images": []} for name in files]
    return Package(contents, dags, ">=3.3,<4")


def released(shelf: Shelf, **files: str) -> Outcome:
    """Publish a package of such files."""
    return publish(shelf, package(**files), WHO)


class Proxy(Store):
    """A store that calls back before each write, which may then not happen."""

    def __init__(self, inner: Store, before: Any) -> None:
        super().__init__(inner.bucket, inner._client)
        self.before = before

    def put(self, key: str, content: bytes) -> None:
        """Call back, then write."""
        self.before(key)
        super().put(key, content)

    def put_if(self, key: str, content: bytes, etag: str | None) -> str:
        """Call back, then write."""
        self.before(key)
        return super().put_if(key, content, etag)

    def delete(self, key: str) -> None:
        """Call back, then delete."""
        self.before(key)
        super().delete(key)
