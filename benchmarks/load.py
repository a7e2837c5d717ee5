"""How long, and in how much memory, does a whole table go into a warehouse? Beside a bare COPY of ready CSV."""

import argparse
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peers.measure import MEBIBYTE, contend, machine, save
from rich.console import Console
from rich.table import Table

from devstack.environment import for_children
from devstack.stack import running

CONTENDERS: dict[str, tuple[str, ...]] = {
    "bare COPY": ("bare",),
    "full, PostgreSQL": ("ours", "warehouse", "full"),
    "first incremental, PostgreSQL": ("ours", "warehouse", "incremental"),
    "full, DuckDB": ("ours", "duckdb", "full"),
    "first incremental, DuckDB": ("ours", "duckdb", "incremental"),
}
LIMIT = 1000  # MiB of anonymous memory of the process tree
GOAL = 1.3  # times the bare COPY


class Unequal(Exception):
    """A contender did not load every row."""


def measure(rows: int, console: Console) -> dict[str, Any]:
    """Load the same table by every contender in turn; raises Unequal."""
    found: dict[str, dict[str, Any]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="watershed-bench-") as folder,
        running(Path(folder) / "stack", services=("postgres", "s3")) as env,
    ):
        world = for_children({**env, "WATERSHED_BUCKET": f"b{uuid.uuid4().hex[:12]}"})
        contend("load_all", "prepare", str(rows), env=world)
        for name, (program, *asked) in CONTENDERS.items():
            found[name] = contend("load_all", program, *(asked or [folder]), env=world)
            if (found[name]["rows"], found[name]["counted"]) != (rows, rows):
                raise Unequal(f"{name}: {found[name]} of {rows} rows.")
            console.print(f"{name}: {found[name]['work']:.1f} s", highlight=False)
    return {**machine(), "rows": rows, "contenders": found}


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print times, ratios and memory."""
    table = Table("contender", title=f"{found['rows']:,} rows into a warehouse", title_justify="left")
    for name in ("work s", "x bare COPY", "CPU s", "anonymous MiB"):
        table.add_column(name, justify="right")
    base = found["contenders"]["bare COPY"]["work"]
    for name, run in found["contenders"].items():
        memory = f"{run['anonymous'] / MEBIBYTE:,.0f}"
        table.add_row(name, f"{run['work']:.1f}", f"{run['work'] / base:.2f}", f"{run['cpu']:.1f}", memory)
    console.print(table)
    console.print(f"Goals: full into PostgreSQL at most {GOAL} x, memory below {LIMIT:,} MiB.", highlight=False)


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    asked, console = parser.parse_args(), Console()
    found = measure(asked.rows, console)
    show(found, console)
    console.print(f"Written to {save('load', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
