"""What the errors of warehouses mean: each has an owner, and shows no value."""

import json
import os
from typing import Any

import duckdb
import psycopg
import pytest
from snowflake.connector import errors as snowflake_errors

from common.core.errors import (
    ConfigError,
    DataError,
    MachineUnavailable,
    NotApplied,
    TargetUnavailable,
    WatershedError,
)
from common.warehouses import duckdb as duckdb_engine
from common.warehouses import postgres as postgres_engine
from common.warehouses import snowflake as snowflake_engine
from common.warehouses import sql
from common.warehouses.data_api import meaning
from common.warehouses.duckdb import Duckdb
from common.warehouses.translation import translated
from common.warehouses.warehouse import Warehouse
from tests.batch_only import BatchOnly
from tests.engines import (
    TABLE,
)


def every(error: type[Exception]) -> list[type[Exception]]:
    return [error, *(found for child in error.__subclasses__() for found in every(child))]


CREDENTIALS = ("login", "password")


def test_wrong_credentials_are_a_matter_of_configuration(target: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    name = getattr(target, "conn_id", "")
    if isinstance(target, Duckdb | BatchOnly) or name in ("suite_redshift", "suite_snowflake"):
        pytest.skip("nobody signs in there")
    variable = f"AIRFLOW_CONN_{name.upper()}"
    given = json.loads(os.environ[variable])
    monkeypatch.setenv(variable, json.dumps(given | dict.fromkeys(CREDENTIALS, "wrong")))
    with pytest.raises(ConfigError, match="Check the connection"):
        type(target)(name).query(sql.count(TABLE))  # type: ignore[call-arg]


# What the text of a failed statement means, where there is nothing else to go by.
TEXTS: dict[str, type[WatershedError]] = {
    'ERROR: relation "shop.orders" does not exist': NotApplied,
    'ERROR: column "v" does not exist in orders': NotApplied,
    'ERROR: schema "shop" does not exist': NotApplied,
    "ERROR: permission denied for relation orders": ConfigError,
    "ERROR: 1023\n  DETAIL: Serializable isolation violation on table - 12, transactions": TargetUnavailable,
    'ERROR: Relation "orders" already exists': TargetUnavailable,
    "ERROR: Query (12) cancelled on user's request": TargetUnavailable,
    'ERROR: invalid input syntax for integer: "4711"': DataError,
    "ERROR: value too long for type character varying(256)": DataError,
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_data_api_says_has_a_meaning_and_shows_no_value(text: str) -> None:
    error = meaning("load", text)
    assert type(error) is TEXTS[text]
    assert "4711" not in str(error)


SNOWFLAKE: list[tuple[type[snowflake_errors.Error], int, type[WatershedError]]] = [
    (snowflake_errors.ProgrammingError, 2003, NotApplied),
    (snowflake_errors.ProgrammingError, 904, NotApplied),
    (snowflake_errors.ProgrammingError, 3001, ConfigError),
    (snowflake_errors.ProgrammingError, 606, ConfigError),
    (snowflake_errors.ProgrammingError, 625, TargetUnavailable),
    (snowflake_errors.DatabaseError, 250001, ConfigError),
    (snowflake_errors.OperationalError, 250001, TargetUnavailable),
    (snowflake_errors.OperationalError, 250003, TargetUnavailable),
    (snowflake_errors.InterfaceError, 252005, TargetUnavailable),
    (snowflake_errors.ProgrammingError, 100038, DataError),
]


@pytest.mark.parametrize(("kind", "number", "ours"), SNOWFLAKE)
def test_snowflakes_numbers_have_a_meaning(
    kind: type[snowflake_errors.Error], number: int, ours: type[WatershedError]
) -> None:
    with pytest.raises(WatershedError) as told, snowflake_engine._translated("load"):
        raise kind(msg="Numeric value '4711' is not recognized", errno=number)
    assert type(told.value) is ours
    assert ours is not DataError or "4711" not in str(told.value)


# What is said by more than its branch of the database interface (PEP 249), where only outages are worth a retry.
EXACT: dict[Any, dict[str, type[WatershedError]]] = {
    psycopg: {
        "UndefinedTable": NotApplied,
        "UndefinedColumn": NotApplied,
        "InvalidSchemaName": NotApplied,
        "InvalidAuthorizationSpecification": ConfigError,
        "InvalidPassword": ConfigError,
        "InsufficientPrivilege": ConfigError,
        "InvalidCatalogName": ConfigError,
        "InterfaceError": TargetUnavailable,
    },
    duckdb: {
        "CatalogException": NotApplied,
        "BinderException": NotApplied,
        "PermissionException": ConfigError,
        "OutOfMemoryException": MachineUnavailable,
        "FatalException": TargetUnavailable,
        "InterruptException": TargetUnavailable,
    },
}
MEANINGS = {psycopg: postgres_engine.MEANINGS, duckdb: duckdb_engine.MEANINGS}


@pytest.mark.parametrize("driver", EXACT, ids=lambda driver: driver.__name__)
def test_every_error_of_a_driver_has_a_meaning(driver: Any) -> None:
    for error in every(driver.Error):
        outage = issubclass(error, driver.OperationalError | driver.InternalError)
        wanted = EXACT[driver].get(error.__name__, TargetUnavailable if outage else DataError)
        with pytest.raises(WatershedError) as told, translated("load", MEANINGS[driver]):
            raise error("x")
        assert type(told.value) is wanted, error
