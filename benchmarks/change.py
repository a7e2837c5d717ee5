"""What does a small change of a large table cost, beside delta-rs's MERGE, and does it stay so over many hops?"""

import argparse
import statistics
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

WAYS = ("ours", "delta")
GOALS = {"clustered": 1.5, "anywhere": 5.0}  # CPU seconds of the merge


class Unequal(Exception):
    """The two ways do not leave the same table and the same changes."""


def measure(asked: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Change copies of one table by each way in turn, then one copy many times; raises Unequal."""
    rows, size = str(asked.rows), str(asked.changes)
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {where: {way: [] for way in WAYS} for where in GOALS}
    with (
        tempfile.TemporaryDirectory(prefix="watershed-bench-") as folder,
        running(Path(folder) / "stack", services=("s3",)) as env,
    ):
        own = {"WATERSHED_BUCKET": f"b{uuid.uuid4().hex[:12]}", "WATERSHED_DOMAINS_DIR": f"{folder}/domains"}
        world = for_children({"WATERSHED_LEDGER_URL": "postgresql://nobody@localhost/none", **env, **own})
        contend("change_all", "prepare", rows, env=world)
        for turn in range(asked.repeat):
            for where in GOALS:
                for way in WAYS[:: -1 if turn % 2 else 1]:
                    runs[where][way].append(contend("change_all", "one", way, where, rows, size, env=world))
                first, *others = [run["ends"] for way in WAYS for run in runs[where][way]]
                if any(other != first for other in others):
                    raise Unequal(f"{where}: {[first, *others]}")
                console.print(_line(turn, where, runs[where]), highlight=False)
        hops = {w: contend("change_all", "hops", w, rows, size, str(n), env=world) for w, n in _asked_hops(asked)}
    return {**machine(), "rows": asked.rows, "changes": asked.changes, "runs": runs, "hops": hops}


def _asked_hops(asked: argparse.Namespace) -> list[tuple[str, int]]:
    return [("clustered", asked.hops), ("anywhere", max(asked.hops // 50, 1))] if asked.hops else []


def _line(turn: int, where: str, runs: Mapping[str, list[dict[str, Any]]]) -> str:
    return f"turn {turn + 1}, {where}: " + ", ".join(f"{way} {runs[way][-1]['merge']:.2f} CPU s" for way in WAYS)


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print medians and how the cost of a hop moves."""
    shown = Table("keys", "way", title=f"{found['changes']:,} rows into {found['rows']:,}", title_justify="left")
    for name in ("lookup CPU s", "merge CPU s", "merge wall s", "anonymous MiB"):
        shown.add_column(name, justify="right")
    for where, ways in found["runs"].items():
        for way, runs in ways.items():
            costs = [statistics.median(run[name] for run in runs) for name in ("lookup", "merge", "merge_wall")]
            memory = statistics.median(run["anonymous"] for run in runs) / MEBIBYTE
            shown.add_row(where, way, *(f"{cost:.2f}" for cost in costs), f"{memory:,.0f}")
    console.print(shown)
    for where, run in found["hops"].items():
        tenth = max(len(run["costs"]) // 10, 1)
        first, last = (statistics.median(part) for part in (run["costs"][:tenth], run["costs"][-tenth:]))
        console.print(
            f"{len(run['costs'])} hops, {where}: {first:.2f} CPU s each of the first tenth, {last:.2f} of the last, "
            f"{run['files'][0]} files at first, {run['files'][-1]} at last, at most {max(run['files'])}.",
            highlight=False,
        )
    console.print(f"Goals, CPU seconds of a merge: {GOALS}.", highlight=False)


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--hops", type=int, default=200, help="clustered ones in a row; a fiftieth of that anywhere")
    asked, console = parser.parse_args(), Console()
    found = measure(asked, console)
    show(found, console)
    console.print(f"Written to {save('change', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
