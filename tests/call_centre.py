"""The systems that the call centre's domain is fetched from, and worlds that fetch from them and load a Snowflake."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from devstack.folder import INCLUDE
from domains.telecoms.samples.days import SHEET, TAB, DayTable
from tests.origins import Database
from tests.standins import snowflake_of_its_own
from tests.world import World, new_world

DOMAIN = "telecoms"
COLUMNS = (
    'request_id text, "customeR iD" text, "COMPLAINT_catego ry" text, "agent ID" integer, resolutionstatus text, '
    'request_date timestamp, resolution_date timestamp, "webFormGenerationDate" date'
)


def make_tables(database: Database, tables: Iterable[DayTable]) -> None:
    """Make tables of days in the web form's database."""
    for table in tables:
        database.run(f"CREATE TABLE {table.name} ({COLUMNS})")
        names = ", ".join(f'"{name}"' for name in table.rows[0])
        values = ", ".join(f":v{number}" for number in range(len(table.rows[0])))
        for row in table.rows:
            told = {f"v{number}": value or None for number, value in enumerate(row.values())}
            database.run(f"INSERT INTO {table.name} ({names}) VALUES ({values})", **told)


def share(stack: Mapping[str, str], sheet: Any) -> None:
    """Let the sheet of the agents be this one."""
    httpx.put(f"{stack['STANDINS_URL']}/google/sheets/{SHEET}", json={"sheets": {TAB: sheet}}).raise_for_status()


@contextmanager
def call_centre(stack: Mapping[str, str], folder: Path, web: Database, snowflake: tuple[int, Path]) -> Iterator[World]:
    """Give a world of the domain, with a database of its own in a Snowflake."""
    folder.mkdir(exist_ok=True)
    left_out = shutil.ignore_patterns("samples", "__pycache__")
    shutil.copytree(INCLUDE / "domains" / DOMAIN, folder / "domains" / DOMAIN, ignore=left_out)
    env = {**stack, **snowflake_of_its_own(snowflake), "AIRFLOW_CONN_TELECOMS_WEB": json.dumps(web.connection)}
    with new_world(env, folder, DOMAIN, folder / "domains") as made:
        yield made
