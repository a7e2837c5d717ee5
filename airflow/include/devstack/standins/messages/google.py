"""Google Sheets: the token endpoint, and `spreadsheets` and `values` of API v4, with its errors.

`PUT /google/sheets/{id}` makes or replaces a spreadsheet: `{"sheets": {"Agents": [["id", "name"], [1, "Ann"]]}}`, with
`"shared": false` one that the caller may not see. A date is `{"number": 46027.5, "shown": "2026-01-05 12:00:00"}`.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.mailbox import Record, parsed
from devstack.standins.messages.service import Account, Service

LIFETIME = 3600
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
RANGE = re.compile(r"(?:'((?:[^']|'')+)'|([^'!:]+))(?:!(.+))?")
CELLS = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]+)?(?::\$?([A-Z]{1,3})?\$?([0-9]+)?)?")
SHOWN = 20  # rows of a sheet on its page
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
          429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}  # fmt: skip
QUOTA = (
    "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service "
    "'sheets.googleapis.com' for consumer 'project_number:1'."
)
WRONG_TOKEN = "Request had invalid authentication credentials. Expected OAuth 2 access token or other valid credential."


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    error = {"code": status, "message": message, "status": STATUS[status]}
    return JSONResponse({"error": error}, status, headers)


def _busy(fault: Fault) -> Response:
    return _error(429, QUOTA, {"Retry-After": str(fault.retry_after)})


def _broken(_fault: Fault) -> Response:
    return _error(503, "The service is currently unavailable.")


def _refused(_fault: Fault | None = None) -> Response:
    return _error(401, WRONG_TOKEN)


def _signed(account: Account, until: int) -> str:
    digest = hmac.new(account.token.encode(), str(until).encode(), hashlib.sha256).hexdigest()
    return f"ya29.{until}.{digest}"


def _admits(account: Account, header: str) -> bool:
    token = header.removeprefix("Bearer ")
    until = token.split(".")[1] if token.count(".") == 2 else ""
    return until.isdigit() and int(until) > time.time() and hmac.compare_digest(token, _signed(account, int(until)))


def _claims(assertion: str) -> dict[str, Any]:
    """Read the claims of a JWT; nothing where it is none. Its signature is not looked at."""
    try:
        part = assertion.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _spreadsheet(account: Account, spreadsheet: str) -> dict[str, Any] | None:
    """Return what was last put under an id."""
    found = [message for message in account.box.messages() if message["spreadsheet"] == spreadsheet]
    return found[-1] if found else None


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _values(sheet: Sequence[Sequence[Any]], cells: str | None, *, shown: bool) -> tuple[str, list[list[Any]]] | None:
    """Return the cells of a range as Google gives them: without empty ones at the end of a row, or rows at the end."""
    found = CELLS.fullmatch(cells or "A1:ZZZ")
    if found is None:
        return None
    first, top = _number(found[1]), int(found[2] or 1)
    alone = cells is not None and ":" not in cells
    last = first if alone else _number(found[3] or "ZZZ")
    bottom = top if alone else int(found[4] or len(sheet))
    rows = [[_cell(cell, shown=shown) for cell in row[first - 1 : last]] for row in sheet[top - 1 : bottom]]
    return f"{found[1]}{top}:{found[3] or 'ZZZ'}{max(bottom, top)}", _trimmed(rows)


def _trimmed(rows: list[list[Any]]) -> list[list[Any]]:
    for row in rows:
        while row and row[-1] == "":
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _cell(cell: Any, *, shown: bool) -> Any:
    if cell is None:
        return ""
    return (cell["shown"] if shown else cell["number"]) if isinstance(cell, dict) else cell


def routes(account: Account) -> APIRouter:
    """Serve tokens and spreadsheets."""
    api = APIRouter()

    @api.post("/google/token")
    async def token(request: Request) -> Response:
        return _token(account, await request.form())

    @api.put("/google/sheets/{spreadsheet}", status_code=204)
    async def put(spreadsheet: str, request: Request) -> None:
        account.box.keep({"spreadsheet": spreadsheet, "shared": True, **parsed(await request.body())})

    @api.get("/google/v4/spreadsheets/{spreadsheet}")
    def properties(spreadsheet: str, request: Request) -> Any:
        found = _asked(account, spreadsheet, request)
        return found if isinstance(found, Response) else _properties(spreadsheet, found)

    @api.get("/google/v4/spreadsheets/{spreadsheet}/values/{range_:path}")
    def values(spreadsheet: str, range_: str, request: Request) -> Any:
        found = _asked(account, spreadsheet, request)
        return found if isinstance(found, Response) else _answer(found, range_, request.query_params)

    return api


def _token(account: Account, form: Mapping[str, Any]) -> Response:
    claims = _claims(str(form.get("assertion", "")))
    if form.get("grant_type") != GRANT or not claims.get("iss") or claims.get("exp", 0) < time.time():
        error = {"error": "invalid_grant", "error_description": "Invalid JWT: check iat, exp and iss."}
        return JSONResponse(error, 400)
    fresh = _signed(account, int(time.time()) + LIFETIME)
    return JSONResponse({"access_token": fresh, "expires_in": LIFETIME, "token_type": "Bearer"})


def _properties(spreadsheet: str, found: Record) -> dict[str, Any]:
    sheets = [{"properties": {"sheetId": n, "title": name}} for n, name in enumerate(found["sheets"])]
    return {"spreadsheetId": spreadsheet, "properties": {"title": spreadsheet}, "sheets": sheets}


def _answer(found: Record, range_: str, asked: Mapping[str, str]) -> Any:
    named = RANGE.fullmatch(range_)
    name = (named[1] or "").replace("''", "'") or named[2] if named else ""
    formatted = asked.get("valueRenderOption", "FORMATTED_VALUE") == "FORMATTED_VALUE"
    shown = formatted or asked.get("dateTimeRenderOption") == "FORMATTED_STRING"
    cells = _values(found["sheets"][name], named[3], shown=shown) if named and name in found["sheets"] else None
    if cells is None:
        return _error(400, f"Unable to parse range: {range_}")
    return {"range": f"{name}!{cells[0]}", "majorDimension": "ROWS", **({"values": cells[1]} if cells[1] else {})}


def _asked(account: Account, spreadsheet: str, request: Request) -> dict[str, Any] | Response:
    if not _admits(account, request.headers.get("authorization", "")):
        return _refused()
    found = _spreadsheet(account, spreadsheet)
    if found is None:
        return _error(404, "Requested entity was not found.")
    return found if found["shared"] else _error(403, "The caller does not have permission")


def articles(messages: Sequence[Record]) -> list[str]:
    """Show what each spreadsheet holds now."""
    newest = {message["spreadsheet"]: message for message in messages}
    return [_article(message) for message in newest.values()]


def _article(message: Record) -> str:
    tables = "".join(
        f"<h3>{escape(message['spreadsheet'])}: {escape(name)}</h3><table>{_rows(rows)}</table>"
        for name, rows in message["sheets"].items()
    )
    return f"<article>{tables}<small>{escape(message['received'])}</small></article>"


def _rows(rows: Sequence[Sequence[Any]]) -> str:
    shown = ("".join(f"<td>{escape(str(_cell(cell, shown=True)))}</td>" for cell in row) for row in rows[:SHOWN])
    return "".join(f"<tr>{row}</tr>" for row in shown)


SERVICE = Service(
    name="google",
    title="Google Sheets",
    articles=articles,
    routes=routes,
    paths=("/google/v4/",),
    failures={Kind.BUSY: _busy, Kind.BROKEN: _broken, Kind.REFUSED: _refused},
)
