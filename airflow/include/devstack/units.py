"""The services and steps of a stack, read top to bottom in the order they start."""

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from common.core.errors import ConfigError
from devstack import health, objectstore, postgres


@dataclass(frozen=True)
class Unit:
    """A service, which runs and is healthy, or a step, which runs once and succeeds.

    `after` names what must be ready before it starts (of optional units those that start at all), `part_of` the service
    that is of no use without it.
    """

    name: str
    title: str
    module: tuple[str, ...]
    after: tuple[str, ...] = ()
    probe: health.Probe | None = None
    part_of: str = ""
    optional: bool = False  # started only where it is asked for by its name
    in_part: int = 0  # exit code of a step that did what it could, and says in its log what it could not
    repeats: bool = False  # run again whenever a unit that it comes after has been restarted
    stop: signal.Signals = signal.SIGTERM
    outlives: bool = False  # not told to stop when the supervisor dies
    patience: float = 60.0  # seconds to become ready
    grace: float = 10.0  # seconds to end in order before SIGKILL

    @property
    def is_service(self) -> bool:
        """Whether it stays."""
        return self.probe is not None

    def command(self, state: str) -> list[str]:
        """Return the command line; `{state}` stands for the state folder."""
        return [sys.executable, "-m", *(part.replace("{state}", state) for part in self.module)]


# An overloaded machine may take minutes for what takes seconds at rest; a failure is seen at once anyway.
SLOW = 300.0

UNITS = (
    Unit("guardian", "Guardian", ("devstack.guardian", "{state}"), probe=health.runs, outlives=True),
    Unit(
        "postgres",
        "PostgreSQL",
        ("devstack.postgres", "{state}"),
        after=("guardian",),
        probe=health.database,
        stop=postgres.STOP,
    ),
    Unit(
        "s3",
        "Object store and queues",
        ("devstack.objectstore", "{state}"),
        after=("guardian",),
        probe=health.answers("s3", objectstore.ENDPOINT, objectstore.HEALTH),
    ),
    Unit(
        "standins",
        "Message stand-ins",
        ("devstack.standins.messages.server", "{state}"),
        after=("guardian",),
        probe=health.answers("standins", "STANDINS_URL", "/health"),
    ),
    Unit(
        "redshift",
        "Redshift stand-in",
        ("devstack.standins.redshift.server", "{state}"),
        after=("postgres",),
        optional=True,
        probe=health.answers("redshift", "REDSHIFT_STANDIN_URL", "/health"),
    ),
    Unit(
        "snowflake",
        "Snowflake stand-in",
        ("devstack.standins.snowflake", "{state}"),
        after=("guardian",),
        optional=True,
        probe=health.serves("snowflake", "SNOWFLAKE_STANDIN_URL"),
    ),
    Unit("databases", "Databases", ("devstack.databases",), after=("postgres",), part_of="postgres"),
    Unit(
        "infrastructure",
        "Buckets, queues, notifications",
        ("devstack.infrastructure",),
        after=("s3",),
        part_of="s3",
        repeats=True,
    ),
    Unit("migrate", "Airflow's tables", ("airflow", "db", "migrate"), after=("databases",), patience=SLOW),
    Unit(
        "apply",
        "Watershed's tables",
        ("common.cli", "apply"),
        after=("databases", "infrastructure", "redshift", "snowflake"),
        in_part=1,  # a warehouse that does not answer, a contract with a fault: nobody else has to wait for it
        patience=SLOW,
    ),
    Unit(
        "api-server",
        "Airflow API and UI",
        ("airflow", "api-server"),
        after=("migrate", "apply"),
        probe=health.answers("api-server", "AIRFLOW__API__BASE_URL", health.AIRFLOW_HEALTH),
        patience=SLOW,
    ),
    # Each would also serve its log files, on every interface; the API server reads them from disk.
    Unit(
        "scheduler",
        "Airflow scheduler",
        ("airflow", "scheduler", "--skip-serve-logs"),
        after=("api-server",),
        probe=health.beats("scheduler"),
        patience=SLOW,
    ),
    Unit(
        "dag-processor",
        "Airflow DAG processor",
        ("airflow", "dag-processor"),
        after=("migrate", "apply"),  # it needs no API, and DAGs are read while that one starts
        probe=health.beats("dag_processor"),
        patience=SLOW,
    ),
    Unit(
        "triggerer",
        "Airflow triggerer",
        ("airflow", "triggerer", "--skip-serve-logs"),
        after=("api-server", "standins"),
        probe=health.beats("triggerer"),
        patience=SLOW,
        grace=4.0,  # it often hangs at its end, and triggers have nothing to lose
    ),
)
BY_NAME = {unit.name: unit for unit in UNITS}
SERVICES = tuple(unit.name for unit in UNITS if unit.is_service and unit.name != "guardian" and not unit.optional)


def units_for(services: Iterable[str]) -> list[Unit]:
    """Return the services with all that they need, in the order they start.

    Raises ConfigError naming a service that does not exist.
    """
    wanted: set[str] = set()
    open_names = list(services)
    while open_names:
        name = open_names.pop()
        if name not in BY_NAME:
            raise ConfigError(f"No service named {name!r}. Known: {', '.join(SERVICES)}.")
        if name not in wanted:
            wanted.add(name)
            parts = [unit.name for unit in UNITS if unit.part_of == name]
            before = [one for one in BY_NAME[name].after if not BY_NAME[one].optional]
            open_names.extend([*before, *parts])
    return [unit for unit in UNITS if unit.name in wanted]
