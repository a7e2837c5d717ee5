"""What the supervisor says about itself, for `up`, `down` and `status` to read."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum

from devstack.folder import StateFolder, read_json, write_json
from devstack.processes import Identity


class Phase(StrEnum):
    """Life cycle of a stack."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Condition(StrEnum):
    """Where one unit of a stack is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"


@dataclass
class UnitRecord:
    """One service or step as the supervisor last saw it."""

    name: str
    title: str
    is_service: bool
    log: str
    address: str = ""
    condition: Condition = Condition.WAITING
    pid: int = 0
    started: float = 0.0
    since: float = 0.0
    seconds: float = 0.0
    restarts: int = 0
    in_part: bool = False

    @property
    def identity(self) -> Identity:
        """Name the unit's process for certain."""
        return Identity(self.pid, self.started)


@dataclass
class Record:
    """The supervisor, its phase and its units in the order they start."""

    pid: int
    started: float
    phase: Phase = Phase.STARTING
    failed_unit: str = ""
    failure: str = ""
    units: list[UnitRecord] = field(default_factory=list)

    @property
    def supervisor(self) -> Identity:
        """Name the supervisor's process for certain."""
        return Identity(self.pid, self.started)

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs."""
        return self.supervisor.process() is not None


def write_record(folder: StateFolder, record: Record) -> None:
    """Replace the stack's record."""
    write_json(folder.record, asdict(record))


def read_record(folder: StateFolder) -> Record | None:
    """Read the record that the folder's last supervisor left, if any."""
    content = read_json(folder.record)
    if content is None:
        return None
    units = [UnitRecord(**{**unit, "condition": Condition(unit["condition"])}) for unit in content.pop("units")]
    return Record(**{**content, "phase": Phase(content["phase"]), "units": units})
