"""One unit of a running stack: its process, its record, and when to try again."""

import subprocess
import time
from contextlib import suppress

from devstack.environment import for_children
from devstack.folder import StateFolder
from devstack.health import Probed
from devstack.plan import Plan
from devstack.processes import Launch, end_family, family, identity, start
from devstack.record import Condition, UnitRecord
from devstack.units import Unit

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
STABLE = 60.0  # seconds after which earlier deaths are forgotten


class Member:
    """A unit and its process."""

    def __init__(self, unit: Unit, folder: StateFolder, plan: Plan) -> None:
        self.unit = unit
        self.folder = folder
        self.plan = plan
        self.failures = 0
        self.record = UnitRecord(
            unit.name, unit.title, unit.is_service, str(folder.log(unit.name)), plan.address(unit.name)
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._not_before = 0.0
        self._since = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether what comes after it may start."""
        return self.record.condition is Condition.READY

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def due(self) -> bool:
        """Whether the pause after a failure is over."""
        return time.monotonic() >= self._not_before

    @property
    def age(self) -> float:
        """Seconds since its process was started."""
        return time.monotonic() - self._since

    def start(self) -> None:
        """Start its process."""
        again = self._process is not None
        self._process = start(self._launch())
        self._since = time.monotonic()
        named = identity(self._process.pid)
        self.record.pid, self.record.started = named.pid, named.started
        self.record.since = time.time()
        self.record.condition = Condition.STARTING
        self.record.restarts += again

    def healthy(self) -> bool:
        """Ask the service itself; a step is judged by its end alone."""
        probe = self.unit.probe
        return probe is not None and probe(Probed(self.folder, self.plan.env, self.record.identity, self.record.since))

    def became_ready(self) -> None:
        """Note that it is ready, and how long that took."""
        self.record.condition = Condition.READY
        self.record.seconds = round(self.age, 1)

    def leave(self) -> int:
        """End what its dead process left behind, and give that one's exit code."""
        end_family(self._family)
        return self._process.wait() if self._process else 0

    def pause(self) -> None:
        """Wait before the next try, longer after each failure in a row."""
        self.failures = 1 if self.ready and self.age > STABLE else self.failures + 1
        self._not_before = time.monotonic() + min(FIRST_PAUSE * 2**self.failures, LONGEST_PAUSE)
        self.record.condition = Condition.WAITING

    def ask_to_stop(self) -> None:
        """Ask its process to end."""
        if self.running and self._process:
            self._process.send_signal(self.unit.stop)

    def await_end(self) -> None:
        """Give its process time to end, then kill whatever of its family is left."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.unit.grace)
            if self.running:
                self._process.kill()
        self.leave()
        self.record.condition = Condition.STOPPED

    @property
    def _family(self) -> str:
        return family(self.folder.path, self.unit.name)

    def _launch(self) -> Launch:
        return Launch(
            self._family,
            self.unit.command(str(self.folder.path)),
            for_children(self.plan.env),
            self.folder.log(self.unit.name),
            self.folder.path,
            0 if self.unit.outlives else self.unit.stop,
        )
