"""`sync`: the sidecar of a process that only reads a folder."""

from pathlib import Path
from typing import Annotated

import typer

from dag_publisher.cli.output import tell
from dag_publisher.errors import Refused
from dag_publisher.store import Store
from dag_publisher.sync import follow


def sync(
    folder: Annotated[Path, typer.Argument(help="Folder that Airflow reads, such as /opt/airflow/dags.")],
    bucket: Annotated[str, typer.Option("--bucket", envvar="DAG_BUCKET", help="Bucket of the releases.")] = "",
    environment: Annotated[str, typer.Option("--environment", envvar="ENVIRONMENT", help="dev, staging or prod.")] = "",
    interval: Annotated[float, typer.Option(envvar="DAG_SYNC_INTERVAL", min=0.1, help="Seconds between looks.")] = 30,
    once: Annotated[bool, typer.Option("--once", help="Look once and end; exit code 1 if a package failed.")] = False,
) -> None:
    """Keep a folder at the current releases: each package as a whole, what left is removed, each change is told."""
    if not (bucket and environment):
        raise Refused("sync needs DAG_BUCKET and ENVIRONMENT (or --bucket and --environment): where releases are.")
    if not follow(Store(bucket), environment, folder, None if once else interval, tell):
        raise typer.Exit(1)
