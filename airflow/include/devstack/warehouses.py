"""Warehouses that others host and the stack stands in for, where a domain loads them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.core.errors import ConfigError
from common.core.settings import HOSTED
from devstack.ports import HOST

BY_CONN = {at.conn: name for name, at in HOSTED.items()}
SETTING, CONNECTION = "WATERSHED_WAREHOUSES", "AIRFLOW_CONN_"
READ = (".yaml", ".yml", ".sql")
REDSHIFT_DATABASE, ROLE = "dev", "arn:aws:iam::000000000000:role/watershed-copy"


def in_use(domains: Path, chosen: Mapping[str, str]) -> list[str]:
    """List the stand-ins that a contract or model loads, unless the user reaches the warehouse itself by a connection.

    Words are looked for in the files' text: a contract with a fault must not keep the stack from starting.
    """
    words = {word: BY_CONN[conn] for word, conn in _connections(chosen).items() if conn in BY_CONN}
    files = (path for domain in domains.glob("*") for path in domain.resolve().rglob("*"))  # a domain may be a link
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in READ]
    used = {name for word, name in words.items() if any(re.search(rf"\bto:\s*['\"]?{word}\b", text) for text in texts)}
    return [name for name in HOSTED if name in used and not chosen.get(f"{CONNECTION}{_variable(name)}")]


def _connections(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the connection that each word means."""
    try:
        more = {word: at["conn"] for word, at in json.loads(chosen.get(SETTING) or "{}").items() if "conn" in at}
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{SETTING} is no JSON of words and warehouses: {error}. See .env.example.") from error
    return {word: at.conn for word, at in HOSTED.items()} | more


def _variable(name: str) -> str:
    return HOSTED[name].conn.upper()


def connections(ports: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the connections that reach the stand-ins."""
    place = {"workgroup_name": "watershed", "database": REDSHIFT_DATABASE}
    data_api = {"endpoint_url": f"http://{HOST}:{ports['redshift']}", "iam_role": ROLE, **place}
    return {
        _variable("redshift"): {
            "conn_type": "aws",
            "login": "test",
            "password": "test",
            "extra": {"region_name": "us-east-1", "service_config": {"redshift-data": data_api}},
        },
        _variable("snowflake"): {
            "conn_type": "snowflake",
            "login": "watershed",
            "password": "test",
            "extra": {"account": "warehouse", "database": "DEV", "host": "localhost", "port": ports["snowflake"]},
        },
    }


def addresses(ports: Mapping[str, int]) -> dict[str, str]:
    """Return where the stand-ins listen, for their health."""
    return {
        "REDSHIFT_STANDIN_URL": f"http://{HOST}:{ports['redshift']}",
        "SNOWFLAKE_STANDIN_URL": f"https://localhost:{ports['snowflake']}",
    }
