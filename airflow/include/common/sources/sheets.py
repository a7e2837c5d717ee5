"""A range of a Google spreadsheet: its revision is what it holds, for Google's API of sheets has no other."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from common.contracts.contract import Contract
from common.contracts.sources import SourceSpec
from common.core.connections import connection
from common.core.errors import ConfigError, SourceUnavailable
from common.core.places import SourceRange
from common.sources.cells import records
from common.sources.source import ROLE, Found, Gone, Known, moment_name

TRIES = 3
LONGEST_WAIT = 60.0  # seconds that a quota is waited for here; longer ones are Airflow's retries
BUSY = {429, 500, 502, 503, 504}
LIMITED = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")
T = TypeVar("T")


class Sheet:
    """One range of one spreadsheet, read whole: a request is answered from one state of the sheet."""

    def __init__(self, spec: SourceSpec, contract: Contract) -> None:
        del contract
        self.spec = spec
        self.what = f"Sheet {spec.range} of spreadsheet {spec.spreadsheet}"

    def suffix(self, pinned: SourceRange) -> str:
        """Return the ending of NDJSON."""
        del pinned
        return ".ndjson"

    def look(self, known: Known) -> Found:
        """Read the sheet, and name its revision where that is not the last one that came."""
        content, _ = self._content()
        if not content:
            return Found((), f"{self.what} has no rows below its header")
        seen = hashlib.sha256(content).hexdigest()
        if known.last and known.came and known.last.seen == seen:
            return Found((), f"{self.what} is as it was at {known.last.upto}")
        at = moment_name(known.at)
        source = f"{self.spec.spreadsheet} {self.spec.range}"
        return Found((SourceRange("revision", source, f"sheet.{at}", upto=known.at.isoformat(), seen=seen),))

    def fetch(self, pinned: SourceRange, to: Path) -> int:
        """Read the sheet again; raises Gone where it is not what the look has seen."""
        content, count = self._content()
        if hashlib.sha256(content).hexdigest() != pinned.seen:
            raise Gone(f"{self.what} was changed between the look at {pinned.upto} and its reading.")
        to.write_bytes(content)
        return count

    def _content(self) -> tuple[bytes, int]:
        answer = patient(self._values, self.what, self.spec.conn)
        lines = list(records(answer.get("values", []), answer.get("range", ""), self.what))
        return "".join(f"{line}\n" for line in lines).encode(), len(lines)

    def _values(self) -> Any:
        asked = {
            "spreadsheetId": self.spec.spreadsheet,
            "range": self.spec.range,
            "majorDimension": "ROWS",
            "valueRenderOption": "UNFORMATTED_VALUE",
            "dateTimeRenderOption": "FORMATTED_STRING",
        }
        with self._connected() as service:
            return service.spreadsheets().values().get(**asked).execute(num_retries=0)

    def _connected(self) -> Any:
        """Connect as Airflow's hook does; `api_endpoint` in the connection's extra is another address than Google's."""
        found = connection(self.spec.conn, ROLE)
        from airflow.providers.google.suite.hooks.sheets import GSheetsHook

        return GSheetsHook(self.spec.conn, api_endpoint=found.extra_dejson.get("api_endpoint")).get_conn()


def patient(call: Callable[[], T], what: str, conn: str) -> T:
    """Call Google, wait as long as it asks to, and translate what it answers.

    Raises ConfigError where access is denied or there is no such thing, SourceUnavailable.
    """
    from google.auth.exceptions import GoogleAuthError, TransportError
    from googleapiclient.errors import HttpError
    from httplib2 import HttpLib2Error

    for remaining in reversed(range(TRIES)):
        try:
            return call()
        except HttpError as error:
            wait = _wait(error, what, conn)
            if not remaining or wait > LONGEST_WAIT:
                raise SourceUnavailable(
                    f"{what}: Google refuses for now ({error.status_code}) and asks to wait {wait:.0f} s."
                ) from error
            time.sleep(wait)
        except (TransportError, HttpLib2Error, OSError) as error:
            raise SourceUnavailable(f"{what}: Google does not answer: {type(error).__name__} {error}.") from error
        except (GoogleAuthError, ValueError) as error:
            raise ConfigError(f"{what} by Airflow Connection '{conn}': {error}. Check its service account.") from error
    raise SourceUnavailable(f"{what}: Google does not answer.")


def _wait(error: Any, what: str, conn: str) -> float:
    """Return how many seconds to wait before the next try; raises ConfigError where none can help."""
    limited = error.status_code == 403 and any(word in str(error.error_details) for word in LIMITED)
    if error.status_code in BUSY or limited:
        asked = str(error.resp.get("retry-after", ""))
        return float(asked) if asked.isdigit() else 1.0
    advice = {
        401: "its service account's key is not valid any more",
        403: "share the spreadsheet with the service account's address, as a reader",
        404: "there is no such spreadsheet, or it is not shared with the service account",
        400: "there is no such sheet or range in it",
    }.get(error.status_code, "Google refuses it")
    reason = f"{error.status_code} {error.reason}"
    raise ConfigError(f"{what} by Airflow Connection '{conn}': {advice} ({reason}).") from error
