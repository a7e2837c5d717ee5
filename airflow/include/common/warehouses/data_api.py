"""Redshift's Data API: calls that are waited for, results as Python has them, failures as what they mean."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from common.core.errors import ConfigError, DataError, NotApplied, TargetUnavailable, WatershedError
from common.core.masks import without_values

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.redshift_data import RedshiftDataHook

SESSION_SECONDS = 15 * 60  # that a session lives between two calls; between stage and commit lie seconds
LOOK_SECONDS = 20  # that a question for a statement's end waits at the other side
APPLY, GRANTS = ". Run `watershed apply`.", ". Check the connection and the grants, docs/warehouses.md."
# A statement's failure is a text without a code. What it means decides about a retry alone, never about what was done.
TEXTS: Sequence[tuple[str, type[WatershedError], str]] = (
    (r"(relation|schema|column) .* (does not exist|not found)", NotApplied, APPLY),
    (r"column .* of relation .* does not exist", NotApplied, APPLY),
    (r"permission denied|not authorized|AccessDenied|Access Denied", ConfigError, GRANTS),
    (r"\b1023\b|[Ss]erializable isolation|deadlock|already exists|conflict with concurrent", TargetUnavailable, ""),
    (r"shut ?down|restart|connection|out of memory|disk full|\bcancell?ed|timeout", TargetUnavailable, ""),
    ("", DataError, ""),
)
# The API's own refusals, by their code.
CODES: Mapping[str, tuple[type[WatershedError], str]] = {
    "AccessDeniedException": (ConfigError, GRANTS),
    "UnrecognizedClientException": (ConfigError, GRANTS),
    "InvalidSignatureException": (ConfigError, GRANTS),
    "ExpiredTokenException": (ConfigError, GRANTS),
    "ValidationException": (ConfigError, GRANTS),
}
Value = Callable[[str], Any]
# How the values of a result are read that arrive as text.
READERS: Mapping[str, Value] = {
    "numeric": Decimal,
    "float4": float,
    "float8": float,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": lambda text: datetime.fromisoformat(text).astimezone(UTC),
}


@dataclass(frozen=True)
class Place:
    """Where statements run, as the connection's `service_config` says, below `redshift-data`."""

    database: str
    iam_role: str
    where: dict[str, str]


def place_of(conn_id: str, config: Mapping[str, str]) -> Place:
    """Read where statements run; raises ConfigError naming what the connection lacks."""
    named = {name: config[name] for name in ("workgroup_name", "cluster_identifier") if config.get(name)}
    missing = [name for name in ("database", "iam_role") if not config.get(name)]
    if len(named) != 1 or missing:
        lacks = [*missing, *([] if len(named) == 1 else ["one of workgroup_name and cluster_identifier"])]
        raise ConfigError(
            f"Connection '{conn_id}' must say {', '.join(lacks)} in its extra, below service_config, redshift-data; "
            "docs/warehouses.md has an example."
        )
    login = {name: config[name] for name in ("db_user", "secret_arn") if config.get(name)}
    return Place(config["database"], config["iam_role"], named | login)


@dataclass
class Client:
    """Calls of the Data API, each waited for."""

    hook: "RedshiftDataHook"
    place: Place
    what: str
    _where: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._where = {"database": self.place.database, **self.place.where}

    def begin(self, text: str) -> str:
        """Run a statement that opens a session; return the session."""
        with self._translated():
            started = self.hook.execute_query(
                text, wait_for_completion=False, session_keep_alive_seconds=SESSION_SECONDS, **self._where
            )
        self._wait(started.statement_id)
        return str(started.session_id)

    def run(self, text: str | list[str], session: str | None = None) -> str:
        """Run a statement, or several as one transaction, to the end; return the statement's id."""
        keep = {"session_id": session, "session_keep_alive_seconds": SESSION_SECONDS} if session else self._where
        with self._translated():
            started = self.hook.execute_query(text, wait_for_completion=False, **keep)
        self._wait(started.statement_id)
        return started.statement_id

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement's result."""
        found: list[tuple[Any, ...]] = []
        more: dict[str, str] = {}
        while True:
            with self._translated():
                page = self.hook.conn.get_statement_result(Id=statement, **more)
            kinds = [column["typeName"] for column in page["ColumnMetadata"]]
            found += (tuple(map(_value, record, kinds)) for record in page["Records"])
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}

    def _wait(self, statement: str) -> None:
        while True:
            with self._translated():
                state: Any = self.hook.conn.describe_statement(Id=statement, WaitTimeSeconds=LOOK_SECONDS)
            if state["Status"] == "FINISHED":
                return
            if state["Status"] in ("FAILED", "ABORTED"):
                raise meaning(self.what, state.get("Error") or state["Status"])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code, text = error.response["Error"]["Code"], str(error.response["Error"].get("Message", error))
            if "session" in text.lower() or code == "ResourceNotFoundException":
                raise NotApplied(f"{self.what}: the session is over: {text}") from error
            ours, advice = CODES.get(code, (TargetUnavailable, ""))
            raise ours(f"{self.what}: {code}: {text}{advice}") from error
        except BotoCoreError as error:
            raise TargetUnavailable(f"{self.what}: {error}") from error


def meaning(what: str, text: str) -> WatershedError:
    """Return what the failure of a statement means; of a value that is at fault nothing is shown."""
    ours, advice = next((ours, advice) for pattern, ours, advice in TEXTS if re.search(pattern, text))
    return ours(f"{what}: {without_values(text) if ours is DataError else text}{advice}")


def _value(cell: Mapping[str, Any], kind: str) -> Any:
    """Return a value of a result as Python has it."""
    if cell.get("isNull"):
        return None
    (found,) = cell.values()
    return READERS[kind](found) if isinstance(found, str) and kind in READERS else found
