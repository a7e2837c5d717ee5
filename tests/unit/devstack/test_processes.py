"""Processes are known for certain, and end with all they started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from devstack.processes import (
    MARK,
    Identity,
    Launch,
    end,
    end_family,
    family,
    identity,
    is_alive,
    relatives,
    start,
)


def launch(folder: Path, unit: str, *command: str) -> Launch:
    return Launch(family(folder, unit), command, dict(os.environ), folder / "logs" / f"{unit}.log", folder)


def name_of(process: psutil.Process) -> str:
    """Return the name of a process that may end meanwhile, or nothing."""
    try:
        return process.name()
    except psutil.Error:
        return ""


def test_a_process_is_known_by_its_start_time_too() -> None:
    own = identity(os.getpid())
    assert own.process() == psutil.Process()
    assert Identity(own.pid, own.started - 100).process() is None


def test_a_zombie_does_not_run(tmp_path: Path) -> None:
    with start(launch(tmp_path, "short", "sleep", "60")) as process:
        named = identity(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert named.process() is None


def test_a_family_ends_with_grandchildren_that_left_its_session(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.run(['setsid', 'sleep', '60'])"
    with start(launch(tmp_path, "deep", sys.executable, "-c", code)) as process:
        while not (sleepers := [p for p in relatives(family(tmp_path)) if name_of(p) == "sleep"]):
            process.poll()
        end_family(family(tmp_path, "deep"))
    assert relatives(family(tmp_path)) == []
    assert not any(map(is_alive, sleepers))


def test_a_family_is_not_another_whose_name_begins_alike(tmp_path: Path) -> None:
    with start(launch(tmp_path, "s3-other", "sleep", "60")) as process:
        end_family(family(tmp_path, "s3"))
        assert process.poll() is None
        end_family(family(tmp_path))


def test_what_ends_when_asked_is_not_killed(tmp_path: Path) -> None:
    code = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    with start(launch(tmp_path, "polite", "sh", "-c", code)) as process:
        while b"ready" not in (tmp_path / "logs" / "polite.log").read_bytes():
            pass
        end([psutil.Process(process.pid)], gently=5)
        assert process.wait() == 7
        end_family(family(tmp_path))


def test_a_child_dies_with_the_parent_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from devstack.processes import Launch, family, start\n"
        "folder = Path(sys.argv[1])\n"
        "child = start(Launch(family(folder, 'x'), ['sleep', '60'], os.environ, folder / 'log', folder))\n"
        "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 120
    while relatives(family(tmp_path)):
        assert time.monotonic() < deadline


def test_every_process_carries_the_mark(tmp_path: Path) -> None:
    with start(launch(tmp_path, "env", "env")) as process:
        process.wait()
    assert f"{MARK}={tmp_path}:env:" in (tmp_path / "logs" / "env.log").read_text()
