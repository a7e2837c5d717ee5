"""The object store as the publisher needs it: read, list, write once, compare and set."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dag_publisher.errors import Conflict, Missing, Refused, StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GONE = {"404", "NoSuchKey", "NotFound"}
LOST = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
DENIED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}


@dataclass(frozen=True)
class Stored:
    """The content of an object and the tag by which the store tells its versions apart."""

    content: bytes
    etag: str


@dataclass(frozen=True)
class Listed:
    """An object as the store lists it."""

    key: str
    modified: datetime


def s3_client(attempts: int = 3) -> "S3Client":
    """Connect to the store as the environment says (AWS_ENDPOINT_URL and the SDK's own variables)."""
    import boto3
    from botocore.config import Config

    retries: Any = {"total_max_attempts": attempts, "mode": "standard"}
    config = Config(retries=retries, connect_timeout=3, read_timeout=20, max_pool_connections=16)
    return boto3.session.Session().client("s3", config=config)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate what the SDK raises: Missing, Conflict, Refused where access is denied, else StoreUnavailable."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in GONE:
            raise Missing(f"{what}: it is not there.") from error
        if code in LOST:
            raise Conflict(f"{what}: it was changed meanwhile. Look at what is there, then try again.") from error
        if code in DENIED:
            text = f"{what}: the object store answered {code}. A package writes below its own prefix only"
            raise Refused(f"{text}; check bucket, package and credentials.") from error
        raise StoreUnavailable(f"{what}: the object store answered {error}. Try again.") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreUnavailable(f"{what}: {error}. Try again.") from error


class Store:
    """The objects of one bucket."""

    def __init__(self, bucket: str, client: "S3Client | None" = None) -> None:
        self.bucket, self._client = bucket, client or s3_client()

    def read(self, key: str) -> Stored | None:
        """Read an object whole, or None where there is none."""
        try:
            with translated(f"read {self.uri(key)}"):
                answer = self._client.get_object(Bucket=self.bucket, Key=key)
                return Stored(answer["Body"].read(), answer["ETag"])
        except Missing:
            return None

    def put(self, key: str, content: bytes) -> None:
        """Write an object whatever is there."""
        with translated(f"write {self.uri(key)}"):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_if(self, key: str, content: bytes, etag: str | None) -> str:
        """Write an object that must still have that tag, or not exist; return the new tag, or raise Conflict."""
        condition: Any = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            with translated(f"write {self.uri(key)}"):
                return self._client.put_object(Bucket=self.bucket, Key=key, Body=content, **condition)["ETag"]
        except Missing as error:  # there was one to compare with, and it is gone
            raise Conflict(f"write {self.uri(key)}: it was deleted meanwhile. Look again, then try again.") from error

    def delete(self, key: str) -> None:
        """Delete an object; again without harm."""
        with translated(f"delete {self.uri(key)}"):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def listed(self, under: str) -> Iterator[Listed]:
        """List the objects whose key begins with `under`."""
        with translated(f"list {self.uri(under)}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=under):
                yield from (Listed(entry["Key"], entry["LastModified"]) for entry in page.get("Contents", []))

    def folders(self, under: str) -> list[str]:
        """List the names of the folders right below a folder that ends in a slash."""
        pages = self._client.get_paginator("list_objects_v2").paginate
        with translated(f"list {self.uri(under)}"):
            found = [
                entry["Prefix"]
                for page in pages(Bucket=self.bucket, Prefix=under, Delimiter="/")
                for entry in page.get("CommonPrefixes", [])
            ]
        return [prefix.removeprefix(under).rstrip("/") for prefix in found]

    def now(self, under: str) -> datetime:
        """Return the store's own time, which all ages are counted by: clocks of publishers may be wrong."""
        from email.utils import parsedate_to_datetime

        with translated(f"look at {self.uri(under)}"):
            answer = self._client.list_objects_v2(Bucket=self.bucket, Prefix=under, MaxKeys=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def uri(self, key: str) -> str:
        """Return the s3:// address of a key."""
        return f"s3://{self.bucket}/{key}"
