"""One whole stack with Airflow, woken by bells alone, with the sample data dropped into it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from devstack.follow import settled
from devstack.stack import Stack
from devstack.summary import summarise
from devstack.tour import alerts, drop, fail_on_purpose, wait_for
from tests.stacks import hasten
from tests.world import World, forget


@dataclass
class Shop(World):
    """The stack after the demo's files have arrived."""

    summary: dict[str, Any]
    stack: Stack

    def run_to_its_end(self, dag_id: str, **conf: Any) -> str:
        """Start a DAG by the REST API and tell in which state its run ends."""
        with httpx.Client(base_url=self.stack.plan.address("api-server"), timeout=30) as http:
            token = http.get("/auth/token").raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            runs = f"/api/v2/dags/{dag_id}/dagRuns"
            run = http.post(runs, json={"logical_date": None, "conf": conf}).raise_for_status().json()["dag_run_id"]
            state = partial(http.get, f"{runs}/{run}")
            wait_for(lambda: state().json()["state"] in ("success", "failed"), lambda: None, f"the run of {dag_id}")
            return str(state().json()["state"])

    def settle(self) -> None:
        """Wait until everything that landed has arrived."""
        wait_for(lambda: settled(self.domain), lambda: None, "the files to arrive")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Start everything, drop the sample files with sweeps off, and follow them."""
    folder = tmp_path_factory.mktemp("shop")
    stack = Stack(folder / "stack", overrides={"WATERSHED_SWEEP_CRON": "off"})
    with pytest.MonkeyPatch.context() as patch:
        try:
            stack.start(owned=True)
            hasten(stack.env)
            for name, value in stack.env.items():
                patch.setenv(name, value)
            forget()
            with psycopg.connect(dbname="warehouse") as connection:
                url = connection.info.dsn
            made = Shop({**stack.env, "WAREHOUSE_URL": url}, "ecommerce", folder, {}, stack)
            fail_on_purpose(stack.plan.address("api-server"))
            drop()
            made.settle()
            wait_for(alerts, lambda: None, "the alert")
            made.summary = summarise("ecommerce", 0.0, {})
            yield made
        finally:
            forget()
            stack.stop()
