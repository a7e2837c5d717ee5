"""`publish`, `promote`, `rollback`: commands that change what is current."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dag_publisher import publish as work
from dag_publisher.activate import actor
from dag_publisher.cli.output import Bucket, DryRun, Environment, Json, Package, print_json, progress, tell
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store

Why = Annotated[str, typer.Option("--why", help="The reason; it is kept with the pointer.")]


def publish(
    bucket: Bucket,
    environment: Environment,
    package: Package,
    dag_path: Annotated[Path, typer.Option("--dag-path", help="Folder of the package's DAG files, or one file.")],
    why: Why = "",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Validate DAG files and make them the package's current release, all at once."""
    shelf = Shelf(Store(bucket), environment, package)
    with progress(f"Validating and publishing {dag_path} ..."):
        outcome = work.publish(shelf, work.prepared(package, dag_path), actor(why), dry_run=dry_run)
    _tell(outcome, environment, "published", as_json=as_json, dry_run=dry_run)


def promote(
    bucket: Bucket,
    environment: Environment,
    package: Package,
    to: Annotated[str, typer.Option("--to", help="The environment that gets the release.")],
    why: Why = "",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Give the current release of an environment to another one, byte by byte."""
    shelf = Shelf(Store(bucket), environment, package)
    outcome = work.promote(shelf, to, actor(why), dry_run=dry_run)
    _tell(outcome, to, f"promoted from {environment}", as_json=as_json, dry_run=dry_run)


def rollback(
    bucket: Bucket,
    environment: Environment,
    package: Package,
    release: Annotated[int | None, typer.Option(min=1, help="Which; without it the one current before.")] = None,
    why: Why = "",
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Make an older release current again. Runs that have begun end with the release they began with."""
    shelf = Shelf(Store(bucket), environment, package)
    outcome = work.rollback(shelf, release, actor(why), dry_run=dry_run)
    _tell(outcome, environment, "rolled back", as_json=as_json, dry_run=dry_run)


def _tell(outcome: work.Outcome, environment: str, done: str, *, as_json: bool, dry_run: bool) -> None:
    release = outcome.release
    row: dict[str, Any] = {
        "package": release.package,
        "environment": environment,
        "release": release.number,
        "changed": outcome.changed,
        "dry_run": dry_run,
        "added": outcome.added,
        "updated": outcome.updated,
        "removed": outcome.removed,
        "dags": [dag["dag_id"] for dag in release.dags],
    }
    if as_json:
        print_json(row)
        return
    if not outcome.changed:
        tell(f"{release.package} release {release.number} in {environment} is that already; nothing was changed.")
        return
    for word in ("added", "updated", "removed"):
        for name in row[word]:
            tell(f"  {word:8}{name}")
    verb = f"would be {done}" if dry_run else done
    tell(f"{release.package} release {release.number} {verb}: {environment}, {len(release.dags)} DAGs.")
