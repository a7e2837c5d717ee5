"""The demo: a stack of its own for the tours of the sample data, one a domain."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from devstack import call_centre, clinical, summary, tour
from devstack.environment import DOMAINS_DIR
from devstack.folder import DEMO, INCLUDE, REPOSITORY, write_json
from devstack.progress import Progress
from devstack.stack import Stack
from devstack.tour import TourFailed


@dataclass(frozen=True)
class Tour:
    """How the sample data of a domain is handed over and followed, and how its summary is shown."""

    run: Callable[[Console], dict[str, Any]]
    show: Callable[[Console, dict[str, Any]], None]


TOURS = {
    tour.DOMAIN: Tour(tour.tour, summary.show_summary),
    call_centre.DOMAIN: Tour(call_centre.tour, call_centre.show_summary),
    clinical.DOMAIN: Tour(clinical.tour, clinical.show_summary),
}


@dataclass
class Demo:
    """One run of the demo in a state folder that is wiped first; with `keep` its stack runs on once all went well."""

    console: Console
    state: Path = DEMO
    purchases: Path | None = None
    keep: bool = False
    domains: Sequence[str] = (tour.DOMAIN,)

    @property
    def stack(self) -> Stack:
        """The demo's stack, in which its own domains take part and no other that lies in the checkout."""
        alone = self.state / "domain"
        folders = {DOMAINS_DIR: alone / "domains", "AIRFLOW__CORE__DAGS_FOLDER": alone / "dags"}
        return Stack(self.state / "stack", overrides={name: str(folder) for name, folder in folders.items()})

    def run(self) -> dict[str, Any]:
        """Run it and give its summary by domain, which is also left in `summary.json`.

        Raises TourFailed, StackFailed. After a failure no process stays behind.
        """
        self.stack.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self._set_apart()
        stack, done = self.stack, False
        try:
            began = time.monotonic()
            with Progress(self.console) as progress:
                stack.start(watch=progress.show, owned=not self.keep)
            os.environ.update(stack.env)
            up = time.monotonic()
            found = {domain: self._tour(domain) for domain in self.domains}
            seconds = {"start": up - began, "total": time.monotonic() - began}
            done = True
        except TourFailed as error:
            raise TourFailed(f"{error} They are in {stack.folder.path / 'logs'}.") from error
        finally:
            if not (done and self.keep):
                stack.stop()
        for of_domain in found.values():
            of_domain["seconds"] |= {name: round(value, 1) for name, value in seconds.items()}
        write_json(self.state / "summary.json", found)
        return found

    def _tour(self, domain: str) -> dict[str, Any]:
        if domain == tour.DOMAIN:
            return tour.tour(self.console, self.purchases)
        return TOURS[domain].run(self.console)

    def show(self, found: dict[str, Any]) -> None:
        """Tell a person what arrived."""
        for domain, of_domain in found.items():
            TOURS[domain].show(self.console, of_domain)

    def _set_apart(self) -> None:
        """Make a folder of domains and one of DAGs that hold what the demo shows, as links."""
        for kind, names in {"domains": [*self.domains], "dags": [*self.domains, "upkeep"]}.items():
            folder = self.state / "domain" / kind
            folder.mkdir(parents=True)
            for name in names:
                (folder / name).symlink_to((INCLUDE if kind == "domains" else REPOSITORY / "airflow") / kind / name)
