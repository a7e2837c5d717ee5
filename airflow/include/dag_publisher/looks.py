"""Look at what is published: releases, differences, and whether all of it is what was written."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dag_publisher.errors import PublisherError
from dag_publisher.mirror import drift
from dag_publisher.publish import current_release, read_files
from dag_publisher.release import Release
from dag_publisher.shelf import Shelf


def releases(shelf: Shelf) -> list[dict[str, Any]]:
    """List the releases of a package, the newest first, and say which is current."""
    current = shelf.current()
    number = current.pointer.release if current else 0
    return [_row(shelf.release(one), one == number) for one in reversed(shelf.numbers())]


def _row(release: Release, current: bool) -> dict[str, Any]:  # noqa: FBT001 - a column of a row
    return {
        "release": release.number,
        "current": current,
        "at": release.at,
        "by": release.by,
        "revision": release.revision,
        "origin": release.origin,
        "files": len(release.files),
        "dags": [dag["dag_id"] for dag in release.dags],
        "images": release.images,
    }


def differences(shelf: Shelf, other: Path | int) -> Iterator[str]:
    """Compare the current release with DAG files or another release, as lines of a unified diff."""
    release = current_release(shelf)
    before = shelf.contents(release)
    old, new = f"release {release.number}", str(other)
    if isinstance(other, Path):
        after = read_files(other)
    else:
        after, new = shelf.contents(shelf.release(other)), f"release {other}"
    for name in sorted({*before, *after}):
        lines, others = (text.get(name, b"").decode(errors="replace").splitlines() for text in (before, after))
        yield from difflib.unified_diff(lines, others, f"{name} ({old})", f"{name} ({new})", lineterm="")


def wrong(shelf: Shelf) -> Iterator[str]:
    """Name what is wrong with a package: pointer, every release, every object, and the mirror in `dags/`."""
    try:
        current = shelf.current()
    except PublisherError as error:
        yield str(error)
        return
    numbers = shelf.numbers()
    if current is None and numbers:
        yield (
            f"{shelf.uri('current.json')} is lost: workers keep release they have. "
            f"`rollback --release {numbers[-1]}` writes it anew."
        )
    if current and current.pointer.release and current.pointer.release not in numbers:
        yield f"{shelf.uri('current.json')} names release {current.pointer.release}, which is not there."
    yield from _releases(shelf, numbers)
    if current and current.pointer.release in numbers:
        release = shelf.release(current.pointer.release)
        yield from (f"{shelf.uri(f'dags/{name}')} is not as in the release." for name in drift(shelf, release))
        if stale := sorted({*current.pointer.claims} - {*release.claims}):
            yield f"{', '.join(stale)}: claimed by a publisher that did not end ({current.pointer.by}); publish again."


def _releases(shelf: Shelf, numbers: list[int]) -> Iterator[str]:
    seen = set[str]()
    for number in numbers:
        try:
            release = shelf.release(number)
        except PublisherError as error:
            yield str(error)
            continue
        for name, content in release.files.items():
            if content in seen:
                continue
            seen.add(content)
            try:
                shelf.object(content)
            except PublisherError as error:
                yield f"release {number}, {name}: {error}"
