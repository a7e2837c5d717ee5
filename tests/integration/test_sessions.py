"""A load signs in to its warehouse once; a session that has failed, or was ended by the other side, is not used again."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlglot import exp, parse_one

from common.core.errors import DataError
from common.warehouses.postgres import Postgres

ME = parse_one("SELECT pg_backend_pid(), current_setting('lock_timeout')", dialect="postgres")


@pytest.fixture
def target(address: str, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    monkeypatch.setenv("AIRFLOW_CONN_SUITE_SESSIONS", address)
    return Postgres("suite_sessions")


@pytest.fixture
def server(address: str) -> Iterator["psycopg.Connection[tuple[int]]"]:
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


def me(target: Postgres) -> int:
    """Return the session that answers; its settings are those of every session."""
    ((pid, timeout),) = target.query(ME)
    assert timeout == "1min"
    return int(pid)


def there(server: "psycopg.Connection[tuple[int]]", pid: int) -> bool:
    return bool(server.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall())


def test_one_session_serves_what_is_asked_one_after_the_other(target: Postgres) -> None:
    first = me(target)
    target.apply([exp.select("1")])
    assert me(target) == first


def test_after_an_error_another_session_is_used(target: Postgres) -> None:
    first = me(target)
    with pytest.raises(DataError):
        target.query(parse_one("SELECT 1 / 0", dialect="postgres"))
    assert me(target) != first


def test_a_session_that_the_server_has_ended_is_replaced(
    target: Postgres, server: "psycopg.Connection[tuple[int]]"
) -> None:
    first = me(target)
    server.execute("SELECT pg_terminate_backend(%s, 5000)", [first])
    assert me(target) != first


def test_sessions_go_with_the_load_that_has_them(target: Postgres, server: "psycopg.Connection[tuple[int]]") -> None:
    load = Postgres(target.conn_id)
    mine = me(load)
    del load
    server.execute("SELECT pg_sleep(0.2)")
    assert not there(server, mine)
