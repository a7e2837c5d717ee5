"""How many spoiled records are caught or missed, how many good ones lost? Beside DuckDB, polars and pandas."""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peers.measure import contend, machine, save
from peers.spoiled import MARK, row, write
from rich.console import Console
from rich.table import Table

CONTENDERS = ("watershed", "duckdb", "polars", "pandas")
_MARKED = re.compile(rf"{MARK}(\d+)\.")


class Unequal(Exception):
    """An output of ours is not what must come out."""


def measure(rows: int, console: Console) -> dict[str, Any]:
    """Give every contender the same files, and count; raises Unequal where ours lost, changed or made up a row."""
    with tempfile.TemporaryDirectory(prefix="watershed-bench-") as name:
        folder = Path(name) / "data"
        known = write(rows, folder)
        found: dict[str, Any] = {"rows": rows, "machine": machine()}
        for contender in CONTENDERS:
            out = Path(name) / f"{contender}.json"
            ended = contend("readers", contender, str(folder), str(out))
            output = json.loads(out.read_text(encoding="utf-8"))
            records = {what: _counts(output[file], rows, at) for file, (what, at) in known["records"].items()}
            whole = {what: output[file]["refused"] for file, what in known["whole"].items()}
            found[contender] = {"records": records, "whole": whole, **ended}
            console.print(_line(contender, found[contender]), highlight=False)
    wrong = {
        what: counts for what, counts in found["watershed"]["records"].items() if counts["lost"] + counts["changed"]
    }
    if wrong:
        raise Unequal(f"watershed lost or changed good rows: {wrong}")
    return found


def _counts(output: Mapping[str, Any], rows: int, spoiled: Sequence[int]) -> dict[str, int]:
    """Compare the rows that came out with those that were written, by their own numbers."""
    good = {str(n): row(n) for n in range(1, rows + 1) if n not in set(spoiled)}
    came = [[str(value) for value in cells] for cells in output.get("rows", ())]
    kept = {cells[0]: cells for cells in came if cells and cells[0] in good}
    seen = set(_MARKED.findall("\n".join("\t".join(cells) for cells in came)))
    changed = sum(good[key] != cells for key, cells in kept.items())
    lost = len(good) - len(kept)
    return {"spoiled": len(spoiled), "caught": len(spoiled) - len(seen), "lost": lost, "changed": changed}


def _sum(found: Mapping[str, Any], count: str) -> int:
    return sum(counts[count] for counts in found["records"].values())


def _line(contender: str, found: Mapping[str, Any]) -> str:
    refused, whole = sum(bool(word) for word in found["whole"].values()), len(found["whole"])
    return (
        f"{contender}: {_sum(found, 'caught')} of {_sum(found, 'spoiled')} spoiled records caught, "
        f"{_sum(found, 'lost')} good ones lost, {_sum(found, 'changed')} changed; {refused} of {whole} files refused"
    )


def _table(found: Mapping[str, Any]) -> Table:
    table = Table(title="caught / lost / changed, and the word of files that must be refused whole")
    for name in ("", *CONTENDERS):
        table.add_column(name)
    for what in found["watershed"]["records"]:
        cells = (found[contender]["records"][what] for contender in CONTENDERS)
        table.add_row(what, *(f"{c['caught']}/{c['lost']}/{c['changed']}" for c in cells))
    for what in found["watershed"]["whole"]:
        table.add_row(what, *(found[contender]["whole"][what] or "read" for contender in CONTENDERS))
    return table


def main() -> int:
    """Measure, show and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    console = Console()
    try:
        found = measure(parser.parse_args().rows, console)
    except Unequal as wrong:
        console.print(f"WRONG: {wrong}", style="red")
        return 1
    console.print(_table(found))
    console.print(f"Written to {save('malformed', found).name} below var/bench.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
