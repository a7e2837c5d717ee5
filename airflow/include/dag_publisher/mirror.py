"""What is kept beside the releases for readers that know nothing of them: `dags/*.py` and `metadata.json`.

Whoever only synchronises `dags/` sees files change one after the other; the bundle and `sync` see whole releases.
"""

import json

from dag_publisher.release import Pointer, Release, digest
from dag_publisher.shelf import METADATA, Shelf


def mirror(shelf: Shelf, release: Release, pointer: Pointer) -> list[str]:
    """Make `dags/` and `metadata.json` those of a release; return what was changed, in order."""
    return [*_add(shelf, release), *_remove(shelf, release), *_describe(shelf, release, pointer)]


def drift(shelf: Shelf, release: Release) -> list[str]:
    """List the names below `dags/` that are not what the release says."""
    return sorted({*_differing(shelf, release), *_superfluous(shelf, release)})


def _add(shelf: Shelf, release: Release) -> list[str]:
    names = _differing(shelf, release)
    for name in names:
        shelf.store.put(shelf.key(f"dags/{name}"), shelf.object(release.files[name]))
    return names


def _remove(shelf: Shelf, release: Release) -> list[str]:
    names = _superfluous(shelf, release)
    for name in names:
        shelf.store.delete(f"{shelf.prefix}dags/{name}")
    return names


def _differing(shelf: Shelf, release: Release) -> list[str]:
    there = {name: shelf.store.read(shelf.key(f"dags/{name}")) for name in release.files}
    return [name for name, found in there.items() if found is None or digest(found.content) != release.files[name]]


def _superfluous(shelf: Shelf, release: Release) -> list[str]:
    begin = f"{shelf.prefix}dags/"
    names = [listed.key.removeprefix(begin) for listed in shelf.listed("dags/")]
    return [name for name in names if name not in release.files]


def _describe(shelf: Shelf, release: Release, pointer: Pointer) -> list[str]:
    content = json.dumps(described(release, pointer, shelf.environment), indent=1, ensure_ascii=False).encode()
    found = shelf.store.read(shelf.key(METADATA))
    if found and found.content == content:
        return []
    shelf.store.put(shelf.key(METADATA), content)
    return [METADATA]


def described(release: Release, pointer: Pointer, environment: str) -> dict[str, object]:
    """Say for readers of `metadata.json` what is current."""
    return {
        "package_name": release.package,
        "environment": environment,
        "version": release.number,
        "published_at": pointer.at,
        "published_by": pointer.by,
        "git_revision": release.revision,
        "airflow": release.airflow,
        "images": release.images,
        "dag_files": sorted(release.files),
        "dags": release.dags,
    }
