"""Veeva Vault: login, and of the EDC API studies, subjects, forms and `setdata`; errors come with HTTP status 200.

`PUT /veeva/studies/{name}` makes or replaces a study (`DELETE` takes it away): its `subjects`,
and its `forms` with events and item groups.
`PUT /veeva/limits` says how many calls a burst and a day have from now on; `DELETE /veeva/sessions` lets all expire.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from devstack.standins.messages.faults import Fault, Kind
from devstack.standins.messages.mailbox import Record, parsed
from devstack.standins.messages.service import Account, Service
from devstack.standins.messages.vault import DNS, VAULT, Limits, Refused, Vault

API = "/veeva/api/{version}"
USER = "watershed@clinical.localhost"
SHOWN = 200  # changes on the page


def _error(kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"responseStatus": "FAILURE", "errors": [{"type": kind, "message": message}]}, 200, headers)


def _busy(_fault: Fault) -> Response:
    return _error("API_LIMIT_EXCEEDED", "You have exceeded the maximum number of API calls allowed.")


def _broken(_fault: Fault) -> Response:
    return _error("UNEXPECTED_ERROR", "An unexpected error has occurred.")


def _refused(_fault: Fault) -> Response:
    return _error("INVALID_SESSION_ID", "Invalid or expired session ID.")


def routes(account: Account) -> APIRouter:
    """Serve logins, studies, subjects and forms."""
    api, vault = APIRouter(), Vault(account.box)

    @api.post(f"{API}/auth")
    async def login(request: Request) -> Response:
        return _login(account, vault, await request.form())

    @api.get(f"{API}/app/cdm/studies")
    async def studies(request: Request) -> Response:
        return await _answer(vault, request, lambda at: {"studies": vault.studies(at)})

    @api.get(f"{API}/app/cdm/subjects")
    async def subjects(request: Request) -> Response:
        study = request.query_params.get("study_name", "")
        return await _answer(vault, request, lambda at: {"subjects": vault.subjects(at, study)})

    @api.post(f"{API}/app/cdm/subjects")
    async def add_subjects(request: Request) -> Response:
        body = parsed(await request.body())
        return await _answer(vault, request, lambda at: {"subjects": _added(vault, at, body)})

    @api.get(f"{API}/app/cdm/forms")
    async def forms(request: Request) -> Response:
        asked = dict(request.query_params)
        study = asked.pop("study_name", "")
        return await _answer(vault, request, lambda at: {"forms": vault.forms(at, study, asked)})

    @api.post(f"{API}/app/cdm/forms/actions/setdata")
    async def set_data(request: Request) -> Response:
        body = parsed(await request.body())
        return await _answer(vault, request, lambda at: {"form": vault.set_data(at, body)})

    _add_own(api, vault)
    return api


def _add_own(api: APIRouter, vault: Vault) -> None:
    """Let tests and people make studies, set limits, and let sessions expire."""

    @api.put("/veeva/studies/{study}", status_code=204)
    async def define(study: str, request: Request) -> None:
        vault.define(study, parsed(await request.body()))

    @api.delete("/veeva/studies/{study}", status_code=204)
    async def drop(study: str) -> None:
        vault.drop(study)

    @api.put("/veeva/limits", status_code=204)
    async def limit(request: Request) -> None:
        vault.limits = Limits(**parsed(await request.body()))

    api.delete("/veeva/sessions", status_code=204)(vault.forget_sessions)


def _login(account: Account, vault: Vault, form: Mapping[str, Any]) -> Response:
    if form.get("username") != USER or not account.admits(str(form.get("password", ""))):
        return _error("USERNAME_OR_PASSWORD_INCORRECT", "Authentication failed for user.")
    session, at = vault.login(str(form.get("vaultDNS", "")))
    known = [{"id": number, "name": dns.split(".")[0], "url": f"https://{dns}/api"} for dns, number in DNS.items()]
    return JSONResponse(
        {"responseStatus": "SUCCESS", "sessionId": session, "userId": 1, "vaultId": at, "vaultIds": known}
    )


async def _answer(vault: Vault, request: Request, make: Callable[[int], dict[str, Any]]) -> Response:
    """Answer a call of a session, with the limits in its headers."""
    delay = vault.limits.count()
    await asyncio.sleep(delay)
    headers = vault.limits.headers() | ({"X-VaultAPI-ResponseDelay": str(int(delay * 1000))} if delay else {})
    try:
        at = vault.vault_of(request.headers.get("authorization", "").removeprefix("Bearer "))
        found = make(at)
    except Refused as refused:
        return _error(refused.kind, str(refused), headers)
    return JSONResponse({"responseStatus": "SUCCESS", **found}, headers={**headers, "X-VaultAPI-VaultId": str(at)})


def _added(vault: Vault, at: int, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add subjects one by one: a refused one keeps no other out."""
    answers = []
    for subject in body["subjects"]:
        try:
            vault.add_subject(at, body["study_name"], subject)
        except Refused as refused:
            answers.append({**subject, "responseStatus": "FAILURE", "errorMessage": str(refused)})
        else:
            answers.append({**subject, "responseStatus": "SUCCESS"})
    return answers


def articles(messages: Sequence[Record]) -> list[str]:
    """Show what each form of each subject holds now, and the newest changes."""
    changes = [message for message in messages if message["kind"] == "change"]
    forms: dict[str, dict[str, Any]] = {}
    for one in changes:
        title = " · ".join(str(one[name]) for name in ("study_name", "site", "subject", "event_name", "form_name"))
        item = f"{one['itemgroup_name']} {one['itemgroup_sequence']} {one['item_name']}"
        forms.setdefault(f"{title} {one['form_sequence']}", {})[item] = one
    return [_article(title, items) for title, items in forms.items()][-SHOWN:]


def _article(title: str, items: Mapping[str, Record]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}<td>{escape(str(one['value']))} {escape(str(one['unit_value'] or ''))}"
        f"<td>{escape(one['change_reason'])}"
        for name, one in items.items()
    )
    return f"<article><h3>{escape(title)}</h3><table>{rows}</table></article>"


SERVICE = Service(
    name="veeva",
    title=f"Veeva Vault {VAULT}",
    articles=articles,
    routes=routes,
    paths=("/veeva/api/",),
    delivery="/setdata",
    failures={Kind.BUSY: _busy, Kind.BROKEN: _broken, Kind.REFUSED: _refused},
)
