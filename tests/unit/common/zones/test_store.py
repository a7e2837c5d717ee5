"""What the engines that read the object store by themselves are told."""

from collections.abc import Iterator

import pytest

from common.core.caches import forget
from common.zones.store import storage_options


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forget()
    keys = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_DEFAULT_REGION": "eu-central-1"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    yield
    forget()


@pytest.mark.parametrize(
    ("address", "endpoint", "http"),
    [
        ("", "https://s3.eu-central-1.amazonaws.com", "false"),
        ("http://s3:4566", "http://s3:4566", "true"),
        ("https://minio.example", "https://minio.example", "false"),
    ],
)
def test_an_engine_goes_where_the_sdk_goes(
    monkeypatch: pytest.MonkeyPatch, address: str, endpoint: str, http: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    options = storage_options()
    assert (options["aws_endpoint_url"], options["aws_allow_http"]) == (endpoint, http)
    assert (options["aws_region"], options["aws_access_key_id"]) == ("eu-central-1", "me")
