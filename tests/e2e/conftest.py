"""The stack that the demo leaves running, woken by bells alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from devstack.folder import INCLUDE
from devstack.follow import settled
from devstack.stack import Stack
from devstack.tour import wait_for
from tests.stacks import hasten, server
from tests.world import World, forget

LATE = "watershed_compact"  # whose run is held up until its deadline


@dataclass
class Shop(World):
    """The stack after the demo's files have arrived: the shop's, whose world it is, and those of the other domains."""

    summary: dict[str, Any]
    call_centre: dict[str, Any]
    clinical: dict[str, Any]
    stack: Stack

    @contextmanager
    def _api(self) -> Iterator[httpx.Client]:
        address = self.stack.plan.address("api-server")
        with httpx.Client(base_url=f"{address}/api/v2", timeout=30) as http:
            token = http.get(f"{address}/auth/token").raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            yield http

    def ask(self, path: str) -> Any:
        """Ask Airflow's REST API."""
        with self._api() as http:
            return http.get(path).raise_for_status().json()

    def run_to_its_end(self, dag_id: str, **conf: Any) -> str:
        """Start a DAG by the REST API and tell in which state its run ends."""
        with self._api() as http:
            runs = f"/dags/{dag_id}/dagRuns"
            run = http.post(runs, json={"logical_date": None, "conf": conf}).raise_for_status().json()["dag_run_id"]
            state = partial(http.get, f"{runs}/{run}")
            wait_for(lambda: state().json()["state"] in ("success", "failed"), lambda: None, f"the run of {dag_id}")
            return str(state().json()["state"])

    def hold_up(self, dag_id: str) -> None:
        """Start a run of a DAG that is paused, so that it waits."""
        with self._api() as http:
            http.patch(f"/dags/{dag_id}", json={"is_paused": True}).raise_for_status()
            http.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None}).raise_for_status()

    def active(self, dag_id: str) -> int:
        """Count the runs of a DAG that have not ended."""
        return int(self.ask(f"/dags/{dag_id}/dagRuns?state=running&state=queued")["total_entries"])

    def let_go(self, dag_id: str) -> None:
        """Let a DAG run again."""
        with self._api() as http:
            http.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()

    def settle(self) -> None:
        """Wait until everything that landed has arrived."""
        wait_for(lambda: settled(self.domain), lambda: None, "the files to arrive")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Run the demo of all domains as its user does, with sweeps off, and keep its stack."""
    folder = tmp_path_factory.mktemp("shop")
    stack = Stack(folder / "stack")
    demo = ("dev", "demo", "--domain", "all", "--keep", "--json", "--state", str(folder))
    quiet = {"WATERSHED_SWEEP_CRON": "off", "WATERSHED_WATCH_CRON": "17 3 * * *"}
    own = {**quiet, "WATERSHED_RUN_DEADLINE_MINUTES": "1", "PYTHONPATH": str(INCLUDE)}
    with pytest.MonkeyPatch.context() as patch:
        try:
            command, env = [sys.executable, "-m", "common.cli", *demo], {**os.environ, **own}
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            found = json.loads(done.stdout)
            hasten(stack.env)
            for name, value in stack.env.items():
                patch.setenv(name, value)
            forget()
            env = {**stack.env, "WAREHOUSE_URL": f"{server(stack.env)}/warehouse"}
            of_domains = (found[name] for name in ("ecommerce", "telecoms", "clinical"))
            made = Shop(env, "ecommerce", folder, *of_domains, stack)
            made.hold_up(LATE)
            yield made
        finally:
            forget()
            stack.stop()
