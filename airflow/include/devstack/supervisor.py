"""Starts the units of a stack in order, keeps them running, and stops them in reverse order."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from devstack.crew import Member
from devstack.folder import StateFolder, locked, state_folder, write_json
from devstack.leftovers import end_leftovers
from devstack.plan import Plan, read_plan
from devstack.processes import Identity, end_family, family, identity
from devstack.record import Condition, Phase, Record, write_record
from devstack.units import BY_NAME

ALERT = 0.25  # seconds between looks while something is starting
CALM = 1.0
FIRST_TRIES = 3


class Supervisor:
    """One stack; single-threaded, because the kernel ties its children to the thread that started them."""

    def __init__(self, folder: StateFolder, plan: Plan, owner: Identity | None = None) -> None:
        self.folder = folder
        self.plan = plan
        self.owner = owner
        self.crew = [Member(BY_NAME[name], folder, plan) for name in plan.units]
        own = identity(os.getpid())
        self.record = Record(own.pid, own.started, units=[member.record for member in self.crew])
        self.wake = threading.Event()
        self.stopping = False

    def run(self, ready: Callable[[], None]) -> int:
        """Bring the stack up and keep it until told to stop; 0 after an orderly stop, 1 after a failure.

        `ready` is called when the record names this supervisor.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, self._child_ended)
        end_leftovers(self.folder)
        self._publish()
        ready()
        try:
            while not self.stopping and self.record.phase is not Phase.FAILED:
                self._look()
                self._rest()
        finally:
            self._stop()
        return 1 if self.record.phase is Phase.FAILED else 0

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True
        self.wake.set()

    def _child_ended(self, _number: int, _frame: FrameType | None) -> None:
        self.wake.set()

    def _rest(self) -> None:
        calm = all(member.ready for member in self.crew)
        self.wake.wait(CALM if calm else ALERT)
        self.wake.clear()

    def _look(self) -> None:
        """Move every unit as far as it can go now."""
        if self.owner and self.owner.process() is None:
            self.stopping = True
            return
        changes = [self._advance(member) for member in self.crew]
        if self.record.phase is Phase.STARTING and all(member.ready for member in self.crew):
            self.record.phase = Phase.RUNNING
            changes.append(True)
        if any(changes):
            self._publish()

    def _advance(self, member: Member) -> bool:
        if self.record.phase is Phase.FAILED:
            return False
        condition = member.record.condition
        if condition is Condition.WAITING:
            if not member.due or not self._may_start(member):
                return False
            member.start()
            return True
        if not member.running and (member.unit.is_service or condition is Condition.STARTING):
            return self._ended(member)
        if condition is Condition.STARTING:
            return self._settle(member)
        return False

    def _may_start(self, member: Member) -> bool:
        return all(other.ready for other in self.crew if other.unit.name in member.unit.after)

    def _settle(self, member: Member) -> bool:
        if member.healthy():
            member.became_ready()
            return True
        if member.age > member.unit.patience:
            member.ask_to_stop()
            member.await_end()
            return self._gave_up(member, f"was not healthy after {member.unit.patience:.0f} s")
        return False

    def _ended(self, member: Member) -> bool:
        code = member.leave()
        if not member.unit.is_service and code in (0, member.unit.in_part):
            member.record.in_part = code != 0
            member.became_ready()
            return True
        return self._gave_up(member, _how(code))

    def _gave_up(self, member: Member, why: str) -> bool:
        """Try again later; before the stack was ever up, only as often as could help."""
        tries = FIRST_TRIES if member.unit.is_service else 1
        if self.record.phase is Phase.STARTING and member.failures + 1 >= tries:
            self.record.phase = Phase.FAILED
            self.record.failed_unit, self.record.failure = member.unit.name, why
            return True
        member.pause()
        for other in self.crew:
            if other.unit.repeats and member.unit.name in other.unit.after:
                other.leave()
                other.record.condition = Condition.WAITING
        return True

    def _stop(self) -> None:
        failed = self.record.phase is Phase.FAILED
        self.record.phase = Phase.FAILED if failed else Phase.STOPPING
        self._publish()
        left = list(self.crew)
        while left:
            needed = {name for member in left for name in member.unit.after}
            wave = [member for member in left if member.unit.name not in needed]
            for member in wave:
                member.ask_to_stop()
            for member in wave:
                member.await_end()
                left.remove(member)
            self._publish()
        end_family(family(self.folder.path))
        self.record.phase = Phase.FAILED if failed else Phase.STOPPED
        write_record(self.folder, self.record)
        self.folder.stack.unlink(missing_ok=True)

    def _publish(self) -> None:
        write_record(self.folder, self.record)
        services = {
            unit.name: {"pid": unit.pid, "address": unit.address, "log": unit.log}
            for unit in self.record.units
            if unit.is_service
        }
        write_json(self.folder.stack, {"services": services, "env": self.plan.env})


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _detach() -> Callable[[], None]:
    """Go on as a process that no terminal and no parent holds; the first one ends when it is told to."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os._exit(0 if os.read(reading, 1) else 1)
    os.close(reading)
    os.setsid()

    def ready() -> None:
        os.write(writing, b"1")
        os.close(writing)

    return ready


def main(arguments: list[str]) -> int:
    """Supervise the state folder named first, while the process named by pid and start time lives."""
    ready = _detach()
    folder = state_folder(Path(arguments[0]))
    plan = read_plan(folder)
    owner = Identity(int(arguments[1]), float(arguments[2])) if len(arguments) == 3 else None
    with locked(folder) as mine:
        return Supervisor(folder, plan, owner).run(ready) if mine and plan else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
