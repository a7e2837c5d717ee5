"""What a campaign has done so far, and how it is told: a JSON file, and a section of the documentation."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.core.clock import now

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var" / "faults"
REPORT, PAGE = VAR / "report.json", ROOT / "docs" / "reliability.md"  # the report of the shop; others have their name
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
SHOP = "ecommerce"


@dataclass
class Tally:
    """Counts of one campaign."""

    seed: int
    wanted: int
    domain: str = SHOP
    points: Sequence[str] = ()
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    batches: int = 0
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    messages: int = 0
    repeats: int = 0  # of messages, each with the delivery id of the first
    seconds: float = 0.0
    mutants: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    @property
    def killed(self) -> int:
        """How many workers died by SIGKILL."""
        return self.kills.total()

    @property
    def missed(self) -> list[str]:
        """The points at which nobody died yet."""
        return [point for point in self.points if not self.kills[point]]

    @property
    def failed(self) -> bool:
        """Whether anything was lost, doubled or otherwise wrong."""
        return bool(self.lost or self.doubled or self.said)

    def report(self) -> dict[str, Any]:
        """Give everything for machines."""
        self.seconds = round(time.monotonic() - self.began, 1)
        facts = {name: value for name, value in vars(self).items() if name not in ("began", "points")}
        return {
            **facts,
            "kills": dict(sorted(self.kills.items())),
            "missed": self.missed,
            "points": len(self.points),
            "date": now().date().isoformat(),
        }

    @property
    def path(self) -> Path:
        """Where the report of the domain is left."""
        return REPORT if self.domain == SHOP else VAR / f"report-{self.domain}.json"

    def write(self, path: Path) -> None:
        """Leave the report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.report(), indent=2) + "\n", encoding="utf-8")


def section(report: dict[str, Any]) -> str:
    """Tell a report in words."""
    kills: dict[str, int] = Counter()
    for point, count in report["kills"].items():
        kills[point.split(":")[0]] += count
    others = ", ".join(
        f"{count} x {kind}" for kind, count in sorted(report["faults"].items()) if kind != "kill" and count
    )
    dead = sum(how == "killed" for how in report["mutants"].values())
    lines = [
        f"Run of {report['date']}, seed {report['seed']}, {report['rounds']} rounds, {report['seconds'] / 60:.0f} minutes on two cores:",
        "",
        "| what | how many |",
        "|---|---|",
        f"| workers killed with SIGKILL | {sum(kills.values()):,} ({', '.join(f'{kind} {n}' for kind, n in sorted(kills.items()))}) |",
        f"| points at which a worker was killed | {report['points'] - len(report['missed'])} of {report['points']} |",
        f"| other faults | {others or 'none'} |",
        f"| batches in the ledger | {report['batches']:,} |",
        f"| rows compared with the undisturbed world | {report['rows']:,} |",
        f"| messages that people were to be shown, and repeats of one delivery | {report['messages']:,}, {report['repeats']:,} |",
        f"| **rows lost** | **{report['lost']}** |",
        f"| **rows doubled** | **{report['doubled']}** |",
        f"| rules taken away (mutants), and noticed by a test | {len(report['mutants'])}, {dead} |",
    ]
    return "\n".join(lines if report["mutants"] else lines[:-1])


def write_section(report: dict[str, Any]) -> None:
    """Replace what stands between the markers of the page."""
    text, own = PAGE.read_text(encoding="utf-8"), "" if report["domain"] == SHOP else f" of {report['domain']}"
    begin, end = (marker.replace(" -->", f"{own} -->") for marker in (BEGIN, END))
    before, rest = text.split(begin)
    _, after = rest.split(end)
    PAGE.write_text(f"{before}{begin}\n{section(report)}\n{end}{after}", encoding="utf-8")
