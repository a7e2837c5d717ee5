"""The stack of docker-compose.yaml for the session, in a project of its own."""

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from devstack.folder import REPOSITORY
from tests.labs import docker

REDIS = "lab_debian redis:7.2-bookworm redis-server redis-tools -- redis-server --bind 0.0.0.0 --protected-mode no >&2"
FILES = f"docker-compose.yaml:{Path(__file__).parent.relative_to(REPOSITORY)}/ports.yaml"
PROJECT = {
    "COMPOSE_PROJECT_NAME": "watershed-test",
    "COMPOSE_FILE": FILES,
    "AIRFLOW_IMAGE_NAME": "watershed:test",
    # In place of the developer's own: as if the example had been copied.
    "COMPOSE_ENV_FILES": ".env.example",
    "ENV_FILE_PATH": ".env.example",
}
PATIENCE = 300.0
REST = """
import time
from devstack.follow import settled
while not settled("ecommerce"):
    time.sleep(0.5)
"""
ROW = "{number:05d},19980630,1,1.00\n"
HEAD = "customer_id,date,number_of_cds,dollar_value\n"


@dataclass
class Compose:
    """The stack from outside: commands, ports, and what a user of it would look at."""

    env: dict[str, str]
    delivered: int = 0
    purchases: int = 0
    chosen: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, check: bool = True, **env: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of docker; its output is shown where it fails and should not have."""
        done = subprocess.run(
            ["docker", *command],
            cwd=REPOSITORY,
            env=self.env | self.chosen | env,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{shlex.join(['docker', *command])}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def up(self) -> None:
        """Bring everything up, as the README says."""
        self.run("compose", "up", "-d", "--wait", "--wait-timeout", "900")

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a service's container and give what it prints."""
        return self.run("compose", "exec", "-T", service, *command, check=check).stdout

    def address(self, service: str, port: int) -> str:
        """Give where a port of a service is published."""
        return self.run("compose", "port", service, str(port)).stdout.strip()

    def states(self, service: str) -> list[dict[str, Any]]:
        """Read the states of a service's containers."""
        containers = self.run("compose", "ps", "--all", "--quiet", service).stdout.split()
        return [
            {**found["State"], "Id": found["Id"], "RestartCount": found["RestartCount"]}
            for found in (json.loads(self.run("inspect", container).stdout)[0] for container in containers)
        ]

    def kill(self, service: str) -> None:
        """Send SIGKILL to a service's first process; `docker kill` would tell Docker not to restart it.

        One that ends by itself before, for want of another that was killed, is started again as well.
        """
        self.until(lambda: self.states(service)[0]["Pid"], f"{service} to run")
        state = self.states(service)[0]
        restarts, pid = state["RestartCount"], str(state["Pid"])
        image = self.env["AIRFLOW_IMAGE_NAME"]
        self.run("run", "--rm", "--pid", "host", "--user", "0", "--entrypoint", "kill", image, "-9", pid, check=False)
        self.until(lambda: self.states(service)[0]["RestartCount"] > restarts, f"{service} to be restarted")

    def healthy(self, *services: str) -> bool:
        """Tell whether all containers of some services are."""
        return all(state["Health"]["Status"] == "healthy" for service in services for state in self.states(service))

    def until(self, look: Callable[[], Any], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not look():
            if time.monotonic() > deadline:
                tail = self.run("compose", "logs", "--no-color", "--tail", "20").stdout
                pytest.fail(f"Waited {PATIENCE:.0f} s for {what}.\n{tail}")
            time.sleep(0.5)

    def aws(self, service: str) -> Any:
        """Make a client of the emulated account."""
        return boto3.client(
            service,
            endpoint_url=f"http://{self.address('s3', 4566)}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def deliver(self) -> None:
        """Put a file of one purchase; what the store does not answer is sent again, as producers do."""
        self.delivered += 1
        key = f"raw/ecommerce/transactions/compose/{self.delivered}.csv"
        body = (HEAD + ROW.format(number=90_000 + self.delivered)).encode()

        def put() -> bool:
            try:
                self.aws("s3").put_object(Bucket="watershed", Key=key, Body=body)
            except (BotoCoreError, ClientError):
                return False
            return True

        self.until(put, "the store to take a file")

    def answer(self, question: str, service: str = "warehouse") -> list[tuple[Any, ...]]:
        """Ask the warehouse, from the host."""
        host, _, port = self.address(service, 5432).partition(":")
        login = {"user": "warehouse", "password": "letmein", "dbname": "warehouse"}
        with psycopg.connect(host=host, port=port, **login) as connection:
            return connection.execute(question.encode()).fetchall()

    def arrived(self) -> int:
        """Count the purchases in the warehouse."""
        try:
            return int(self.answer("SELECT count(*) FROM ecommerce.fact_transactions")[0][0])
        except psycopg.Error:
            return -1  # it has just been killed

    def account(self) -> None:
        """Wait for everything delivered, and look whether each arrived once and the ledger agrees with all it names."""
        expected = self.purchases + self.delivered
        self.until(lambda: self.arrived() >= expected, f"{expected} purchases in the warehouse")
        self.inside("scheduler", "timeout", str(PATIENCE), "python", "-c", REST)
        assert self.arrived() == expected
        doubled = "SELECT customer_id FROM ecommerce.fact_transactions WHERE customer_id >= '90000' GROUP BY 1"
        assert self.answer(f"{doubled} HAVING count(*) > 1") == []
        assert "agrees" in self.inside("scheduler", "watershed", "ledger", "verify")

    def alerts(self) -> list[str]:
        """Read what the Slack stand-in received."""
        address, slack = f"http://{self.address('standins', 8090)}/messages", {"service": "slack"}
        found = httpx.get(address, params=slack, timeout=10).raise_for_status()
        return [message.get("text", "") for message in found.json()]


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    """Build the image and bring the stack up; it and its data are gone afterwards."""
    lab = docker(REDIS)
    made = Compose(lab.env | PROJECT)
    try:
        made.run("compose", "config", "--quiet")
        made.run("compose", "--profile", "*", "down", "--volumes")
        made.run("compose", "build")
        made.up()
        yield made
    finally:
        made.run("compose", "--profile", "*", "down", "--volumes", "--timeout", "20", check=False)
        lab.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give containers the time that a loaded machine of two cores may need."""
    for item in items:
        if Path(item.fspath).parent.name == "compose":
            item.add_marker(pytest.mark.timeout(1800))
