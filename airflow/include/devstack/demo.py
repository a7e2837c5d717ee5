"""The demo: a stack of its own for the tour of the sample data."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from devstack.folder import REPOSITORY, write_json
from devstack.progress import Progress
from devstack.stack import Stack
from devstack.tour import tour

DEMO = REPOSITORY / "var" / "demo"


@dataclass
class Demo:
    """One run of the demo in a state folder that is wiped first."""

    console: Console
    state: Path = DEMO
    purchases: Path | None = None

    def run(self) -> dict[str, Any]:
        """Run it and give its summary, which is also left in `summary.json`.

        Raises TourFailed, StackFailed. Whatever happens, no process stays behind.
        """
        stack = Stack(self.state / "stack")
        stack.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        try:
            began = time.monotonic()
            with Progress(self.console) as progress:
                stack.start(watch=progress.show, owned=True)
            os.environ.update(stack.env)
            up = time.monotonic()
            found = tour(self.console, self.purchases)
            seconds = {"start": up - began, "total": time.monotonic() - began}
        finally:
            stack.stop()
        found["seconds"] |= {name: round(value, 1) for name, value in seconds.items()}
        write_json(self.state / "summary.json", found)
        return found
