"""Keep a folder at the current releases: the sidecar of whoever reads DAGs from a folder.

`<folder>/<package>` is a link to `.releases/<package>.<number>`, and moves from one complete release to another. The
release before stays until the next change, for whoever is reading it.
"""

import shutil
import signal
import threading
from pathlib import Path

from dag_publisher.errors import PublisherError
from dag_publisher.fetch import Say, fetch, linked, placed, wanted, workplace
from dag_publisher.store import Store

RELEASES = ".releases"


def follow(store: Store, environment: str, folder: Path, interval: float | None, say: Say) -> bool:
    """Look again and again until the process is asked to end, or once; return whether the last look was good."""
    ended = threading.Event()
    if interval is not None:
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while True:
        good = look(store, environment, folder, say)
        if interval is None or ended.wait(interval):
            return good


def look(store: Store, environment: str, folder: Path, say: Say) -> bool:
    """Bring a folder to the current releases; whatever fails, what is there stays and is told."""
    (folder / RELEASES).mkdir(parents=True, exist_ok=True)
    if not (ignore := folder / ".airflowignore").exists():
        ignore.write_text(f"{RELEASES}/\n")  # Airflow finds the files by the links
    known = {link.name: number(link) for link in folder.iterdir() if link.is_symlink() and number(link)}
    try:
        found = wanted(store, environment, None, known)
    except PublisherError as error:
        say(f"the releases cannot be read, those that are here stay: {error}")
        return False
    problems = dict(found.problems)
    for package, release in found.releases.items():
        if release != known.get(package):
            try:
                _change(store, environment, folder, (package, release))
                say(f"{package}: release {known.get(package, 'none')} -> {release}")
            except (PublisherError, OSError) as error:
                problems[package] = f"{error}"
    for package in known.keys() - found.releases.keys():
        (folder / package).unlink()
        say(f"{package}: release {known[package]} -> none, the package has left")
    for package, problem in problems.items():
        say(f"{package}: stays at release {known.get(package, 'none')}: {problem}")
    _tidy(folder, known)
    return not problems


def number(link: Path) -> int:
    """Return which release a link names, or 0 where it is none of `sync`."""
    name = link.readlink().name
    return int(name.rpartition(".")[2]) if name.startswith(f"{link.name}.") else 0


def _change(store: Store, environment: str, folder: Path, release: tuple[str, int]) -> None:
    package, wanted_number = release
    final = folder / RELEASES / f"{package}.{wanted_number}"
    staging = workplace(folder / RELEASES)
    try:
        fetch(store, environment, package, wanted_number, staging / "files")
        if final.is_dir():  # of an earlier look; its files shall look as new as the release is
            shutil.rmtree(final)
        placed(staging / "files", final)
    finally:
        shutil.rmtree(staging)
    linked(folder / package, final)


def _tidy(folder: Path, before: dict[str, int]) -> None:
    """Remove releases that are neither current nor were before this look."""
    links = [link for link in folder.iterdir() if link.is_symlink()]
    keep = {link.readlink().name for link in links} | {f"{package}.{one}" for package, one in before.items()}
    for place in (folder / RELEASES).iterdir():
        if place.name not in keep:
            shutil.rmtree(place)
