"""Creates databases where they are missing."""

import os
import sys
from collections.abc import Iterable

import psycopg
from psycopg import sql

from devstack.environment import DATABASES, LET_ME_IN, WAREHOUSE

# Sequences that belong to a column go with its table.
NOT_ITS_OWN = """
SELECT 'SCHEMA', quote_ident(nspname) FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public') AND nspowner <> %(owner)s::regrole
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass::text FROM pg_class
WHERE relkind IN ('r', 'p', 'v') AND relnamespace::regnamespace::text !~ '^pg_|^information_schema$'
  AND relowner <> %(owner)s::regrole"""


def create_databases(names: Iterable[str]) -> None:
    """Create what is missing, on the server that the PG* variables name."""
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        known = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in names:
            if name not in known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def give_warehouse_away() -> None:
    """Let the warehouse belong to a user of its name, with all that an earlier version has made in it."""
    user = sql.Identifier(WAREHOUSE)
    with psycopg.connect(dbname=WAREHOUSE, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [WAREHOUSE]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(user, sql.Literal(LET_ME_IN)))
        connection.execute(sql.SQL("ALTER DATABASE {0} OWNER TO {0}").format(user))
        for kind, name in connection.execute(NOT_ITS_OWN, {"owner": WAREHOUSE}).fetchall():
            connection.execute(sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(kind), sql.SQL(name), user))


if __name__ == "__main__":
    os.environ.pop("PGDATABASE", None)
    create_databases(sys.argv[1:] or DATABASES)
    if not sys.argv[1:]:
        give_warehouse_away()
