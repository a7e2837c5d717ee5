"""A whole stack as one thing: start it, stop it, use it for a while."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.core.errors import ConfigError, WatershedError
from devstack.environment import chosen_by_user, domains_of, for_children
from devstack.folder import StateFolder, state_folder
from devstack.leftovers import end_leftovers
from devstack.plan import Plan, make_plan, read_plan
from devstack.ports import Claims, is_free
from devstack.processes import end, identity
from devstack.record import Phase, Record, read_record
from devstack.units import SERVICES, units_for
from devstack.warehouses import in_use

LOOK = 0.1
STOP_PATIENCE = 120.0
TAIL = 25


class StackFailed(WatershedError):
    """A stack could not be started; nothing of it runs any more."""


def ignore(_record: Record) -> None:
    """Watch nothing."""


@dataclass
class Stack:
    """The stack of one state folder, with some or all of the services."""

    state: Path | None = None
    services: Iterable[str] = SERVICES
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> StateFolder:
        """Where it keeps its state."""
        return state_folder(self.state)

    @property
    def plan(self) -> Plan:
        """What it was last asked to start. Raises ConfigError before its first start."""
        plan = read_plan(self.folder)
        if plan is None:
            raise ConfigError(f"There is no stack in {self.folder.path}: start it with `watershed dev up`.")
        return plan

    @property
    def env(self) -> dict[str, str]:
        """Everything that reaches it. Raises ConfigError before its first start."""
        return self.plan.env

    @property
    def record(self) -> Record | None:
        """What its supervisor last said, where one runs."""
        record = read_record(self.folder)
        return record if record and record.alive else None

    def start(self, *, watch: Callable[[Record], None] = ignore, owned: bool = False) -> bool:
        """Start it unless it runs, and wait until all of it is healthy; False where it ran already.

        An owned stack stops when this process ends, however that happens. Raises StackFailed with the reason
        and the end of the log.
        """
        self._let_stop()
        running = self.record
        if running:
            if running.phase is Phase.STARTING:
                self._wait(watch)
            return False
        for last in (False, False, True):
            try:
                self._start_once(watch, owned=owned)
                break
            except StackFailed:
                # A port that was free may be taken by another program before the server gets to it.
                if last or all(map(is_free, self.plan.ports.values())):
                    raise
        return True

    def _start_once(self, watch: Callable[[Record], None], *, owned: bool) -> None:
        end_leftovers(self.folder)
        with Claims() as claims:
            make_plan(self.folder, self._units(), self.overrides, claims)
            self._launch(claims, owned=owned)
        self._wait(watch)

    def _units(self) -> list[str]:
        """Name what is started: a stack that applies contracts has the stand-ins, too, that they load into."""
        wanted = [unit.name for unit in units_for(self.services)]
        if "apply" not in wanted:
            return wanted
        chosen = {**chosen_by_user(), **self.overrides}
        return [unit.name for unit in units_for([*wanted, *in_use(domains_of(chosen), chosen)])]

    def stop(self) -> bool:
        """Stop it in order and leave no process behind; False where nothing ran."""
        record = self.record
        supervisor = record.supervisor.process() if record else None
        if supervisor:
            end([supervisor], gently=STOP_PATIENCE)
        return end_leftovers(self.folder) or supervisor is not None

    def _launch(self, claims: Claims, *, owned: bool) -> None:
        own = identity(os.getpid())
        owner = [str(own.pid), repr(own.started)] if owned else []
        log = self.folder.log("supervisor")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            launcher = subprocess.Popen(
                [sys.executable, "-m", "devstack.supervisor", str(self.folder.path), *owner],
                env=for_children(self.env),
                cwd=self.folder.path,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=claims.files,  # the supervisor goes on holding the ports, also while a service is down
            )
        try:
            code = launcher.wait()
        except KeyboardInterrupt:
            launcher.wait()  # whoever interrupted will stop the stack, and must find its record
            raise
        if code and not self.record:  # another `up` may have been faster
            raise StackFailed(self._why())

    def _let_stop(self) -> None:
        """Wait for a supervisor that is on its way out."""
        while (record := self.record) and record.phase not in (Phase.STARTING, Phase.RUNNING):
            time.sleep(LOOK)

    def _wait(self, watch: Callable[[Record], None]) -> None:
        while record := self.record:
            watch(record)
            if record.phase is Phase.RUNNING:
                return
            time.sleep(LOOK)
        raise StackFailed(self._why())

    def _why(self) -> str:
        record = read_record(self.folder)
        unit = record.failed_unit if record and record.phase is Phase.FAILED else ""
        name, reason = (unit, record.failure) if unit and record else ("supervisor", "ended")
        log = self.folder.log(name)
        return f"{name} {reason}. The end of {log}:\n{tail(log)}"


def tail(log: Path, lines: int = TAIL) -> str:
    """Return the last lines of a log file."""
    if not log.exists():
        return "(nothing)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def running(
    state: Path, services: Iterable[str] = SERVICES, overrides: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Keep a stack up for the length of a block, and give the environment that reaches it.

    It stops with the block, and with this process however that ends.
    """
    stack = Stack(state, services, overrides or {})
    try:
        stack.start(owned=True)
        yield stack.env
    finally:
        stack.stop()
