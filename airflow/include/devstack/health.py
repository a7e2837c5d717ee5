"""Whether a service answers, asked the way its clients would ask."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg

from devstack import postgres
from devstack.folder import StateFolder
from devstack.processes import Identity, family, listens

TIMEOUT = 3.0
AIRFLOW_HEALTH = "/api/v2/monitor/health"
# A proxy that the machine may have knows nothing about 127.0.0.1.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Probed:
    """The process that should serve, what reaches it, and the time of day it was started at."""

    folder: StateFolder
    env: Mapping[str, str]
    process: Identity
    since: float


Probe = Callable[[Probed], bool]


def runs(probed: Probed) -> bool:
    """Return whether the process runs; for services that nobody calls."""
    return probed.process.process() is not None


def database(probed: Probed) -> bool:
    """Return whether PostgreSQL takes connections; one that is shutting down or recovering refuses them."""
    if not postgres.is_ready(probed.folder, probed.process.pid):
        return False
    login = {name: probed.env[f"PG{name.upper()}"] for name in ("host", "port", "user", "password")}
    address = psycopg.conninfo.make_conninfo(dbname="postgres", connect_timeout=int(TIMEOUT), **login)
    try:
        psycopg.connect(address).close()
    except psycopg.Error:
        return False
    return True


def answers(unit: str, variable: str, path: str) -> Probe:
    """Make a probe that wants HTTP 200 of this stack's unit at a path below the address that the environment names."""
    return lambda probed: _ask(probed, unit, probed.env[variable].rstrip("/") + path) is not None


def answers_at(url: str) -> bool:
    """Return whether the address gives HTTP 200 with JSON."""
    return _get(url) is not None


def serves(unit: str, variable: str) -> Probe:
    """Make a probe that wants this stack's unit to listen where the environment says."""
    return lambda probed: listens(family(probed.folder.path, unit), urlsplit(probed.env[variable]).port or 0)


def beats(component: str) -> Probe:
    """Make a probe that wants a heartbeat of an Airflow component by this very process."""

    def probe(probed: Probed) -> bool:
        health = _ask(probed, "api-server", probed.env["AIRFLOW__API__BASE_URL"] + AIRFLOW_HEALTH) or {}
        seen = health.get(component) or {}
        beat = seen.get(f"latest_{component}_heartbeat")
        if not beat or seen.get("status") != "healthy":
            return False
        return datetime.fromisoformat(beat).timestamp() >= probed.since

    return probe


def _ask(probed: Probed, unit: str, url: str) -> Any:
    """Fetch JSON from a unit of the probed's stack; None where it does not answer, or somebody else would."""
    port = urlsplit(url).port or 0
    return _get(url) if listens(family(probed.folder.path, unit), port) else None


def _get(url: str) -> Any:
    """Fetch JSON; None for anything but HTTP 200."""
    try:
        with DIRECT.open(url, timeout=TIMEOUT) as response:
            return json.loads(response.read() or b"{}")
    except (OSError, ValueError, urllib.error.URLError):
        return None
