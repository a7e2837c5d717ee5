"""`list`, `diff`, `verify`, `gc`: look at what is published, and forget what is old."""

from pathlib import Path
from typing import Annotated

import typer

from dag_publisher import garbage, looks
from dag_publisher.cli.output import Bucket, DryRun, Environment, Json, Package, print_json, progress, show, tell
from dag_publisher.errors import Refused
from dag_publisher.shelf import Shelf, shelves
from dag_publisher.store import Store


def list_releases(bucket: Bucket, environment: Environment, package: Package, as_json: Json = False) -> None:
    """List the releases of a package, the newest first."""
    rows = looks.releases(Shelf(Store(bucket), environment, package))
    if as_json:
        print_json(rows)
    else:
        show(rows, ["release", "current", "at", "by", "revision", "dags"], f"{package} has no release there.")


def diff(
    bucket: Bucket,
    environment: Environment,
    package: Package,
    dag_path: Annotated[Path | None, typer.Option("--dag-path", help="DAG files to compare with.")] = None,
    release: Annotated[int | None, typer.Option(min=1, help="Release to compare with.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the current release with DAG files or another release. Exit code 1 where they differ."""
    other = dag_path or release
    if other is None or (dag_path and release):
        raise Refused("diff compares with --dag-path or with --release: name one of them.")
    lines = list(looks.differences(Shelf(Store(bucket), environment, package), other))
    if as_json:
        print_json({"differ": bool(lines), "diff": lines})
    else:
        tell("\n".join(lines) or "There is no difference.")
    raise typer.Exit(1 if lines else 0)


def verify(
    bucket: Bucket,
    environment: Environment,
    package: Annotated[str, typer.Option("--package-name", help="One package; without it all of them.")] = "",
    as_json: Json = False,
) -> None:
    """Read everything that is published, and name what is not as it was written. Exit code 1 where something is."""
    store = Store(bucket)
    found = [Shelf(store, environment, package)] if package else shelves(store, environment)
    with progress(f"Reading {len(found)} packages ..."):
        wrong = {shelf.package: list(looks.wrong(shelf)) for shelf in found}
    if as_json:
        print_json(wrong)
    else:
        for name, lines in wrong.items():
            tell("\n".join(f"{name}: {line}" for line in lines) or f"{name}: all is as it was published.")
    raise typer.Exit(1 if any(wrong.values()) else 0)


def gc(
    bucket: Bucket,
    environment: Environment,
    package: Package,
    keep: Annotated[int, typer.Option(min=1, help="How many releases are kept at least.")] = garbage.KEEP,
    days: Annotated[int, typer.Option(min=1, help="Younger ones stay; more than any run lasts.")] = garbage.DAYS,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Forget releases that no run needs any more, and objects that no release names."""
    found = garbage.collect(Shelf(Store(bucket), environment, package), keep, days, dry_run=dry_run)
    if as_json:
        print_json({"releases": found.releases, "objects": found.objects, "dry_run": dry_run})
    else:
        verb = "would be deleted" if dry_run else "deleted"
        tell(f"{len(found.releases)} releases and {len(found.objects)} objects {verb}.")
