"""The sample files, dropped into a running stack and followed until they are in the warehouse."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console

from common.core.errors import WatershedError
from devstack.follow import Following, settled
from devstack.summary import show_summary, summarise

DOMAIN = "ecommerce"
PATIENCE = 1200.0
LOOK = 0.5
BAD_STAGE = "platinum"
API = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
LOG_WIDTH = 140
Found = TypeVar("Found")


class TourFailed(WatershedError):
    """The sample data did not arrive as it should."""


def tour(console: Console, purchases: Path | None = None) -> dict[str, Any]:
    """Drop the sample files into the stack that the environment reaches, and give the summary of what arrived.

    Raises TourFailed where patience ends.
    """
    began, known = time.monotonic(), len(alerts())
    fail_on_purpose(api())
    files = drop(purchases)
    last_put = time.time()
    with Following(console, DOMAIN, files) as following:
        wait_for(lambda: settled(DOMAIN), following.show, "the files to arrive in the warehouse")
    alert = wait_for(lambda: alerts()[known:], lambda: None, "the alert to reach Slack")
    seconds = {"pipelines": time.monotonic() - began}
    return summarise(DOMAIN, last_put, seconds) | {"alert": alert[0].get("text", "")}


def api() -> str:
    """Return the API server's address as the stack's own processes use it."""
    return os.environ[API].removesuffix("/execution/")


def drop(purchases: Path | None = None) -> int:
    """Put the sample files into raw and tell how many they are; other purchases have the format of the sample."""
    from common.core.assets import Zone
    from common.zones.store import ZoneStore, client
    from domains.ecommerce.samples.shop import PURCHASES, drops

    raw = ZoneStore(Zone.RAW)
    files = drops(purchases or PURCHASES)
    for file in files:
        key = f"{raw.place.prefix}{DOMAIN}/{file.key}"
        client().put_object(Bucket=raw.place.bucket, Key=key, Body=file.content)
    return len(files)


def wait_for(look: Callable[[], Found], show: Callable[[], None], what: str) -> Found:
    """Look again and again until there is something; raises TourFailed where patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        show()
        if time.monotonic() > deadline:
            raise TourFailed(f"Waited {PATIENCE:.0f} s for {what}. The logs of the stack say why.")
        time.sleep(LOOK)
    show()
    return found


def fail_on_purpose(address: str) -> None:
    """Start the master with a stage that does not exist, so that a run really fails and an alert really goes out."""
    with httpx.Client(base_url=address, timeout=30) as http:
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


def alerts() -> Sequence[dict[str, Any]]:
    """List the failures that the Slack stand-in has received."""
    messages = httpx.get(f"{slack()}/messages", timeout=10).raise_for_status().json()
    return [message for message in messages if "Failed" in message.get("text", "")]


def slack() -> str:
    """Return the address of the Slack stand-in. Raises TourFailed where alerts go to Slack itself."""
    from airflow.sdk import BaseHook

    from common.core.settings import settings

    conn_id = settings().slack_conn
    base = BaseHook.get_connection(conn_id).extra_dejson.get("base_url", "")
    if not base:
        raise TourFailed(f"The demo reads the alerts of a Slack stand-in, but connection '{conn_id}' is Slack itself.")
    return str(base).removesuffix("/api/")


def main() -> None:
    """Show the tour on the stack that the environment reaches."""
    console = Console()
    if not console.is_terminal:
        console.width = LOG_WIDTH
    try:
        found = tour(console)
    except (WatershedError, httpx.HTTPError) as error:
        raise SystemExit(f"The demo could not go on: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("Interrupted; what was dropped goes on its way.") from None
    show_summary(console, found)


if __name__ == "__main__":
    main()
