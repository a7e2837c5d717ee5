"""The environment of a stack: what its own processes run with, and what other tools need to reach it."""

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from common.core.settings import BESIDE_US, Settings
from devstack import channels
from devstack.folder import INCLUDE, KEPT_DEMO, REPOSITORY, StateFolder, read_json, state_folder
from devstack.keys import Keys
from devstack.ports import HOST
from devstack.record import read_record
from devstack.warehouses import addresses
from devstack.warehouses import connections as warehouse_connections

ACCOUNT = "000000000000"  # the account that the object store's queues live in
REGION = "us-east-1"
# Database, user and password are those of Compose. Airflow masks the password in all logs: it is no word of theirs.
WAREHOUSE, LET_ME_IN = "warehouse", "letmein"
WEB_FORMS = "telecoms_web"  # the database that the telecoms domain fetches from
DATABASES = ("airflow", "watershed", WAREHOUSE, WEB_FORMS)
PREFIX = "WATERSHED_"
DOMAINS_DIR, LEDGER_URL = "WATERSHED_DOMAINS_DIR", "WATERSHED_LEDGER_URL"
# Keys of Airflow's services among themselves, and the path of their processes.
SERVICES_ONLY = {"AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "PYTHONPATH"}
# These describe somebody else's Airflow, cloud account or Python; a stack inherits none of them.
FOREIGN = ("AIRFLOW", "AWS_", "PG", "PYTHON", PREFIX)


def environment(folder: StateFolder, ports: Mapping[str, int], keys: Keys, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return everything that reaches the stack; what the user chose wins, but not over its addresses."""
    settings = {**_settings(), **chosen}
    settings[DOMAINS_DIR] = str(domains_of(settings))  # for processes elsewhere
    return {
        **_airflow(folder, ports, keys),
        **_connections(folder, ports, keys),
        **settings,
        # Never taken from outside: a shell that holds another stack's environment would cross the two, and an
        # account or an executor in `.env` is for Compose.
        **_aws(ports),
        **_postgres(ports, keys),
        **_watershed(ports, keys),
        "STANDINS_URL": f"http://{HOST}:{ports['standins']}",
        **addresses(ports),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "PYTHONPATH": str(INCLUDE),
        **_direct(),
    }


def chosen_by_user(repository: Path = REPOSITORY) -> dict[str, str]:
    """Read what the user set: all of `.env`, and over it the WATERSHED_* variables of this process."""
    file = {name: value for name, value in dotenv_values(repository / ".env").items() if value is not None}
    return file | {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def domains_of(chosen: Mapping[str, str]) -> Path:
    """Return the folder of the domains that a stack runs."""
    return REPOSITORY / (chosen.get(DOMAINS_DIR) or BESIDE_US)


def for_children(env: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's environment on top of this process's own, without what describes other systems."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # setproctitle overwrites the environment that others can read, and with it the family's mark.
    return {**inherited, **env, "SPT_NOENV": "1", "PYTHONUNBUFFERED": "1"}


def for_tools(env: Mapping[str, str]) -> dict[str, str]:
    """Return what commands and tools need to reach the stack, without the keys that only Airflow's services use."""
    return {name: value for name, value in env.items() if name not in SERVICES_ONLY}


def exports(env: Mapping[str, str], own: Mapping[str, str], programs: str) -> str:
    """Write lines for a POSIX shell's `eval`: the environment, the folder of programs on PATH, and what undoes it.

    `own` is the shell's environment as it is now, which the function `watershed_off` brings back.
    """
    wanted = dict(env)
    if programs not in own.get("PATH", "").split(os.pathsep):
        wanted["PATH"] = os.pathsep.join(filter(None, (programs, own.get("PATH", ""))))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(wanted.items())]
    if all(own.get(name) == value for name, value in wanted.items()):
        return "\n".join(lines)  # it is this stack's shell already, and knows the way back
    back = [f"export {name}={shlex.quote(own[name])}" if name in own else f"unset {name}" for name in sorted(wanted)]
    return "\n".join([*lines, "watershed_off() {", *back, "unset -f watershed_off", "}"])


def adopt() -> None:
    """Let this process reach the checkout's stack, or the demo's that was kept, unless its environment names a ledger.

    What the environment says of settings wins over what the stack was started with.
    """
    folder = None if LEDGER_URL in os.environ else running()
    if folder and (plan := read_json(folder.plan)):
        mine = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
        os.environ.update(for_tools(plan["env"]) | mine)


def running() -> StateFolder | None:
    """Return the folder of the checkout's stack where it runs, else of the demo's where that was kept."""
    folders = (state_folder(), state_folder(KEPT_DEMO))
    return next((folder for folder in folders if (record := read_record(folder)) and record.alive), None)


def database_url(driver: str, database: str, ports: Mapping[str, int], keys: Keys) -> str:
    """Return the SQLAlchemy address of one of the stack's databases."""
    return f"{driver}://postgres:{keys.postgres}@{HOST}:{ports['postgres']}/{database}"


def warehouse_address(ports: Mapping[str, int]) -> str:
    """Return the address of the warehouse with its login, which is that of Compose."""
    return f"postgresql://{WAREHOUSE}:{LET_ME_IN}@{HOST}:{ports['postgres']}/{WAREHOUSE}"


def _aws(ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{ports['s3']}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ALLOW_HTTP": "true",
    }


def _postgres(ports: Mapping[str, int], keys: Keys) -> dict[str, str]:
    return {
        "PGHOST": HOST,
        "PGPORT": str(ports["postgres"]),
        "PGUSER": "postgres",
        "PGPASSWORD": keys.postgres,
        "PGDATABASE": "warehouse",
    }


def _airflow(folder: StateFolder, ports: Mapping[str, int], keys: Keys) -> dict[str, str]:
    api = f"http://{HOST}:{ports['api-server']}"
    sections: dict[str, dict[str, Any]] = {
        "API": {"HOST": HOST, "PORT": ports["api-server"], "BASE_URL": api, "SECRET_KEY": keys.api},
        "API_AUTH": {"JWT_SECRET": keys.jwt},
        "CORE": {
            "DAGS_ARE_PAUSED_AT_CREATION": False,
            "DAG_DISCOVERY_SAFE_MODE": False,  # it passes over files without the words "airflow" and "dag"
            "DAGS_FOLDER": REPOSITORY / "airflow" / "dags",
            "EXECUTION_API_SERVER_URL": f"{api}/execution/",
            "FERNET_KEY": keys.fernet,
            "HOSTNAME_CALLABLE": "socket.gethostname",  # the default asks DNS, which a laptop may lack
            "LOAD_EXAMPLES": False,
            "PARALLELISM": 8,
            "PLUGINS_FOLDER": REPOSITORY / "airflow" / "plugins",
            "SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,  # only 127.0.0.1 can reach it
        },
        "DATABASE": {"SQL_ALCHEMY_CONN": database_url("postgresql+psycopg2", "airflow", ports, keys)},
        # A new or changed DAG file is seen in seconds; all are read again each minute, and changed contracts with them.
        "DAG_PROCESSOR": {"MIN_FILE_PROCESS_INTERVAL": 60, "REFRESH_INTERVAL": 5},
        "SCHEDULER": {
            # Tasks that died with their scheduler are found in a minute; the defaults take five.
            "ORPHANED_TASKS_CHECK_INTERVAL": 30,
            "SCHEDULER_IDLE_SLEEP_TIME": 0.25,  # at 0.1 an idle scheduler takes a seventh of a core
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
        },
        # A busy machine answers late; after five answers that do not come in time a task is killed, and tried again.
        "WORKERS": {"EXECUTION_API_TIMEOUT": 30},
    }
    flat = {
        f"AIRFLOW__{section}__{option}": str(value)
        for section, options in sections.items()
        for option, value in options.items()
    }
    return {"AIRFLOW_HOME": str(folder.path / "airflow"), **flat}


def _connections(folder: StateFolder, ports: Mapping[str, int], keys: Keys) -> dict[str, str]:
    connections: dict[str, dict[str, Any]] = {
        "AWS_DEFAULT": {
            "conn_type": "aws",
            "login": "test",
            "password": "test",
            "extra": {"endpoint_url": f"http://{HOST}:{ports['s3']}", "region_name": REGION},
        },
        "WAREHOUSE": {
            "conn_type": "postgres",
            "host": HOST,
            "port": ports["postgres"],
            "login": WAREHOUSE,
            "password": LET_ME_IN,
            "schema": WAREHOUSE,
        },
        "TELECOMS_WEB": {
            "conn_type": "postgres",
            "host": HOST,
            "port": ports["postgres"],
            "login": "postgres",
            "password": keys.postgres,
            "schema": WEB_FORMS,
        },
        "WAREHOUSE_DUCKDB": {"conn_type": "duckdb", "host": str(folder.path / "warehouse.duckdb")},
        **channels.connections(ports, keys),
        **warehouse_connections(ports),
    }
    return {f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in connections.items()}


def _settings() -> dict[str, str]:
    """Spell out every default, so that `watershed dev env` shows all that may be changed."""
    defaults = {name: field.default for name, field in Settings.model_fields.items() if not field.is_required()}
    written = {
        f"{PREFIX}{name.upper()}": str(value) if isinstance(value, str | Path) else json.dumps(value)
        for name, value in defaults.items()
    }
    return {**written, f"{PREFIX}BUCKET": "watershed"}


def _watershed(ports: Mapping[str, int], keys: Keys) -> dict[str, str]:
    return {
        LEDGER_URL: database_url("postgresql+psycopg", "watershed", ports, keys),
        f"{PREFIX}QUEUE_BASE_URL": f"http://{HOST}:{ports['s3']}/{ACCOUNT}",
    }


def _direct() -> dict[str, str]:
    """Keep a proxy, where the machine has one, out of the way to 127.0.0.1."""
    hosts = {HOST, "localhost", *filter(None, os.environ.get("NO_PROXY", "").split(","))}
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(sorted(hosts)))
