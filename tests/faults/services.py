"""Kill a service of the running stack for real, and wait until its supervisor has brought it back."""

import os
import signal
import time
from pathlib import Path

from devstack.folder import StateFolder, state_folder
from devstack.record import Condition, UnitRecord, read_record

PATIENCE = 300.0


def folder_of(env: dict[str, str] | object) -> StateFolder:
    """Find the state folder of the stack that an environment reaches."""
    import json

    path = Path(json.loads(env["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"]).parent  # type: ignore[index]
    return state_folder(path)


def unit(folder: StateFolder, name: str) -> UnitRecord:
    """Read what the supervisor says of a service."""
    record = read_record(folder)
    assert record is not None
    return next(one for one in record.units if one.name == name)


def strike(folder: StateFolder, name: str, number: signal.Signals) -> int:
    """Send a service's process a signal that it does not survive; gives how often it was restarted before."""
    found = unit(folder, name)
    process = found.identity.process()
    assert process is not None, f"{name} does not run"
    os.kill(process.pid, number)
    return found.restarts


def await_return(folder: StateFolder, name: str, restarts: int) -> None:
    """Wait until a struck service has been restarted and every part of the stack is ready again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        record = read_record(folder)
        back = record is not None and unit(folder, name).restarts > restarts
        if back and record and all(one.condition is Condition.READY for one in record.units):
            return
        time.sleep(0.1)
    raise TimeoutError(f"{name} did not come back within {PATIENCE:.0f} s")
