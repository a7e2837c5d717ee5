"""How each unit of a stack is at this moment, looked at from outside the supervisor."""

import time
from dataclasses import dataclass

from devstack.folder import StateFolder
from devstack.health import Probed
from devstack.plan import Plan, read_plan
from devstack.record import Condition, Phase, UnitRecord, read_record
from devstack.units import BY_NAME

ENDED = (Phase.STOPPED, Phase.FAILED)


@dataclass(frozen=True)
class UnitStatus:
    """One service: whether it answers, and where it is."""

    name: str
    title: str
    healthy: bool
    condition: str
    pid: int
    address: str
    log: str
    uptime: float
    restarts: int


@dataclass(frozen=True)
class StackStatus:
    """A whole stack."""

    running: bool
    phase: str
    services: list[UnitStatus]

    @property
    def healthy(self) -> bool:
        """Whether all of it answers."""
        return self.running and all(service.healthy for service in self.services)


def look(folder: StateFolder) -> StackStatus:
    """Ask every service of the stack how it is."""
    record, plan = read_record(folder), read_plan(folder)
    if not record or not plan:
        return StackStatus(running=False, phase="never started", services=[])
    services = [_ask(unit, folder, plan) for unit in record.units if unit.is_service]
    phase = record.phase.value if record.alive or record.phase in ENDED else "supervisor died"
    return StackStatus(record.alive, phase, services)


def _ask(unit: UnitRecord, folder: StateFolder, plan: Plan) -> UnitStatus:
    probe = BY_NAME[unit.name].probe
    runs = unit.identity.process() is not None
    healthy = bool(runs and probe and probe(Probed(folder, plan.env, unit.identity, unit.since)))
    condition = unit.condition.value if runs or unit.condition is not Condition.READY else "dead"
    return UnitStatus(
        name=unit.name,
        title=unit.title,
        healthy=healthy,
        condition=condition if not healthy else "healthy",
        pid=unit.pid if runs else 0,
        address=unit.address,
        log=unit.log,
        uptime=round(time.time() - unit.since, 1) if runs else 0.0,
        restarts=unit.restarts,
    )
