"""What a person sees of a stack: it coming up, how it is, and where to look."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from devstack.environment import warehouse_address
from devstack.ports import PREFERRED
from devstack.postgres import programs
from devstack.record import Condition, Record, UnitRecord
from devstack.stack import Stack
from devstack.status import StackStatus

MARKS = {
    Condition.WAITING: Text("·", style="dim"),
    Condition.READY: Text("✓", style="green"),
    Condition.STOPPED: Text("-", style="dim"),
}
HIDDEN = ("guardian",)
NUMBERS = ("pid", "uptime")
WIDTHS = (("service", 23), ("state", 8), ("pid", 6), ("uptime", 6), ("address", 27))  # 80 columns in all


class Progress:
    """Shows each record it is given: a live list on a terminal, one line a unit elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, refresh_per_second=8, transient=False)
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, record: Record) -> None:
        """Show where the stack is."""
        units = [unit for unit in record.units if unit.name not in HIDDEN]
        if self.console.is_terminal:
            self._live.update(Group(*(_line(unit) for unit in units)))
            return
        for unit in units:
            if unit.condition is Condition.READY and unit.name not in self._told:
                self._told.add(unit.name)
                part = f" in part: {unit.log} says what is missing" if unit.in_part else ""
                self.console.print(f"{unit.title}: ready after {unit.seconds:.1f} s{part}", highlight=False)


def _line(unit: UnitRecord) -> Table:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=2)
    row.add_column(width=32)
    row.add_column(style="dim")
    mark = MARKS.get(unit.condition) or Spinner("dots", style="cyan")
    took = f"{unit.seconds:.1f} s" if unit.condition is Condition.READY else ""
    again = f"  restarted {unit.restarts} x" if unit.restarts else ""
    part = f"  in part: {unit.log} says what is missing" if unit.in_part else ""
    row.add_row(mark, unit.title, f"{took}{again}{part}")
    return row


def welcome(stack: Stack) -> str:
    """Say where to look."""
    plan = stack.plan
    here = os.path.relpath
    psql = "psql" if shutil.which("psql") else here(programs() / "psql")
    duckdb = here(json.loads(plan.env["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"])
    ask = f"import duckdb; print(duckdb.connect('{duckdb}', read_only=True).sql('SHOW ALL TABLES'))"
    command = here(Path(sys.executable).parent / "watershed")
    state = f" --state {here(stack.folder.path)}" if stack.state else ""
    in_part = stack.record and any(unit.in_part for unit in stack.record.units)
    moved = [
        f"{service}: {port} in place of {PREFERRED[service]}, which another program has or had"
        for service, port in plan.ports.items()
        if port != PREFERRED[service]
    ]
    rows = {
        "Airflow": f"{plan.address('api-server')}  (no password; assets: /assets)",
        "Alerts": f"{plan.address('standins')}  (Slack, e-mail, MS Teams, Telegram, PagerDuty)",
        "S3 and SQS": plan.address("s3"),
        "Warehouse": f"{psql} {warehouse_address(plan.ports)}",
        "DuckDB": f'{here(sys.executable)} -c "{ask}"',
        "Status": f"{command} status",
        "Logs": f"{command} dev logs [SERVICE] [-f]{state}",
        "Your shell": f'eval "$({command} dev env{state})"',
        "Other tools": here(stack.folder.stack),
        **({"Ports": "; ".join(moved)} if moved else {}),
        **({"Not all applied": f"{command} status says what waits, and why"} if in_part else {}),
    }
    return "\n".join(f"{name:15} {value}" for name, value in rows.items())


def status_table(found: StackStatus) -> Table:
    """Write the status of every service."""
    table = Table(title=f"Watershed: {found.phase}", title_justify="left", box=None, header_style="dim")
    for column, width in WIDTHS:
        table.add_column(column, min_width=width, justify="right" if column in NUMBERS else "left")
    for service in found.services:
        again = f" (restarted {service.restarts} x)" if service.restarts else ""
        table.add_row(
            service.title,
            Text(service.condition + again, style="green" if service.healthy else "red"),
            str(service.pid or "-"),
            f"{service.uptime:.0f} s" if service.pid else "-",
            service.address,
        )
    return table
