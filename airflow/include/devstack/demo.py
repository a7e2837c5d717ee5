"""The demo: a stack of its own, the sample files dropped into it, followed until they are in the warehouse."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console

from common.core.errors import WatershedError
from devstack.folder import REPOSITORY, write_json
from devstack.follow import Following, settled
from devstack.progress import Progress
from devstack.stack import Stack
from devstack.summary import summarise

DEMO = REPOSITORY / "var" / "demo"
DOMAIN = "ecommerce"
PATIENCE = 1200.0
LOOK = 0.5
Found = TypeVar("Found")
BAD_STAGE = "platinum"


class DemoFailed(WatershedError):
    """The demo did not end as it should."""


@dataclass
class Demo:
    """One run of the demo in a state folder that is wiped first."""

    console: Console
    state: Path = DEMO
    purchases: Path | None = None

    def run(self) -> dict[str, Any]:
        """Run it and give its summary, which is also left in `summary.json`.

        Raises DemoFailed, StackFailed. Whatever happens, no process stays behind.
        """
        stack = Stack(self.state / "stack")
        stack.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        try:
            began = time.monotonic()
            with Progress(self.console) as progress:
                stack.start(watch=progress.show, owned=True)
            os.environ.update(stack.env)
            found = self._follow(stack, began)
        finally:
            stack.stop()
        write_json(self.state / "summary.json", found)
        return found

    def _follow(self, stack: Stack, began: float) -> dict[str, Any]:
        up = time.monotonic()
        fail_on_purpose(stack.plan.address("api-server"))
        files = self._drop()
        last_put = time.time()
        with Following(self.console, DOMAIN, files) as following:
            wait_for(lambda: settled(DOMAIN), following.show, "the files to arrive in the warehouse")
        alert = wait_for(lambda: alerts(stack.plan.address("slack")), lambda: None, "the alert to reach Slack")
        done = time.monotonic()
        seconds = {"start": up - began, "pipelines": done - up, "total": done - began}
        return summarise(DOMAIN, last_put, seconds) | {"alert": alert[0].get("text", "")}

    def _drop(self) -> int:
        from common.zones.store import ZoneStore, client
        from common.zones.zone import Zone
        from domains.ecommerce.samples.shop import PURCHASES, drops

        raw = ZoneStore(Zone.RAW)
        files = drops(self.purchases or PURCHASES)
        for drop in files:
            key = f"{raw.place.prefix}{DOMAIN}/{drop.key}"
            client().put_object(Bucket=raw.place.bucket, Key=key, Body=drop.content)
        return len(files)


def wait_for(look: Callable[[], Found], show: Callable[[], None], what: str) -> Found:
    """Look again and again until there is something; raises DemoFailed where patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        show()
        if time.monotonic() > deadline:
            raise DemoFailed(f"Waited {PATIENCE:.0f} s for {what}. See the logs below var/demo/stack/logs.")
        time.sleep(LOOK)
    show()
    return found


def fail_on_purpose(api: str) -> None:
    """Start the master with a stage that does not exist, so that a run really fails and an alert really goes out."""
    with httpx.Client(base_url=api, timeout=30) as http:
        token = http.get("/auth/token").raise_for_status().json()["access_token"]
        wait_for(lambda: _triggered(http, token), lambda: None, "the DAGs to be read")


def _triggered(http: httpx.Client, token: str) -> bool:
    answer = http.post(
        f"/api/v2/dags/{DOMAIN}_master/dagRuns",
        headers={"Authorization": f"Bearer {token}"},
        json={"logical_date": None, "conf": {"stages": [BAD_STAGE]}},
    )
    if answer.status_code == httpx.codes.NOT_FOUND:
        return False
    answer.raise_for_status()
    return True


def alerts(slack: str) -> Sequence[dict[str, Any]]:
    """List the failures that the Slack stand-in has received."""
    messages = httpx.get(f"{slack}/messages", timeout=10).raise_for_status().json()
    return [message for message in messages if "Failed" in message.get("text", "")]
