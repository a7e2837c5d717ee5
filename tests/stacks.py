"""Stacks for tests: without Airflow, one for each worker, and quick where that gives nothing away."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from devstack.stack import running

SMALL = ("postgres", "s3", "standins")


@contextmanager
def small_stack(state: Path) -> Iterator[dict[str, str]]:
    """Keep PostgreSQL, object store and the stand-ins of message services up for the length of a block."""
    with running(state, SMALL) as env:
        hasten(env)
        yield env


def server(stack: Mapping[str, str]) -> str:
    """Return the address of a stack's PostgreSQL, for whom no variable reaches libpq; a database's name is to follow."""
    return f"postgresql://postgres:{stack['PGPASSWORD']}@{stack['PGHOST']}:{stack['PGPORT']}"


def hasten(stack: Mapping[str, str]) -> None:
    """Let the database leave its writes to the kernel: a killed server loses nothing by it, only a dead machine would."""
    with psycopg.connect(f"{server(stack)}/postgres", autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
