"""Publish, promote and roll back: a release is written first, and becomes current last."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dag_publisher.activate import Actor, activate, require_free
from dag_publisher.errors import Missing, Refused
from dag_publisher.mirror import mirror
from dag_publisher.names import require_environment
from dag_publisher.release import Release, digest
from dag_publisher.shelf import Current, Shelf
from dag_publisher.validation.judge import judge


@dataclass(frozen=True)
class Outcome:
    """What came of it: the current release, and how its files differ from the one before."""

    release: Release
    changed: bool = True
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def read_files(*paths: Path) -> dict[str, bytes]:
    """Read the DAG files that paths name: files, or those of folders.

    Raises Missing without any, and Refused where one would be left out.
    """
    found = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    if not found or not all(file.is_file() for file in found):
        raise Missing(
            f"{', '.join(map(str, paths))}: there is no DAG file. Name a .py file, or a folder that has some."
        )
    if deep := [file for path in paths for file in found if path.is_dir() and path in file.parents[1:]]:
        raise Refused(f"{deep[0]} is in a folder of its own. Releases have no folders: put all files into one.")
    contents = {file.name: file.read_bytes() for file in found}
    if len(contents) < len({file.resolve() for file in found}):
        raise Refused(f"Two files of {', '.join(map(str, paths))} have one name. Name each once.")
    return contents


@dataclass(frozen=True)
class Package:
    """What is to be published: contents that were judged, and the revision of the source they come from."""

    contents: dict[str, bytes]
    dags: list[dict[str, Any]]
    airflow: str
    revision: str = ""


def prepared(package: str, path: Path) -> Package:
    """Read the files of a path once, and judge what was read; raises Refused where a rule is broken."""
    contents = read_files(path)
    found = judge(package, contents)
    if found.faults:
        lines = "\n".join(map(str, found.faults))
        raise Refused(f"{len(found.faults)} faults; nothing was published.\n{lines}")
    return Package(contents, found.dags, found.airflow, git_revision(path))


def publish(shelf: Shelf, package: Package, who: Actor, *, dry_run: bool = False) -> Outcome:
    """Make judged files the current release of their package."""
    before = shelf.current()
    files = {name: digest(content) for name, content in package.contents.items()}
    number = _number(shelf, before)
    release = Release(shelf.package, number, files, package.dags, package.airflow, package.revision, who.by, who.at)
    return _released(shelf, release, list(package.contents.values()), before, who, dry_run=dry_run)


def promote(source: Shelf, to: str, who: Actor, *, dry_run: bool = False) -> Outcome:
    """Make the current release of an environment that of another one, byte by byte."""
    if require_environment(to) == source.environment:
        raise Refused(f"--to {to}: that is where the release is. Name another environment.")
    release, shelf = current_release(source), Shelf(source.store, to, source.package)
    before = shelf.current()
    contents = source.contents(release)
    origin = f"{source.environment}/{release.number}"
    numbered = release.numbered(_number(shelf, before), origin)
    return _released(shelf, numbered, list(contents.values()), before, who, dry_run=dry_run)


def rollback(shelf: Shelf, number: int | None, who: Actor, *, dry_run: bool = False) -> Outcome:
    """Make an older release current again: the one of that number, or the last one before the current."""
    before = shelf.current()
    release = shelf.release(number or _previous(shelf, before))
    shelf.contents(release)
    if before and before.pointer.release == release.number:
        raise Refused(f"{shelf.package} is at release {release.number} already. See `list` for the others.")
    outcome = _compared(shelf, release, before)
    if dry_run:
        require_free(shelf, release)
    else:
        activate(shelf, release, before, who)
    return outcome


def current_release(shelf: Shelf) -> Release:
    """Read the current release of a package; raises Missing where it has none."""
    current = shelf.current()
    if current is None or not current.pointer.release:
        raise Missing(f"{shelf.package} has no current release in {shelf.environment}. `publish` makes one.")
    return shelf.release(current.pointer.release)


def git_revision(path: Path) -> str:
    """Return the revision of the checkout that a path is in, or what CI says, or nothing."""
    if given := os.environ.get("GIT_COMMIT") or os.environ.get("GITHUB_SHA") or os.environ.get("BITBUCKET_COMMIT"):
        return given
    folder = path if path.is_dir() else path.parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, own words
    except OSError:
        return ""
    return done.stdout.strip()


def _released(
    shelf: Shelf, release: Release, contents: list[bytes], before: Current | None, who: Actor, *, dry_run: bool
) -> Outcome:
    outcome = _compared(shelf, release, before)
    if not outcome.changed and before:
        if not dry_run:
            mirror(shelf, outcome.release, before.pointer)  # a publisher that died may have left it behind
        return outcome
    require_free(shelf, release)
    if dry_run:
        return outcome
    for content in contents:
        shelf.put_object(content)
    shelf.add(release)
    shelf.contents(release)
    activate(shelf, release, before, who)
    return outcome


def _compared(shelf: Shelf, release: Release, before: Current | None) -> Outcome:
    number = before.pointer.release if before else 0
    old = shelf.release(number) if number else None
    files = old.files if old else {}
    added = sorted(release.files.keys() - files.keys())
    removed = sorted(files.keys() - release.files.keys())
    updated = sorted(name for name in release.files.keys() & files.keys() if release.files[name] != files[name])
    if old and not (added or removed or updated) and old.dags == release.dags:
        return Outcome(old, changed=False)
    return Outcome(release, added=added, updated=updated, removed=removed)


def _number(shelf: Shelf, before: Current | None) -> int:
    known = shelf.numbers()
    return max([*known, before.pointer.release if before else 0]) + 1


def _previous(shelf: Shelf, before: Current | None) -> int:
    if before is None or not before.pointer.before:
        what = "the pointer is lost" if before is None else f"no release was current before {before.pointer.release}"
        raise Missing(f"{shelf.package} in {shelf.environment}: {what}. Name one with --release; `list` shows them.")
    return before.pointer.before[-1]
