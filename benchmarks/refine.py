"""How fast is bronze to silver? The real hop beside a floor (polars, no checks) and pandas, outputs verified equal."""

import argparse
import json
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peers.measure import MEBIBYTE, contend, machine, median, save
from rich.console import Console
from rich.table import Table

from devstack.environment import for_children
from devstack.stack import running

GOALS = {"floor": ("at most", 1.8), "pandas": ("at least", 6.0)}
SUMS = ("rows", "ids", "quantity", "amount", "updated")
Runs = dict[str, list[dict[str, Any]]]


class Unequal(Exception):
    """A contender's output is not what must come out."""


def measure(rows: int, repeat: int, console: Console) -> dict[str, Any]:
    """Run every contender `repeat` times in turns on the same files, and give the numbers; raises Unequal."""
    with tempfile.TemporaryDirectory(prefix="watershed-bench-") as name:
        folder = Path(name)
        made = contend("orders", str(rows), str(folder / "data"))
        truth = json.loads((folder / "data" / "truth.json").read_text(encoding="utf-8"))
        size = sum(path.stat().st_size for path in (folder / "data" / "raw").iterdir())
        console.print(f"Generated {rows:,} rows, {size / MEBIBYTE:.0f} MiB in 8 files, in {made['work']:.1f} s.")
        runs: Runs = {"watershed": [], "floor": [], "pandas": []}
        with running(folder / "stack", services=("postgres", "s3")) as env:
            for turn in range(repeat):
                out = folder / f"out-{turn}"
                with settled_world(env, folder / "data") as world:
                    _turn(world, folder / "data", out, runs)
                _verify(out, truth, runs)
                console.print(_line(turn, runs), highlight=False)
    return _found(rows, size, truth, runs)


@contextmanager
def settled_world(env: Mapping[str, str], data: Path) -> Any:
    """Give the environment of a bucket and a ledger that nothing has used."""
    name = f"b{uuid.uuid4().hex[:12]}"
    base = env["WATERSHED_LEDGER_URL"].rpartition("/")[0]
    own = {"WATERSHED_BUCKET": name, "WATERSHED_LEDGER_URL": f"{base}/{name}"}
    yield for_children({**env, **own, "WATERSHED_DOMAINS_DIR": str(data / "domains")})


def _turn(world: Mapping[str, str], data: Path, out: Path, runs: Runs) -> None:
    raw = str(data / "raw")
    landed = contend("hop", "prepare", raw, env=world)
    runs["floor"].append(contend("floor", raw, str(out / "floor")))
    runs["watershed"].append(contend("hop", "refine", str(out / "watershed"), env=world) | {"landing": landed["work"]})
    runs["pandas"].append(contend("pandas_way", raw, str(out / "pandas")))


def _verify(out: Path, truth: Mapping[str, Any], runs: Runs) -> None:
    """Compare every output with what was generated, by a count that shares no code with any contender."""
    for name in ("watershed", "pandas"):
        found = contend("count", str(out / name / "*.parquet"))
        wrong = {what: (found[what], truth[what]) for what in SUMS if found[what] != truth[what]}
        if wrong or found["keys"] != found["rows"]:
            raise Unequal(f"{name}: found and expected differ: {wrong}, {found['keys']} keys in {found['rows']} rows.")
    floor = contend("count", str(out / "floor" / "*.parquet"))
    if floor["rows"] != truth["read"]:
        raise Unequal(f"floor: read {floor['rows']} rows of {truth['read']}.")
    counts = runs["watershed"][-1]["counts"]
    if (counts["taken"], counts["good"], counts["refused"]) != (truth["read"], truth["rows"], truth["refused"]):
        raise Unequal(f"watershed: its own counts {counts} are not those of the truth {truth}.")


def _line(turn: int, runs: Runs) -> str:
    return f"Run {turn + 1}: " + ", ".join(f"{name} {found[-1]['wall']:.2f} s" for name, found in runs.items())


def _found(rows: int, size: int, truth: Mapping[str, Any], runs: Runs) -> dict[str, Any]:
    contenders = {
        name: {
            "wall": median(found, "wall"),
            "work": median(found, "work"),
            "cpu": median(found, "cpu"),
            "peak": median(found, "peak"),
            "writes": found[0]["writes"],
        }
        for name, found in runs.items()
    }
    ours = runs["watershed"]
    names = sorted({name for run in ours for name in run["phases"]})
    phases = {name: median([run["phases"] for run in ours], name) for name in names}
    walls, works = ({name: c[kind] for name, c in contenders.items()} for kind in ("wall", "work"))
    return {
        **machine(),
        "rows": rows,
        "bytes": size,
        "truth": truth,
        "contenders": contenders,
        "ratios": {"floor": walls["watershed"] / walls["floor"], "pandas": walls["pandas"] / walls["watershed"]},
        "work_ratios": {"floor": works["watershed"] / works["floor"], "pandas": works["pandas"] / works["watershed"]},
        "landing": median(ours, "landing"),
        "phases": phases,
        "runs": runs,
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the contenders, the ratios with their goals, and where the hop's time went."""
    table = Table("contender", title=f"Bronze to silver, {found['rows']:,} rows", title_justify="left")
    for name in ("wall s", "work s", "CPU s", "rows/s", "peak MiB"):
        table.add_column(name, justify="right")
    table.add_column("writes")
    for name, c in found["contenders"].items():
        times = (f"{c[kind]:.2f}" for kind in ("wall", "work", "cpu"))
        speed, peak = f"{found['rows'] / c['wall']:,.0f}", f"{c['peak'] / MEBIBYTE:,.0f}"
        table.add_row(name, *times, speed, peak, c["writes"])
    console.print(table)
    for peer, (sense, goal) in GOALS.items():
        ratio, work = found["ratios"][peer], found["work_ratios"][peer]
        says = f"{ratio:.2f} x the floor's" if peer == "floor" else f"pandas takes {ratio:.2f} x as long"
        console.print(f"wall: {says} ({work:.2f} x without start-up); goal {sense} {goal} x", highlight=False)
    parts = Table("part of the hop", title="Where the time goes", title_justify="left")
    parts.add_column("seconds", justify="right")
    parts.add_row("landing, sniffing included (not part of the wall)", f"{found['landing']:.2f}")
    for name, seconds in sorted(found["phases"].items(), key=lambda part: -part[1]):
        parts.add_row(name, f"{seconds:.2f}")
    console.print(parts)


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    asked, console = parser.parse_args(), Console()
    found = measure(asked.rows, asked.repeat, console)
    show(found, console)
    console.print(f"Written to {save('refine', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
