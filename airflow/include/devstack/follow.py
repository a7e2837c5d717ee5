"""Follow what a stack does with what landed, from its ledger."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

COUNTS = ("hops", "in", "new", "also", "refused", "waiting")


def settled(domain: str) -> bool:
    """Return whether nothing lies in raw any more and no consumer of the domain has anything left to do."""
    from common.ledger.database import transaction
    from common.ledger.rings import due
    from common.pipelines.kinds import consumers as consumers_of
    from common.pipelines.look import in_raw

    if in_raw(domain):
        return False
    names = [consumer.name for consumer in consumers_of(domain)]
    with transaction() as connection:
        return not due(connection, names)


def waiting(domain: str) -> str:
    """Say what a domain has still to do."""
    from common.pipelines.look import in_raw

    rows = [f"{row['consumer']} {row['waiting']}" for row in progress(domain) if row["waiting"]]
    files = f"{len(in_raw(domain))} files lie in raw"
    return f"{files}; batches that wait: {', '.join(rows)}." if rows else f"{files}, and no batch waits."


def progress(domain: str) -> list[dict[str, Any]]:
    """Read what each consumer of a domain has done and has still to do, in the order of the stages."""
    from common.ledger.database import transaction
    from common.ledger.queries import consumers
    from common.pipelines.kinds import consumers as consumers_of

    order = [consumer.name for consumer in consumers_of(domain)]
    with transaction() as connection:
        found = {row["consumer"]: row for row in consumers(connection)}
    return [found[name] for name in order if name in found]


def counts_table(rows: list[dict[str, Any]], title: str) -> Table:
    """Write the counts of consumers."""
    from common.cli.show import counted

    table = Table(title=title, title_justify="left", box=None, header_style="dim")
    table.add_column("consumer", no_wrap=True)
    for name in COUNTS:
        table.add_column(name, justify="left" if name == "also" else "right", no_wrap=True)
    for row in counted(rows):
        cells = [row[name] if name == "also" else f"{row[name]:,}" for name in COUNTS]
        table.add_row(row["consumer"], *cells, style="yellow" if row["waiting"] else "")
    return table


class Following:
    """Shows the ledger filling: a live table on a terminal, a line whenever something changes elsewhere."""

    def __init__(self, console: Console, domain: str, files: int) -> None:
        self.console, self.domain, self.files = console, domain, files
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._told, self._began = "", time.monotonic()

    def __enter__(self) -> Self:
        self.console.print(
            f"Dropped {self.files} files below raw/{self.domain}/; following them. "
            "Airflow's first run begins after about ten seconds.",
            highlight=False,
        )
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self) -> None:
        """Show where things are."""
        from common.pipelines.look import in_raw

        rows, clock = progress(self.domain), f"{time.monotonic() - self._began:3.0f} s"
        raw = f"{len(in_raw(self.domain))} files still in raw"
        if self.console.is_terminal:
            self._live.update(counts_table(rows, f"From raw to the warehouse: {clock}, {raw}"))
            return
        kinds = dict.fromkeys(row["kind"] for row in rows)
        parts = [f"{kind} {sum(row['taken'] for row in rows if row['kind'] == kind):,}" for kind in kinds]
        if (line := f"{raw}; taken so far: {', '.join(parts)}") != self._told:
            self.console.print(f"{clock}  {line}", highlight=False)
            self._told = line
