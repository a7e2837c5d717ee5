"""Workers that do one hop each in a process of their own, with a plan of faults, and may be killed or frozen."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.faults.plan import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0
Plan = Sequence[Mapping[str, Any]]


@dataclass
class Outcome:
    """How a worker ended: exit code (negative: the signal), and what it returned or raised."""

    code: int
    result: dict[str, Any]
    log: Path

    @property
    def killed(self) -> bool:
        """Whether it died by SIGKILL."""
        return self.code == -signal.SIGKILL

    @property
    def error(self) -> str:
        """The name of what it raised, or nothing."""
        return str(self.result.get("error", ""))

    def __str__(self) -> str:
        end = self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""
        return f"exit code {self.code}, {self.result}, log:\n{end}"


@dataclass
class Worker:
    """One running job."""

    pid: int
    result: Path
    pool: "Workers"

    def wait(self, patience: float = PATIENCE) -> Outcome:
        """Wait for its end."""
        code = self.pool.ended(self.pid, patience)
        text = self.result.read_text() if self.result.exists() else ""
        return Outcome(code, json.loads(text) if text else {}, self.result.with_suffix(".log"))

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> Outcome:
        """Kill it and wait for its end."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def frozen(self, patience: float = PATIENCE) -> bool:
        """Wait until it has stopped itself; False where it ended instead."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                if psutil.Process(self.pid).status() == psutil.STATUS_STOPPED:
                    return True
            except psutil.NoSuchProcess:
                return False
            if self.pool.has_ended(self.pid):
                return False
            time.sleep(0.01)
        return False


@dataclass
class Workers:
    """The forking parent of all workers of a test session."""

    process: "subprocess.Popen[str]"
    folder: Path
    _ends: dict[int, int] = field(default_factory=dict)
    _begun: list[int] = field(default_factory=list)
    _rest: str = ""

    def start(self, job: Mapping[str, Any], env: Mapping[str, str], plan: Plan = (), **more: Any) -> Worker:
        """Fork a child for a job, with a plan of faults."""
        whole = {**env, **({VARIABLE: json.dumps(list(plan))} if plan else {})}
        result = self.folder / f"{uuid.uuid4().hex}.json"
        self._write({**job, **more, "env": whole, "result": str(result)})
        while not self._begun:
            self._read(PATIENCE)
        return Worker(self._begun.pop(), result, self)

    def run(self, job: Mapping[str, Any], env: Mapping[str, str], plan: Plan = (), **more: Any) -> Outcome:
        """Do a job to its end, whatever that is."""
        return self.start(job, env, plan, **more).wait()

    def ended(self, pid: int, patience: float) -> int:
        """Wait for the end of a child and give its exit code."""
        deadline = time.monotonic() + patience
        while pid not in self._ends:
            left = deadline - time.monotonic()
            if left <= 0:
                os.kill(pid, signal.SIGKILL)
                raise TimeoutError(f"worker {pid} did not end within {patience:.0f} s")
            self._read(left)
        return self._ends.pop(pid)

    def has_ended(self, pid: int) -> bool:
        """Tell whether a child has ended, without waiting."""
        self._read(0)
        return pid in self._ends

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def _read(self, patience: float) -> None:
        import select

        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], patience)[0]:
            return
        line = os.read(self.process.stdout.fileno(), 1 << 16).decode()
        if not line:
            raise RuntimeError("the parent of the workers has died")
        *whole, self._rest = (self._rest + line).split("\n")
        for message in map(json.loads, whole):
            if "began" in message:
                self._begun.append(message["began"])
            elif "ended" in message:
                self._ends[message["ended"]] = message["status"]


@contextmanager
def workers(env: Mapping[str, str], folder: Path) -> Iterator[Workers]:
    """Keep the parent of workers for the length of a block."""
    own = {**env, "PYTHONPATH": os.pathsep.join([str(ROOT / "airflow" / "include"), str(ROOT)])}
    own.pop("COVERAGE_PROCESS_START", None)
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.forks"],
        env=own,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        pool = Workers(process, folder)
        pool._read(PATIENCE)
        try:
            yield pool
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(300)


def job(consumer: str, owner: str = "dag/run/task/-1") -> dict[str, Any]:
    """Describe the work for one consumer."""
    return {"do": "work", "consumer": consumer, "owner": owner}
