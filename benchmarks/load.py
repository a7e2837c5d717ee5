"""How long, and in how much memory, does a table go into a warehouse, and what has changed of it after that?"""

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

FIRST: dict[str, tuple[str, ...]] = {
    "bare COPY": ("load_all", "bare"),
    "full, PostgreSQL": ("load_all", "ours", "warehouse", "full", "first"),
    "first incremental, PostgreSQL": ("load_all", "ours", "warehouse", "incremental", "first"),
    "first scd2, PostgreSQL": ("load_all", "ours", "warehouse", "scd2", "first"),
    "full, DuckDB": ("load_all", "ours", "duckdb", "full", "first"),
    "first incremental, DuckDB": ("load_all", "ours", "duckdb", "incremental", "first"),
    "ADBC, no key": ("load_peers", "adbc"),
    "dlt append, no key": ("load_peers", "dlt", "append", "first"),
    "pandas to_sql, no key": ("load_peers", "pandas"),
}
CHANGES: dict[str, tuple[str, ...]] = {
    "incremental, PostgreSQL": ("load_all", "ours", "warehouse", "incremental", "changed"),
    "scd2, PostgreSQL": ("load_all", "ours", "warehouse", "scd2", "changed"),
    "incremental, DuckDB": ("load_all", "ours", "duckdb", "incremental", "changed"),
    "scd2, DuckDB": ("load_all", "ours", "duckdb", "scd2", "changed"),
    "dlt merge, PostgreSQL": ("load_peers", "dlt", "merge", "changed"),
    "dlt scd2, PostgreSQL": ("load_peers", "dlt", "scd2", "changed"),
}
# What a stand-in takes says nothing of the warehouse; that so many rows arrive, and in what memory, it shows.
STANDINS: dict[str, tuple[str, ...]] = {
    f"{strategy}, {where} stand-in": ("load_all", "ours", to, strategy, "first")
    for to, where in (("redshift", "Redshift"), ("snowflake", "Snowflake"))
    for strategy in ("full", "incremental", "scd2")
}
LIMIT = 1000  # MiB of anonymous memory of the process tree
GOAL = 1.3  # times the bare COPY
FASTER = 5  # than dlt


class Unequal(Exception):
    """A contender's table does not hold what it should."""


def expected(rows: int, changes: int) -> dict[str, list[int]]:
    """Return rows and sums of each table, counted number by number."""
    cds, revenue = (lambda n: n % 7), (lambda n: n % 1000 + 1)
    old, new = range(rows), range(rows - changes // 2, rows - changes // 2 + changes)
    kept = range(rows - changes // 2)
    first = [rows, sum(map(cds, old)), sum(map(revenue, old))]
    newer = [changes, sum(map(cds, new)) + changes, sum(map(revenue, new))]
    untouched = [len(kept), sum(map(cds, kept)), sum(map(revenue, kept))]
    return {
        "first": first,
        "changed": [a + b for a, b in zip(untouched, newer, strict=True)],
        "scd2": [a + b for a, b in zip(first, newer, strict=True)],
    }


def measure(rows: int, changes: int, slow: int, console: Console, *, standins: bool = False) -> dict[str, Any]:
    """Load the same tables by every contender in turn, or by our loads into stand-ins; raises Unequal."""
    services = ("postgres", "s3", *(("redshift", "snowflake") if standins else ()))
    contenders = STANDINS if standins else {**FIRST, **CHANGES}
    found: dict[str, dict[str, Any]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="watershed-bench-") as folder,
        running(Path(folder) / "stack", services=services) as env,
    ):
        own = {"WATERSHED_BUCKET": f"b{uuid.uuid4().hex[:12]}", "WATERSHED_DOMAINS_DIR": f"{folder}/domains"}
        world = for_children({**env, **own})
        contend("load_all", "prepare", folder, str(rows), str(changes), env=world)
        ends = expected(rows, changes)
        for name, (program, which, *asked) in contenders.items():
            if rows > slow and which == "pandas":
                console.print(f"{name}: left out, it is measured up to {slow:,} rows", highlight=False)
                continue
            run = contend(program, which, folder, *asked, env=world)
            wanted = ends["first"] if "changed" not in asked else ends["scd2" if "scd2" in asked else "changed"]
            if run["ends"] != wanted:
                raise Unequal(f"{name}: {run['ends']}, expected {wanted}.")
            found[name] = run
            memory = f"{run['anonymous'] / MEBIBYTE:,.0f} MiB"
            console.print(f"{name}: {run['work']:.1f} s, CPU {run['cpu']:.1f} s, {memory}", highlight=False)
    return {**machine(), "rows": rows, "changes": changes, "contenders": found}


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print times, ratios and memory: of first loads beside a bare COPY, of changes beside dlt."""
    runs = found["contenders"]

    def of_copy(name: str) -> float:
        return float(runs[name]["work"] / runs["bare COPY"]["work"])

    def of_dlt(name: str) -> float:
        peer = runs[f"dlt {'scd2' if 'scd2' in name else 'merge'}, PostgreSQL"]
        return float(peer["work"] / runs[name]["work"])

    _show(f"{found['rows']:,} rows into a warehouse", "x bare COPY", FIRST, runs, of_copy, console)
    _show(f"{found['changes']:,} changes, half of them new keys", "dlt takes x", CHANGES, runs, of_dlt, console)
    console.print(
        f"Goals: full into PostgreSQL at most {GOAL} x COPY, dlt takes {FASTER} x as long, memory below {LIMIT:,} MiB.",
        highlight=False,
    )


def _show(title: str, ratio: str, names: Mapping[str, Any], runs: Mapping[str, Any], of: Any, console: Console) -> None:
    table = Table("contender", title=title, title_justify="left")
    for name in ("work s", ratio, "CPU s", "anonymous MiB"):
        table.add_column(name, justify="right")
    for name in names:
        if run := runs.get(name):
            memory = f"{run['anonymous'] / MEBIBYTE:,.0f}"
            table.add_row(name, f"{run['work']:.1f}", f"{of(name):.2f}", f"{run['cpu']:.1f}", memory)
    console.print(table)


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--slow", type=int, default=1_000_000, help="more rows than these are not asked of pandas")
    parser.add_argument(
        "--standins", action="store_true", help="into those of Redshift and Snowflake, and nothing else"
    )
    asked, console = parser.parse_args(), Console()
    found = measure(asked.rows, asked.changes, asked.slow, console, standins=asked.standins)
    if not asked.standins:
        show(found, console)
    console.print(f"Written to {save('load_standins' if asked.standins else 'load', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
