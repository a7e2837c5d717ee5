"""The shop's sample files, dropped into a running stack and followed until they are in the warehouse."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
from rich.console import Console

from common.core.errors import WatershedError
from devstack.follow import Following, settled, waiting
from devstack.summary import answers, show_summary, summarise

DOMAIN = "ecommerce"
PATIENCE = 1200.0
SLOW = 30.0  # seconds for an answer
LOOK = 0.5
BAD_STAGE, GOOD_STAGE = "platinum", "bronze"
FAILED, RESOLVED = "Failed: ", "Resolved: "
API = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
LOG_WIDTH = 140
Found = TypeVar("Found")


class TourFailed(WatershedError):
    """The sample data did not arrive as it should."""


def tour(console: Console, purchases: Path | None = None) -> dict[str, Any]:
    """Drop the sample files into the stack that the environment reaches, and give the summary of what arrived.

    Raises TourFailed where patience ends.
    """
    began, stand_in = time.monotonic(), slack()
    known, solved = (len(alerts(resolved=over)) if stand_in else 0 for over in (False, True))
    start_master(api(), [BAD_STAGE])  # so that a run really fails and an alert really goes out
    files = drop(purchases)
    last_put = time.time()
    with Following(console, DOMAIN, files) as following:
        wait_for(lambda: settled(DOMAIN), following.show, "the files to arrive in the warehouse", why)
    alert, over = "what it was sent: this stack's alerts go to Slack itself", ""
    if stand_in:
        console.print("Waiting for the alert of a DAG that was made to fail, and for its end.", style="dim")
        alert = wait_for(lambda: alerts()[known:], lambda: None, "the alert to reach Slack")[0]["text"]
        start_master(api(), [GOOD_STAGE])
        over = wait_for(lambda: alerts(resolved=True)[solved:], lambda: None, "its end to reach Slack")[0]["text"]
    seconds = {"pipelines": time.monotonic() - began}
    return summarise(DOMAIN, last_put, seconds) | {"answers": answers(), "alert": alert, "resolved": over}


def api() -> str:
    """Return the API server's address as the stack's own processes use it."""
    return os.environ[API].removesuffix("/execution/")


def drop(purchases: Path | None = None) -> int:
    """Put the sample files into raw and tell how many they are; other purchases have the format of the sample."""
    from domains.ecommerce.samples.shop import PURCHASES, drops

    return put(DOMAIN, drops(purchases or PURCHASES))


def put(domain: str, files: Sequence[Any]) -> int:
    """Put files below a domain's raw prefix in their order, and tell how many they are."""
    from common.core.assets import Zone
    from common.zones.store import ZoneStore, client

    raw = ZoneStore(Zone.RAW)
    for file in files:
        where = raw.place(key := f"{domain}/{file.key}")
        client().put_object(Bucket=where.bucket, Key=where.name(key), Body=file.content)
    return len(files)


def wait_for(
    look: Callable[[], Found], show: Callable[[], None], what: str, why: Callable[[], str] = lambda: ""
) -> Found:
    """Look again and again until there is something; raises TourFailed where patience ends, with `why`."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        show()
        if time.monotonic() > deadline:
            raise TourFailed(f"Waited {PATIENCE:.0f} s for {what}. {why()}".rstrip())
        time.sleep(LOOK)
    show()
    return found


def why(domain: str = DOMAIN) -> str:
    """Say what a domain has still to do, and which of Airflow's services do not do well."""
    ill = [f"{name} is {state}" for name, state in sorted(health().items()) if state != "healthy"]
    services = f"Airflow: {', '.join(ill)}." if ill else "All of Airflow's services say that they are healthy."
    return f"{waiting(domain)} {services} `watershed status` says more, and so do the logs of the services."


def health() -> dict[str, str]:
    """Ask the API server how Airflow's services are."""
    try:
        found = httpx.get(f"{api()}/api/v2/monitor/health", timeout=SLOW).raise_for_status().json()
    except httpx.HTTPError as error:
        return {"api-server": f"silent ({type(error).__name__})"}
    return {name: str(part.get("status")) for name, part in found.items()}


def start_master(address: str, stages: Sequence[str]) -> None:
    """Start the master with some stages."""
    start(address, f"{DOMAIN}_master", {"stages": list(stages)})


def start(address: str, dag_id: str, conf: Mapping[str, Any] | None = None) -> None:
    """Start a run of a DAG, once it is known."""
    run = f"demo__{time.time():.3f}"  # named, so that a request which is sent again starts no second run
    with httpx.Client(base_url=address, timeout=SLOW) as http:
        wait_for(partial(_triggered, http, dag_id, run, conf or {}), lambda: None, f"{dag_id} to be read and started")


def _triggered(http: httpx.Client, dag_id: str, run: str, conf: Mapping[str, Any]) -> bool:
    """Start the run; False where the DAG is not known yet or the API takes too long to answer."""
    try:
        token = http.get("/auth/token").raise_for_status().json()["access_token"]
        answer = http.post(
            f"/api/v2/dags/{dag_id}/dagRuns",
            headers={"Authorization": f"Bearer {token}"},
            json={"dag_run_id": run, "logical_date": None, "conf": dict(conf)},
        )
        if answer.status_code == httpx.codes.CONFLICT:
            return True
        answer.raise_for_status()
    except httpx.TransportError:
        return False
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND or error.response.is_server_error:
            return False
        raise
    return True


def alerts(*, resolved: bool = False) -> Sequence[dict[str, Any]]:
    """List the failures that the Slack stand-in was told of, or those of which it was told that they are over."""
    failures = [message for message in messages() if FAILED in message.get("text", "")]
    return [message for message in failures if (RESOLVED in message["text"]) == resolved]


def messages() -> list[dict[str, Any]]:
    """List what the Slack stand-in was told."""
    found: list[dict[str, Any]] = httpx.get(f"{slack()}/messages", params={"service": "slack"}, timeout=SLOW).json()
    return found


def slack() -> str:
    """Return the address of the Slack stand-in; nothing where alerts go to Slack itself."""
    from airflow.sdk import BaseHook

    from common.core.settings import settings

    return str(BaseHook.get_connection(settings().slack_conn).extra_dejson.get("base_url", "")).removesuffix("/api/")


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
