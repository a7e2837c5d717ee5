"""Make a release current: claim its names, look whether anybody else has one, then move the pointer.

A claim is written below the package's own prefix before its neighbours' pointers are read. So of two publishers who
want one name at once at least one sees the other, and both never win. A claim of a publisher that died keeps its names
until the package publishes again; readers look at the pointer's release only.
"""

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dag_publisher.errors import Conflict, PublisherError
from dag_publisher.mirror import mirror
from dag_publisher.release import Pointer, Release
from dag_publisher.shelf import Current, Shelf, pointers, shelves

Say = Callable[[str], None]


@dataclass(frozen=True)
class Actor:
    """Who publishes, when by their own clock, and why."""

    by: str
    at: str
    why: str = ""


def actor(why: str = "") -> Actor:
    """Name whoever runs the command: PUBLISHER where CI sets it, else the system's user."""
    by = os.environ.get("PUBLISHER") or getpass.getuser()
    now = datetime.now(UTC)  # noqa: TID251 - `common` is not to be imported; told to people, and never compared
    return Actor(by, now.isoformat(timespec="seconds"), why)


def activate(shelf: Shelf, release: Release, before: Current | None, who: Actor) -> Pointer:
    """Make a release current where the pointer is still what it was before.

    Raises Conflict where it is not, or where another package has a name of the release.
    """
    old = before.pointer if before else Pointer(shelf.package, 0, [])
    wanted = sorted({*old.claims, *release.claims})
    claimed = shelf.point(replace(old, claims=wanted, by=who.by, at=who.at, why="claim"), before)
    try:
        require_free(shelf, release)
    except PublisherError:
        shelf.point(old, claimed)
        raise
    history = old.onto(release.number)
    pointer = Pointer(shelf.package, release.number, release.claims, who.by, who.at, who.why, history)
    shelf.point(pointer, claimed)
    mirror(shelf, release, pointer)
    return pointer


def require_free(shelf: Shelf, release: Release) -> None:
    """Raise Conflict where another package of the environment has an id or a file name of the release."""
    others = [other for other in shelves(shelf.store, shelf.environment) if other.package != shelf.package]
    for package, pointer in pointers(others).items():
        if isinstance(pointer, PublisherError):
            raise pointer  # whether it has one of the names is not known, so nothing is released
        if pointer and (taken := sorted({*release.claims} & {*pointer.claims})):
            state = f"release {pointer.release}" if pointer.release else "a first release that is being published"
            raise Conflict(
                f"{', '.join(taken)}: taken in {shelf.environment} by package {package} ({state}, {pointer.by}, "
                f"{pointer.at}). An id or file name belongs to one package; rename yours, or have {package} publish "
                "without it."
            )
