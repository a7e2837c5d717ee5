"""Report on one file: what it is, how many records it holds, which would be refused and why."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.contracts.contract import Column, Contract, Kind
from common.core.nouns import Dataset
from common.core.scratch import scratch
from common.core.shape import Shape
from common.formats import sniff
from common.refine.guess import hints
from common.refine.inspect import inspect_file
from common.refine.match import of_shape
from common.refine.source import Source
from common.refine.spool import Spool, refine


def report(path: Path, contract: Contract | None) -> dict[str, Any]:
    """Read a file as a hop would, and tell shape, counts and every refusal; raises UnreadableFile.

    Without a contract only malformed lines are refused.
    """
    shape = inspect_file(path, path.name, contract) if contract else sniff(path, path.name)
    with scratch() as folder:
        spool = Spool(folder, contract or _anything(shape))
        refine(Source(path, shape, path.name, "", 0), spool)
        refused = spool.refused.scan().drop("batch", "contract", "file").collect()
    found = of_shape(shape, spool.contract)
    rows = [{**row, "text": _shown(row["text"])} for row in refused.sort("record").iter_rows(named=True)]
    return {
        "file": str(path),
        "readable": True,
        "shape": asdict(shape),
        "records": spool.good.count + len(rows),
        "good": spool.good.count,
        "refused": len(rows),
        "refusals": rows,
        "hints": hints(contract, refused) if contract else [],
        "unknown": list(found.unknown),
        "missing": list(found.missing),
    }


def _anything(shape: Shape) -> Contract:
    """Make the contract of a file about which nothing is promised: its columns, as text."""
    columns = tuple(Column(name, Kind.STRING, name) for name in shape.columns)
    return Contract(Dataset("any", "file"), "0", "", columns)


def _shown(text: bytes | None) -> str | None:
    return None if text is None else text.decode("utf-8", "backslashreplace")
