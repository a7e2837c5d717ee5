"""Creates databases where they are missing."""

import os
import sys
from collections.abc import Iterable

import psycopg
from psycopg import sql

from devstack.environment import DATABASES


def create_databases(names: Iterable[str]) -> None:
    """Create what is missing, on the server that the PG* variables name."""
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        known = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in names:
            if name not in known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


if __name__ == "__main__":
    os.environ.pop("PGDATABASE", None)
    create_databases(sys.argv[1:] or DATABASES)
