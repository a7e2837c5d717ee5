"""How fast is bronze to silver? The real hop beside a floor and what people write instead, outputs verified equal."""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peers.measure import MEBIBYTE, contend, machine, median, save
from rich.console import Console
from rich.table import Table

from devstack.environment import for_children
from devstack.stack import running

OURS = "watershed"
PROGRAMS = {"floor": "floor", "polars": "polars_way", "duckdb": "duckdb_way", "pandas": "pandas_way", "dlt": "dlt_way"}
SUMS = ("rows", "ids", "quantity", "amount", "updated")
COSTS = ("cpu", "wall", "work")
Runs = dict[str, list[dict[str, Any]]]


class Unequal(Exception):
    """A contender's output is not what must come out."""


def measure(rows: int, repeat: int, peers: Sequence[str], console: Console) -> dict[str, Any]:
    """Run every contender `repeat` times in turns on the same files, and give the numbers; raises Unequal."""
    with tempfile.TemporaryDirectory(prefix="watershed-bench-") as name:
        folder = Path(name)
        made = contend("orders", str(rows), str(folder / "data"))
        truth = json.loads((folder / "data" / "truth.json").read_text(encoding="utf-8"))
        size = sum(path.stat().st_size for path in (folder / "data" / "raw").iterdir())
        console.print(f"Generated {rows:,} rows, {size / MEBIBYTE:.0f} MiB in 8 files, in {made['work']:.1f} s.")
        runs: Runs = {peer: [] for peer in (*peers, OURS)}
        with running(folder / "stack", services=("postgres", "s3")) as env:
            for turn in range(repeat):
                out = folder / "out"
                with settled_world(env, folder / "data") as world:
                    landed = contend("hop", "prepare", str(folder / "data" / "raw"), env=world)
                    for contender in list(runs)[:: -1 if turn % 2 else 1]:
                        found = _run(contender, world, folder / "data" / "raw", out)
                        _verify(contender, found, out / contender, truth)
                        runs[contender].append(found)
                    runs[OURS][-1]["landing"] = landed["work"]
                shutil.rmtree(out)
                console.print(_line(turn, runs), highlight=False)
    return _found(rows, size, truth, runs)


@contextmanager
def settled_world(env: Mapping[str, str], data: Path) -> Any:
    """Give the environment of a bucket and a ledger that nothing has used."""
    name = f"b{uuid.uuid4().hex[:12]}"
    base = env["WATERSHED_LEDGER_URL"].rpartition("/")[0]
    own = {"WATERSHED_BUCKET": name, "WATERSHED_LEDGER_URL": f"{base}/{name}"}
    yield for_children({**env, **own, "WATERSHED_DOMAINS_DIR": str(data / "domains")})


def _run(contender: str, world: Mapping[str, str], raw: Path, out: Path) -> dict[str, Any]:
    if contender == OURS:
        return contend("hop", "refine", str(out / OURS), env=world)
    return contend(PROGRAMS[contender], str(raw), str(out / contender))


def _verify(contender: str, run: Mapping[str, Any], out: Path, truth: Mapping[str, Any]) -> None:
    """Compare an output with what was generated, by a count that shares no code with any contender."""
    found = contend("count", str(out / "*.parquet"))
    if contender == "floor":
        if found["rows"] > truth["read"] or found["rows"] < truth["read"] * 0.999:  # some leave out lines cut short
            raise Unequal(f"floor: read {found['rows']} rows of {truth['read']}.")
        return
    wrong = {what: (found[what], truth[what]) for what in SUMS if found[what] != truth[what]}
    if wrong or found["keys"] != found["rows"]:
        raise Unequal(f"{contender}: found and expected differ: {wrong}, {found['keys']} keys in {found['rows']} rows.")
    counts = run.get("counts", {})
    if counts and (counts["taken"], counts["good"], counts["refused"]) != tuple(
        truth[what] for what in ("read", "rows", "refused")
    ):
        raise Unequal(f"{contender}: its own counts {counts} are not those of the truth {truth}.")


def _line(turn: int, runs: Runs) -> str:
    each = (f"{name} {found[-1]['cpu']:.2f} s CPU, {found[-1]['wall']:.2f} s" for name, found in runs.items())
    return f"Run {turn + 1}: " + "; ".join(each)


def _found(rows: int, size: int, truth: Mapping[str, Any], runs: Runs) -> dict[str, Any]:
    facts = (*COSTS, "peak", "anonymous")
    contenders = {
        name: {fact: median(found, fact) for fact in facts} | {"writes": found[0]["writes"]}
        for name, found in runs.items()
    }
    ours = runs[OURS]
    names = sorted({name for run in ours for name in run["phases"]})
    return {
        **machine(),
        "rows": rows,
        "bytes": size,
        "truth": truth,
        "contenders": contenders,
        "ratios": {peer: _ratios(ours, found) for peer, found in runs.items() if peer != OURS},
        "landing": median(ours, "landing"),
        "phases": {name: median([run["phases"] for run in ours], name) for name in names},
        "runs": runs,
    }


def _ratios(ours: Sequence[Mapping[str, Any]], peer: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give the median, over the turns, of how many times our cost a peer has."""
    return {cost: statistics.median(b[cost] / a[cost] for a, b in zip(ours, peer, strict=True)) for cost in COSTS}


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print the contenders, the ratios, and where the hop's time went."""
    table = Table("contender", title=f"Bronze to silver, {found['rows']:,} rows", title_justify="left")
    for name in ("CPU s", "wall s", "work s", "anonymous MiB", "peak MiB", "x our CPU", "x our wall"):
        table.add_column(name, justify="right")
    for name, c in found["contenders"].items():
        times = (f"{c[cost]:.2f}" for cost in COSTS)
        memory = (f"{c[kind] / MEBIBYTE:,.0f}" for kind in ("anonymous", "peak"))
        ratios = found["ratios"].get(name, {})
        table.add_row(name, *times, *memory, *(f"{ratios[cost]:.2f}" for cost in ("cpu", "wall") if ratios))
    console.print(table)
    if floor := found["ratios"].get("floor"):
        console.print(f"The floor: CPU {1 / floor['cpu']:.2f} x, wall {1 / floor['wall']:.2f} x.", highlight=False)
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
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=PROGRAMS, default=[peer for peer in PROGRAMS if peer != "dlt"])
    asked, console = parser.parse_args(), Console()
    found = measure(asked.rows, asked.repeat, asked.peers, console)
    show(found, console)
    console.print(f"Written to {save(f'refine-{asked.rows}', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
