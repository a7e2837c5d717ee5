"""POST a message as JSON: what Teams, Telegram and PagerDuty have in common."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from common.core.clock import now
from common.notify.channel import Undelivered

FOR_NOW = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_secret_address: ContextVar[bool] = ContextVar("secret_address", default=False)


class _NoAddresses(logging.Filter):
    """Keep httpx from writing down the address of each request, which holds a secret."""

    def filter(self, _record: logging.LogRecord) -> bool:
        return not _secret_address.get()


logging.getLogger("httpx").addFilter(_NoAddresses())


def post(address: str, body: Any, *, patience: float) -> None:
    """Post JSON to an address that nobody may read.

    Raises Undelivered: for good where the server refuses what is asked, with its `Retry-After` where it is too much.
    """
    token = _secret_address.set(True)
    try:
        answer = httpx.post(address, json=body, timeout=patience, follow_redirects=False)
    except httpx.ConnectTimeout:
        raise Undelivered(f"nobody answers within {patience:g} seconds") from None
    except httpx.TimeoutException:
        raise Undelivered(f"no answer within {patience:g} seconds; it may have arrived", unknown=True) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise Undelivered("the address in its Connection is none", lasting=True) from None
    except httpx.HTTPError as error:
        cut_off = not isinstance(error, httpx.ConnectError)
        raise Undelivered(f"{type(error).__name__}: nobody answers as expected", unknown=cut_off) from None
    finally:
        _secret_address.reset(token)
    if not answer.is_success:
        raise _refusal(answer)


def _refusal(answer: httpx.Response) -> Undelivered:
    found = _object(answer)
    why = str(found.get("description") or found.get("message") or "")
    broken = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR  # at which step, nobody knows
    lasting = not broken and answer.status_code not in FOR_NOW
    wait = _parameters(found).get("retry_after") or answer.headers.get("Retry-After")
    return Undelivered(
        f"it answers {answer.status_code} {why[:200] or answer.reason_phrase}",
        retry_after=seconds(wait, answer.headers.get("Date")),
        lasting=lasting,
        unknown=broken,
    )


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parameters(found: dict[str, Any]) -> dict[str, Any]:
    parameters = found.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def seconds(wait: Any, date: str | None) -> float | None:
    """Return the seconds that a `Retry-After` asks to wait, which is a number or a date; None where it is neither.

    A date is one of the server's clock, and so is the `Date` of its answer.
    """
    try:
        return max(float(wait), 0.0)
    except (TypeError, ValueError):
        pass
    until, at = _moment(wait), _moment(date) or now()
    return None if until is None else max((until - at).total_seconds(), 0.0)


def _moment(text: Any) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
