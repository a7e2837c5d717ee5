"""The emulated cloud of the Compose stack: what it makes is there again after each of its deaths."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from common.core.errors import ConfigError
from devstack.cloud import refuse_foreign
from devstack.ports import Claims, choose_ports
from devstack.tour import wait_for

CONNECTION = '{"conn_type": "postgres", "host": "warehouse"}'


@dataclass
class Cloud:
    """The process and what reaches it."""

    folder: Path
    env: dict[str, str]
    process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> None:
        """Start it and wait until it says that all is made."""
        ready = self.folder / "ready"
        ready.touch()  # of the life before
        command = [sys.executable, "-m", "devstack.cloud", str(self.folder), str(ready)]
        self.process = subprocess.Popen(command, env=os.environ | self.env)
        wait_for(lambda: not ready.exists(), lambda: None, "the old mark to go")
        wait_for(ready.exists, lambda: None, "the cloud")

    def client(self, service: str) -> Any:
        """Connect to one of its services."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        region = self.env["AWS_REGION"]
        return boto3.client(service, endpoint_url=self.env["AWS_ENDPOINT_URL"], region_name=region, **keys)  # type: ignore[call-overload]

    def kill(self) -> None:
        """Kill the emulator without warning; what started it must end too, so that its container is restarted."""
        (server,) = psutil.Process(self.process.pid).children()
        server.send_signal(signal.SIGKILL)
        assert self.process.wait(300) != 0


@pytest.fixture(params=["us-east-1", "eu-central-1"])
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with Claims() as claims:
        yield from served(tmp_path, request.param, choose_ports(["s3"], {}, claims.take)["s3"])


def served(folder: Path, region: str, port: int) -> Iterator[Cloud]:
    """A cloud in that region on that port, until the generator is closed."""
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AIRFLOW_CONN_WAREHOUSE": CONNECTION,
        "AIRFLOW_VAR_STUDY": "A-1",
        "PYTHONPATH": "airflow/include",
    }
    made = Cloud(folder, env)
    made.start()
    yield made
    made.process.terminate()
    made.process.wait(300)


def made(cloud: Cloud) -> None:
    """Look whether bucket, queue, notification and secrets are there, and the bell rings."""
    queue = cloud.client("sqs").get_queue_url(QueueName="watershed-ecommerce-raw")["QueueUrl"]
    secrets = cloud.client("secretsmanager")
    found = {
        name: secrets.get_secret_value(SecretId=name)["SecretString"]
        for name in ("airflow/connections/warehouse", "airflow/variables/study")
    }
    assert found == {"airflow/connections/warehouse": CONNECTION, "airflow/variables/study": "A-1"}
    cloud.client("sqs").purge_queue(QueueUrl=queue)
    cloud.client("s3").put_object(Bucket="watershed", Key="raw/ecommerce/events/one.csv", Body=b"x")
    (message,) = cloud.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    assert json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == "raw/ecommerce/events/one.csv"


def test_all_is_made_again_after_it_was_killed_and_nothing_stored_is_lost(cloud: Cloud) -> None:
    made(cloud)
    cloud.client("s3").put_object(Bucket="watershed", Key="bronze/kept", Body=b"kept")
    cloud.kill()
    cloud.start()
    made(cloud)
    assert cloud.client("s3").get_object(Bucket="watershed", Key="bronze/kept")["Body"].read() == b"kept"


def test_the_data_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_foreign(tmp_path)
    (tmp_path / "objectstore").mkdir()
    refuse_foreign(tmp_path)
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    with pytest.raises(ConfigError, match=f"belongs to user {mine}, .* Set AIRFLOW_UID={mine} in .env again"):
        refuse_foreign(tmp_path)


def test_a_request_to_end_ends_it_in_order(cloud: Cloud) -> None:
    cloud.process.terminate()
    assert cloud.process.wait(300) == 0
    cloud.start()
    made(cloud)
