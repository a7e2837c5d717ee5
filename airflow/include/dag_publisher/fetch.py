"""Bring releases to this machine: verified by their hashes, and put in place by one rename."""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from packaging.specifiers import SpecifierSet

from dag_publisher.errors import PublisherError, Refused
from dag_publisher.shelf import Shelf, pointers, shelves
from dag_publisher.store import Store

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """Which release of each package is current, and what could not be found out of which."""

    releases: dict[str, int]
    problems: dict[str, str]


def wanted(store: Store, environment: str, packages: Collection[str] | None, known: Mapping[str, int]) -> Wanted:
    """Ask for the current releases; a package whose pointer is lost or damaged keeps the release that is known.

    Raises StoreUnavailable where the store does not answer at all. A package of which nothing is left has gone.
    """
    found = [shelf for shelf in shelves(store, environment) if packages is None or shelf.package in packages]
    releases, problems = dict[str, int](), dict[str, str]()
    for package, pointer in pointers(found).items():
        if isinstance(pointer, PublisherError) or pointer is None:
            problems[package] = str(pointer or f"its pointer is lost ({store.uri(f'{environment}/{package}/')})")
            number = known.get(package, 0)
        else:
            number = pointer.release
        if number:
            releases[package] = number
    return Wanted(releases, problems)


def fetch(store: Store, environment: str, package: str, number: int, folder: Path) -> None:
    """Write the files of a release into a new folder; raises Corrupt, Missing, or Refused for another Airflow."""
    shelf = Shelf(store, environment, package)
    release = shelf.release(number)
    require_airflow(release.airflow, f"release {number} of {package}")
    contents = shelf.contents(release)
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def require_airflow(allowed: str, what: str) -> None:
    """Raise Refused where the Airflow in use is none of those that a release was validated for."""
    if (here := version("apache-airflow-core")) not in SpecifierSet(allowed, prereleases=True):
        raise Refused(f"{what} is for Airflow {allowed}, and here is {here}. Publish it from this Airflow's version.")


def workplace(near: Path) -> Path:
    """Make an empty folder on the same file system, to be renamed when it is complete."""
    near.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".staging-", dir=near))


def placed(ready: Path, final: Path) -> None:
    """Put a complete folder in its place, all at once; one that is there already stays."""
    ready.chmod(0o755)
    try:
        ready.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        shutil.rmtree(ready)


def linked(link: Path, target: Path) -> None:
    """Let a link name another folder, all at once; raises Refused where something else is in its place."""
    if link.exists() and not link.is_symlink():
        raise Refused(f"{link} is not a link of `sync`: move it away, so that nothing of somebody else is overwritten.")
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(target, link.parent))
    fresh.replace(link)
