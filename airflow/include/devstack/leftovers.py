"""What a stack left behind when it could not stop in order."""

import os

from devstack.folder import StateFolder
from devstack.processes import end, end_family, family, relatives
from devstack.record import read_record


def end_leftovers(folder: StateFolder, gently: float = 0.0) -> bool:
    """End every process that the last record names or that carries the mark; return whether there was one."""
    record = read_record(folder)
    recorded = [unit.identity.process() for unit in record.units] if record else []
    processes = [*filter(None, recorded), *relatives(family(folder.path))]
    found = {process.pid: process for process in processes if process.pid != os.getpid()}
    end(found.values(), gently)
    end_family(family(folder.path))
    return bool(found)
