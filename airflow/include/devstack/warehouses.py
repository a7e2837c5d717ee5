"""Warehouses that others host and the stack stands in for, where a domain loads them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.core.errors import ConfigError
from devstack.ports import HOST

# The word that contracts use is the stand-in's name; who sets WATERSHED_WAREHOUSES names their own.
WAREHOUSES = {
    "redshift": {"engine": "redshift", "conn": "warehouse_redshift", "uri": "redshift://warehouse/dev"},
    "snowflake": {"engine": "snowflake", "conn": "warehouse_snowflake", "uri": "snowflake://warehouse/DEV"},
}
BY_CONN = {at["conn"]: name for name, at in WAREHOUSES.items()}
SETTING, CONNECTION = "WATERSHED_WAREHOUSES", "AIRFLOW_CONN_"
READ = (".yaml", ".yml", ".sql")
REDSHIFT_DATABASE, ROLE = "dev", "arn:aws:iam::000000000000:role/watershed-copy"


def in_use(domains: Path, chosen: Mapping[str, str]) -> list[str]:
    """List the stand-ins that a contract or model loads, unless the user reaches the warehouse itself by a connection.

    Words are looked for in the files' text: a contract with a fault must not keep the stack from starting.
    """
    words = {word: BY_CONN[at["conn"]] for word, at in _words(chosen).items() if at.get("conn") in BY_CONN}
    texts = [path.read_text(encoding="utf-8") for path in domains.rglob("*") if path.suffix in READ]
    used = {name for word, name in words.items() if any(re.search(rf"\bto:\s*['\"]?{word}\b", text) for text in texts)}
    return [name for name in WAREHOUSES if name in used and not chosen.get(f"{CONNECTION}{_variable(name)}")]


def _words(chosen: Mapping[str, str]) -> dict[str, Any]:
    if not chosen.get(SETTING):
        return dict(WAREHOUSES)
    try:
        return dict(json.loads(chosen[SETTING]))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{SETTING} is no JSON: {error}. See .env.example.") from error


def _variable(name: str) -> str:
    return WAREHOUSES[name]["conn"].upper()


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
