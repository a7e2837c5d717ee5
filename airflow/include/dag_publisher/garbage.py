"""Forget old releases, and objects that no release names any more."""

from dataclasses import dataclass
from datetime import timedelta

from dag_publisher.release import Pointer
from dag_publisher.shelf import Shelf

KEEP, DAYS = 20, 30


@dataclass(frozen=True)
class Garbage:
    """Releases and objects that are, or would be, deleted."""

    releases: list[int]
    objects: list[str]


def collect(shelf: Shelf, keep: int = KEEP, days: int = DAYS, *, dry_run: bool = False) -> Garbage:
    """Delete releases that are neither current, nor among the last `keep`, nor younger than `days`.

    Ages are counted by the store's clock. A run that began with a release needs it until its last retry: so keep
    more days than any run lasts. An object is only deleted when it is that old too, as a publisher renews what it
    names; so none is taken away from a release that is being written.
    """
    oldest = shelf.store.now(shelf.prefix) - timedelta(days=days)
    objects = {one.key.rpartition("/")[2]: one.modified for one in shelf.listed("objects/")}
    written = {one.key.rpartition("/")[2]: one.modified for one in shelf.listed("releases/")}
    numbers, current = shelf.numbers(), shelf.current()
    pointer = current.pointer if current else Pointer(shelf.package, 0, [])
    safe = {pointer.release, *pointer.before[-keep:], *numbers[-keep:]} if current else {*numbers}
    old = [number for number in numbers if number not in safe and written.get(f"{number}.json", oldest) < oldest]
    kept = [shelf.release(number) for number in numbers if number not in old]
    named = {content for release in kept for content in release.files.values()}
    loose = sorted(name for name, modified in objects.items() if name not in named and modified < oldest)
    if not dry_run:
        for name in [*(f"releases/{number}.json" for number in old), *(f"objects/{name}" for name in loose)]:
            shelf.store.delete(shelf.key(name))
    return Garbage(old, loose)
