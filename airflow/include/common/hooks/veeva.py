"""A Veeva Vault by its REST API: one session that is renewed, limits that are obeyed, errors by what they say.

HTTP's status says little there: errors come with 200, and what counts is `responseStatus`.
"""

import logging
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from airflow.sdk import BaseHook

from common.core.connections import required
from common.core.errors import ConfigError, RecordRefused, TargetUnavailable, Unsettled, WatershedError

API_VERSION = "v25.1"
PATIENCE = 60.0  # seconds for an answer
NO_SESSION, LIMITED = "INVALID_SESSION_ID", "API_LIMIT_EXCEEDED"
FOR_NOW = ("UNEXPECTED_ERROR", "RACE_CONDITION", "CONFIGURATION_MODE_ENABLED")
OF_THE_RECORD = ("INVALID_DATA", "PARAMETER_REQUIRED", "ATTRIBUTE_NOT_SUPPORTED", "OPERATION_NOT_ALLOWED")
DONE = ("SUCCESS", "WARNING")
WAITS = (5, 10, 20, 40, 60, 60, 60, 60)  # seconds; together longer than a burst, which is five minutes
RESERVE, BREATH = 10, 5.0  # calls of a burst that are left to others, and seconds between calls when no more are left
BURST, DAILY = "X-VaultAPI-BurstLimitRemaining", "X-VaultAPI-DailyLimitRemaining"


class _NoQueries(logging.Filter):
    """Keep httpx from writing down addresses that name subjects of a study."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/app/cdm/" not in record.getMessage()


logging.getLogger("httpx").addFilter(_NoQueries())


class VeevaHook(BaseHook):
    """Calls of one Vault. Its Connection has the Vault's DNS as host, and in its extra at least `vault_id`."""

    conn_name_attr = "veeva_conn_id"
    default_conn_name = "veeva_default"
    conn_type = "veeva"
    hook_name = "Veeva Vault"

    def __init__(
        self, veeva_conn_id: str = default_conn_name, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        super().__init__()
        self.veeva_conn_id, self._pause = veeva_conn_id, pause
        self._client = httpx.Client(timeout=PATIENCE, follow_redirects=False)
        self._session, self._left = "", RESERVE + 1
        self._today: int | None = None

    def close(self) -> None:
        """Close the connection; the session is left to expire."""
        self._client.close()

    def test_connection(self) -> tuple[bool, str]:
        """Log in, as the button of the connection's form asks."""
        try:
            self._login()
        except WatershedError as error:
            return False, str(error)
        return True, f"Logged in to vault {self._extra('vault_id')}."

    def call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call the API below its version, and return what it answers with success.

        A GET is repeated after a login or a wait; of all else the outcome is to be looked up first. Raises ConfigError,
        RecordRefused, TargetUnavailable, Unsettled.
        """
        for wait in WAITS:
            if not self._session:
                self._login()
            self._obey()
            found = self._asked(method, path, params=params, json=body, headers={"Authorization": self._session})
            kinds = _kinds(found)
            if NO_SESSION in kinds:
                self._session = ""
            elif LIMITED in kinds:
                self._pause(wait)
            else:
                return self._checked(found, method, path)
            if method != "GET":
                raise Unsettled(f"Vault answered {', '.join(kinds)} to {method} {path}.")
        raise TargetUnavailable(f"Vault refuses {method} {path} after {sum(WAITS)} seconds still: {', '.join(kinds)}.")

    def _login(self) -> None:
        """Open a session. Raises ConfigError where the login is refused or ends in another vault."""
        found, wanted = self._connection, str(self._extra("vault_id") or "")
        if not wanted:
            raise ConfigError(
                f"Airflow Connection '{self.veeva_conn_id}' lacks `vault_id` in its extra. Without it a login that "
                "ends in another vault of the user could not be told from the right one."
            )
        dns = self._extra("vault_dns") or urlsplit(self._base()).hostname
        form = {"username": found.login or "", "password": found.password or "", "vaultDNS": dns}
        for wait in WAITS:
            answer = self._asked("POST", "auth", data=form)
            if LIMITED not in _kinds(answer):
                break
            self._pause(wait)
        if LIMITED in _kinds(answer):
            raise TargetUnavailable(f"Vault {dns} admits no login of this user for now: {LIMITED}.")
        session = self._checked(answer, "POST", "auth")
        if str(session.get("vaultId")) != wanted:
            raise ConfigError(
                f"The login by Airflow Connection '{self.veeva_conn_id}' ended in vault {session.get('vaultId')}, not "
                f"in {wanted}. Vault does so where `{dns}` is none of the user's vaults. Nothing was read or written."
            )
        self._session = str(session["sessionId"])

    def _asked(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        """Send one request. Raises TargetUnavailable, for what may have been done Unsettled."""
        lost = TargetUnavailable if method == "GET" or path == "auth" else Unsettled
        address = f"{self._base()}/api/{self._extra('api_version') or API_VERSION}/{path}"
        try:
            answer = self._client.request(method, address, **how)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise TargetUnavailable(f"Nobody answers at {self._base()}: {type(error).__name__}.") from error
        except httpx.InvalidURL as error:
            raise ConfigError(f"Airflow Connection '{self.veeva_conn_id}' has no address as host: {error}.") from error
        except httpx.HTTPError as error:
            raise lost(f"{method} {path}: no whole answer from Vault: {type(error).__name__}.") from error
        self._note(answer.headers)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise lost(f"{method} {path}: Vault answers {answer.status_code}.")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or "responseStatus" not in found:
            raise lost(f"{method} {path}: what answers ({answer.status_code}) is no Vault: it has no responseStatus.")
        return found

    def _obey(self) -> None:
        """Slow down where a burst is nearly used up. Raises TargetUnavailable where a day's calls are."""
        if self._today == 0:
            self._today = None  # the next task asks again
            raise TargetUnavailable(f"Vault has no calls left for today ({DAILY}: 0).")
        if self._left <= RESERVE:
            self._pause(BREATH)

    def _note(self, headers: httpx.Headers) -> None:
        if (left := headers.get(BURST, "")).isdigit():
            self._left = int(left)
        self._today = int(today) if (today := headers.get(DAILY, "")).isdigit() else self._today

    def _checked(self, found: dict[str, Any], method: str, path: str) -> dict[str, Any]:
        if found["responseStatus"] in DONE:
            return found
        what = f"{method} {path}: " + "; ".join(f"{e.get('type')}: {e.get('message')}" for e in _errors(found))
        kinds = _kinds(found)
        if any(kind in FOR_NOW for kind in kinds) or not kinds:
            raise (TargetUnavailable if method == "GET" or path == "auth" else Unsettled)(f"Vault fails at {what}.")
        if kinds[0] in OF_THE_RECORD:
            raise RecordRefused(kinds[0].lower(), what)
        raise ConfigError(f"Vault refuses by Airflow Connection '{self.veeva_conn_id}' {what}")

    @cached_property
    def _connection(self) -> Any:
        with required(self.veeva_conn_id, "of type Veeva Vault"):
            return self.get_connection(self.veeva_conn_id)

    def _extra(self, name: str) -> Any:
        return self._connection.extra_dejson.get(name)

    def _base(self) -> str:
        found = self._connection
        host = found.host or ""
        address = host if "://" in host else f"https://{host}"
        return f"{address.rstrip('/')}:{found.port}" if found.port else address.rstrip("/")


def _errors(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    errors = found.get("errors")
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _kinds(found: Mapping[str, Any]) -> list[str]:
    return [] if found["responseStatus"] in DONE else [str(one.get("type")) for one in _errors(found)]
