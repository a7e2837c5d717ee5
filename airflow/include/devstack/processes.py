"""Starting processes and ending whole families of them, so that none outlives its stack."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# Every process of a stack carries this mark in its environment, and hands it on to whatever it starts,
# whichever session or process group that puts itself in.
MARK = "DEVSTACK_FAMILY"
PR_SET_PDEATHSIG = 1
KILLED_WITHIN = 5.0
LARGEST_LOG = 20 * 1024 * 1024
LOOK = 0.05
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Identity:
    """A process for certain: pids are reused, a pid with its start time is not."""

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """Return the process while it runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            return process if _born(process) == self.started and is_alive(process) else None
        except (psutil.Error, OSError):
            return None


def identity(pid: int) -> Identity:
    """Name a process that runs now; one that ended already gets a start time nobody has."""
    try:
        return Identity(pid, _born(psutil.Process(pid)))
    except (psutil.Error, OSError):
        return Identity(pid, 0.0)


def _born(process: psutil.Process) -> float:
    if sys.platform != "linux":
        return process.create_time()
    # In ticks since the machine started: the time of day, which psutil adds, moves when the clock is set.
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return float(fields[19])


@dataclass(frozen=True)
class Launch:
    """How one process of a stack is started."""

    family: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path
    death_signal: int = signal.SIGTERM  # what the kernel sends when the parent dies; 0 for nothing


def follow_parent(death_signal: int) -> None:
    """Ask the kernel to signal this process when its parent dies, SIGKILL of the parent included."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, death_signal)


def start(launch: Launch) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own that carries the family's mark and follows its parent.

    Call it from the main thread only: the kernel counts the end of the starting thread as the parent's.
    """
    _make_room(launch.log)
    with launch.log.open("ab") as log:
        return subprocess.Popen(
            launch.command,
            env={**launch.env, MARK: launch.family},
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: follow_parent(launch.death_signal),
        )


def _make_room(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(log.with_suffix(".old"))


def family(state: Path, unit: str = "") -> str:
    """Return the mark of a unit's processes, or what the marks of all units of a stack begin with."""
    return f"{state}:{unit}:" if unit else f"{state}:"


def relatives(prefix: str) -> list[psutil.Process]:
    """Find the running processes whose mark begins with the prefix, this one excepted."""
    own = os.getpid()
    return [process for process in psutil.process_iter() if process.pid != own and _is(process, prefix)]


def _is(process: psutil.Process, prefix: str) -> bool:
    try:
        return process.environ().get(MARK, "").startswith(prefix) and is_alive(process)
    except (psutil.Error, OSError):
        return False


def listens(prefix: str, port: int) -> bool:
    """Return whether it is a process with the mark that listens on the TCP port."""
    return any(port in _ports(process) for process in relatives(prefix))


def _ports(process: psutil.Process) -> set[int]:
    try:
        found = process.net_connections("tcp")
    except psutil.Error:
        return set()
    return {connection.laddr.port for connection in found if connection.status == psutil.CONN_LISTEN}


def end(processes: Iterable[psutil.Process], gently: float = 0.0) -> None:
    """Ask the processes to end, wait that many seconds, kill the rest and wait until they are gone."""
    alive = list(processes)
    if gently:
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        alive = _outlive(alive, gently)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _outlive(alive, KILLED_WITHIN)


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process runs; a zombie, which only its parent can remove, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _outlive(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(LOOK)
    return alive


def end_family(prefix: str) -> None:
    """Kill everything that carries the mark, until a look finds nothing: members may fork meanwhile."""
    for _ in range(20):
        members = relatives(prefix)
        if not members:
            return
        end(members)
