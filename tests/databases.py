"""A MariaDB of this session, as a process of its own on 127.0.0.1."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from devstack.ports import HOST, free_port

PLACES = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin")


def program(name: str) -> str:
    """Find a program of MariaDB; those of servers are on nobody's PATH."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(PLACES))
    if not found:
        pytest.fail(f"{name} is not installed: `make packages`, or the package mariadb-server.")
    return found


@contextmanager
def mariadb(folder: Path) -> Iterator[int]:
    """Keep a MariaDB up for the length of a block and give its port; root has no password."""
    data, port, user = folder / "data", free_port(), "root" if os.geteuid() == 0 else os.environ.get("USER", "")
    subprocess.run(
        [
            program("mariadb-install-db"),
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--user={user}",
            "--no-defaults",
        ],
        check=True,
        capture_output=True,
    )
    command = [
        program("mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--port={port}",
        f"--bind-address={HOST}",
        f"--user={user}",
    ]
    small = [
        "--skip-log-bin",
        "--innodb-buffer-pool-size=16M",
        "--performance-schema=OFF",
        f"--socket={folder / 's'}",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, *small], stdout=log, stderr=log)
    try:
        while True:
            assert server.poll() is None, (folder / "log").read_text()
            try:
                pymysql.connect(host=HOST, port=port, user="root").close()
                break
            except pymysql.OperationalError:
                time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()
