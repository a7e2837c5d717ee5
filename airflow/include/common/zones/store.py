"""One zone of the object store: list, read, write once, delete only what was read."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, overload

from common.core.assets import Zone
from common.core.caches import per_process
from common.core.clock import now
from common.core.errors import ConfigError, StoreUnavailable
from common.core.settings import Settings, settings
from common.zones.zone import Place, place, places

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

GONE = {"404", "NoSuchKey", "NotFound", "412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
DENIED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "NoSuchBucket"}
ONE_PUT = 8 * 1024 * 1024  # files up to this size are written in one request, larger ones in parts


@dataclass(frozen=True)
class StoredObject:
    """An object as the store lists it; `key` is relative to its zone."""

    key: str
    etag: str
    size: int
    modified: datetime
    digest: bool = True  # whether the ETag of a single part is the content's MD5: not with keys of a KMS


class Changed(Exception):
    """The object is gone, or is not the one that was listed."""


@per_process
def _session() -> "boto3.session.Session":
    import boto3

    return boto3.session.Session()


@overload
def aws_client(service: Literal["s3"]) -> "S3Client": ...
@overload
def aws_client(service: Literal["sqs"]) -> "SQSClient": ...
@overload
def aws_client(service: str) -> Any: ...
@per_process
def aws_client(service: Any) -> Any:
    """Connect to a service as the environment says (AWS_ENDPOINT_URL and the SDK's own variables)."""
    from botocore.config import Config

    retries: Any = {"max_attempts": 5, "mode": "standard"}
    config = Config(retries=retries, connect_timeout=5, read_timeout=60, max_pool_connections=32)
    return _session().client(service, config=config)


def client() -> "S3Client":
    """Connect to the object store."""
    return aws_client("s3")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate what the SDK raises: Changed, ConfigError where access is denied, else StoreUnavailable."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in GONE:
            raise Changed(what) from error
        if code in DENIED:
            raise ConfigError(f"{what}: the object store answered {code}. Check bucket and credentials.") from error
        raise StoreUnavailable(f"{what}: the object store answered {error}.") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreUnavailable(f"{what}: {error}.") from error


class ZoneStore:
    """The objects of one zone, by keys relative to it."""

    def __init__(self, zone: Zone, config: Settings | None = None) -> None:
        self.zone, self._config = zone, config or settings()

    def place(self, key: str = "") -> Place:
        """Return the place of the zone, or that of a key where its domain has one of its own."""
        return place(self.zone, self._config, key)

    def uri(self, key: str = "") -> str:
        """Return the s3:// address of a key."""
        return self.place(key).uri(key)

    def key_of(self, uri: str) -> str | None:
        """Return the key that an address is, or None where it is none of this zone's."""
        for where in places(self.zone, self._config):
            begin = f"s3://{where.bucket}/"
            if uri.startswith(begin + where.prefix):
                return where.key(uri.removeprefix(begin))
        return None

    def _at(self, key: str) -> dict[str, Any]:
        where = self.place(key)
        return {"Bucket": where.bucket, "Key": where.name(key)}

    def list(self, under: str = "") -> Iterator[StoredObject]:
        """List the objects whose key begins with `under`, in the order of their keys."""
        where = self.place(under)
        with translated(f"list {self.uri(under)}"):
            lists = client().get_paginator("list_objects_v2")
            for page in lists.paginate(Bucket=where.bucket, Prefix=where.name(under)):
                for entry in page.get("Contents", []):
                    key = where.key(entry["Key"])
                    yield StoredObject(key, entry["ETag"].strip('"'), entry["Size"], entry["LastModified"])

    def head(self, key: str) -> StoredObject | None:
        """Describe an object, or None where there is none."""
        try:
            with translated(f"look at {self.uri(key)}"):
                answer = client().head_object(**self._at(key))
        except Changed:
            return None
        size, modified = answer["ContentLength"], answer["LastModified"]
        return StoredObject(key, answer["ETag"].strip('"'), size, modified, _plain(answer))

    def read(self, key: str) -> bytes | None:
        """Read a small object whole, or None where there is none."""
        try:
            with translated(f"read {self.uri(key)}"):
                return client().get_object(**self._at(key))["Body"].read()
        except Changed:
            return None

    def download(self, key: str, to: Path, etag: str) -> None:
        """Copy the object of that ETag to a local file; raises Changed where it is gone or another one."""
        with translated(f"read {self.uri(key)}"), to.open("wb") as file:
            body = client().get_object(**self._at(key), IfMatch=f'"{etag}"')["Body"]
            for chunk in body.iter_chunks(1 << 20):
                file.write(chunk)

    def put_once(self, key: str, content: bytes) -> bool:
        """Write an object that must not exist yet; return whether this call made it."""
        try:
            with translated(f"write {self.uri(key)}"):
                client().put_object(**self._at(key), Body=content, IfNoneMatch="*")
        except Changed:
            return False
        return True

    def upload(self, file: Path, key: str, like: "Version | None" = None) -> StoredObject:
        """Copy a local file to a key named after its content, and verify size and (single part) MD5.

        An object of that key and size is left alone: a key made of content is written once. Where a large file was
        downloaded from the store and that object is still `like` it, the store itself copies, in parts.
        """
        size = file.stat().st_size
        found = self._put_file(file, key) if size <= ONE_PUT else None
        found = found or self.head(key)
        if found is None or found.size != size:
            if not (like and self._copied(like, key)):
                with translated(f"write {self.uri(key)}"):
                    client().upload_file(str(file), **self._at(key))
            found = self.head(key)
        if found is None or found.size != size or (found.digest and not _same_md5(file, found.etag)):
            raise StoreUnavailable(f"{self.uri(key)} is not what was written: {found}. It will be tried again.")
        return found

    def _copied(self, like: "Version", key: str) -> bool:
        """Let the store copy an object; return whether it was still the one of that ETag."""
        source: Any = like.store._at(like.key)
        try:
            with translated(f"copy {like.store.uri(like.key)} to {self.uri(key)}"):
                client().copy(source, **self._at(key), ExtraArgs={"CopySourceIfMatch": f'"{like.etag}"'})
        except Changed:
            return False
        return True

    def _put_file(self, file: Path, key: str) -> StoredObject | None:
        """Write a small file where no object is, in one request; None where there is one already."""
        try:
            with translated(f"write {self.uri(key)}"), file.open("rb") as body:
                answer = client().put_object(**self._at(key), Body=body, IfNoneMatch="*")
        except Changed:
            return None
        return StoredObject(key, answer["ETag"].strip('"'), file.stat().st_size, now(), _plain(answer))

    def write_part(self, key: str, content: BinaryIO) -> None:
        """Write a staged part: its key holds hop and attempt, so nobody else ever writes it."""
        with translated(f"write {self.uri(key)}"):
            client().upload_fileobj(content, **self._at(key))

    def delete(self, key: str, etag: str) -> None:
        """Delete the object of that ETag; raises Changed where it is gone or another one."""
        with translated(f"delete {self.uri(key)}"):
            client().delete_object(**self._at(key), IfMatch=f'"{etag}"')

    def put_json(self, key: str, content: Any) -> bool:
        """Write a JSON object that must not exist yet; return whether this call made it."""
        return self.put_once(key, json.dumps(content, default=str, ensure_ascii=False).encode())


@dataclass(frozen=True)
class Version:
    """One version of an object of a zone."""

    store: ZoneStore
    key: str
    etag: str


def _plain(answer: Mapping[str, Any]) -> bool:
    return str(answer.get("ServerSideEncryption", "AES256")) == "AES256"


def _same_md5(file: Path, etag: str) -> bool:
    import hashlib

    if "-" in etag:  # a multipart ETag is no digest of the content; size and the SDK's part checksums stand in
        return True
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == etag


def storage_options() -> dict[str, str]:
    """Return the credentials of this process in the form that polars and delta-rs take."""
    session = _session()
    options = {"aws_region": session.region_name or "us-east-1", "aws_conditional_put": "etag"}
    if credentials := session.get_credentials():
        frozen = credentials.get_frozen_credentials()
        options |= {"aws_access_key_id": str(frozen.access_key), "aws_secret_access_key": str(frozen.secret_key)}
        if frozen.token:
            options["aws_session_token"] = frozen.token
    # Always named: where the environment has an empty AWS_ENDPOINT_URL, delta-rs would panic on it.
    endpoint = client().meta.endpoint_url
    return options | {"aws_endpoint_url": endpoint, "aws_allow_http": str(endpoint.startswith("http:")).lower()}
