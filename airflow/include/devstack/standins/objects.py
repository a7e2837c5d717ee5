"""The object store as a file system of DuckDB: objects are read whole, which staged parts are small enough for."""

from datetime import datetime
from fnmatch import fnmatch
from io import BytesIO
from typing import Any

import boto3
from fsspec.spec import AbstractFileSystem


class ObjectStore(AbstractFileSystem):  # type: ignore[misc]
    """Objects of s3:// as files, for reading."""

    protocol = "s3"

    def _place(self, path: str) -> tuple[str, str]:
        bucket, _, key = path.removeprefix("s3://").partition("/")
        return bucket, key

    def _open(self, path: str, *_: Any, **__: Any) -> BytesIO:
        bucket, key = self._place(path)
        return BytesIO(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def glob(self, path: str, *_: Any, **__: Any) -> list[str]:
        """List the objects that a pattern means."""
        bucket, pattern = self._place(path)
        pages = (
            boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=pattern.split("*")[0])
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [f"{bucket}/{key}" for key in keys if fnmatch(key, pattern)]

    def modified(self, path: str) -> datetime:
        """Return when an object was written."""
        bucket, key = self._place(path)
        return boto3.client("s3").head_object(Bucket=bucket, Key=key)["LastModified"]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Describe an object."""
        bucket, key = self._place(path)
        size = boto3.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]
        return {"name": path, "size": size, "type": "file"}
