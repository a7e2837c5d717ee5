"""What a Veeva Vault with EDC keeps: vaults, sessions, limits, and the studies with their case report forms.

It de-duplicates nothing: each call that sets data is a line of the change log for each of its items.
"""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from devstack.standins.messages.mailbox import Mailbox

OTHER_VAULT, VAULT = 1000, 1001  # the first one is where a login ends that names no vault of the user
DNS = {"other.veevavault.localhost": OTHER_VAULT, "clinical.veevavault.localhost": VAULT}
WINDOW = 300.0  # seconds of a burst
PLACE = ("study_country", "site", "subject", "eventgroup_name", "event_name", "form_name")
SEQUENCES = ("eventgroup_sequence", "event_sequence", "form_sequence")
UNKNOWN_DATE_PARTS = ("UNK", "UN")
Form = dict[tuple[str, int], dict[str, dict[str, Any]]]


class Refused(Exception):
    """What a Vault answers in place of success: a type of error and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Limits:
    """How many calls of a burst and of a day are left."""

    burst: int = 2000
    daily: int = 100_000
    used: int = 0
    today: int = 0
    since: float = field(default_factory=time.monotonic)

    def count(self) -> float:
        """Count a call; return how many seconds it is delayed, as those beyond a burst are."""
        if time.monotonic() - self.since > WINDOW:
            self.since, self.used = time.monotonic(), 0
        self.used += 1
        self.today += 1
        return 0.5 if self.used > self.burst else 0.0

    def headers(self) -> dict[str, str]:
        """Return what each answer says of them."""
        return {
            "X-VaultAPI-BurstLimit": str(self.burst),
            "X-VaultAPI-BurstLimitRemaining": str(max(self.burst - self.used, 0)),
            "X-VaultAPI-DailyLimit": str(self.daily),
            "X-VaultAPI-DailyLimitRemaining": str(max(self.daily - self.today, 0)),
        }


class Vault:
    """The state of the stand-in: what it was sent outlives the process, sessions do not."""

    def __init__(self, box: Mailbox) -> None:
        self._box, self._lock = box, threading.Lock()
        self._studies: dict[str, dict[str, Any]] = {}
        self._forms: dict[tuple[Any, ...], Form] = {}
        self._sessions: dict[str, int] = {}
        self.limits = Limits()
        for message in box.messages():
            self._take(message)

    def login(self, dns: str) -> tuple[str, int]:
        """Open a session: in the vault that is named, else where the user was last."""
        session, vault = secrets.token_hex(40).upper(), DNS.get(dns, OTHER_VAULT)
        with self._lock:
            self._sessions[session] = vault
            self._box.keep({"kind": "login", "vault": vault})
        return session, vault

    def vault_of(self, session: str) -> int:
        """Return the vault of a session. Raises Refused."""
        with self._lock:
            if session not in self._sessions:
                raise Refused("INVALID_SESSION_ID", "Invalid or expired session ID.")
            return self._sessions[session]

    def forget_sessions(self) -> None:
        """Let every session be expired."""
        with self._lock:
            self._sessions.clear()

    def define(self, study: str, design: Mapping[str, Any]) -> None:
        """Make or replace the design of a study and its subjects; what was entered stays."""
        with self._lock:
            self._keep({"kind": "study", "study_name": study, **design})

    def drop(self, study: str) -> None:
        """Let the Vault lack a study; what was entered stays in the change log."""
        with self._lock:
            self._keep({"kind": "drop", "study_name": study})

    def studies(self, vault: int) -> list[dict[str, Any]]:
        """List the studies of a vault: the other one has none."""
        return [{"study_name": name} for name in sorted(self._studies)] if vault == VAULT else []

    def subjects(self, vault: int, study: str) -> list[dict[str, str]]:
        """List the subjects of a study."""
        return list(self._study(vault, study)["subjects"])

    def add_subject(self, vault: int, study: str, subject: Mapping[str, str]) -> None:
        """Add a subject to a site. Raises Refused where it is there already."""
        with self._lock:
            known = self._study(vault, study)
            if any(one["subject"] == subject["subject"] for one in known["subjects"]):
                raise Refused("INVALID_DATA", f"Subject [{subject['subject']}] already exists in the Study.")
            self._keep({**known, "subjects": [*known["subjects"], dict(subject)]})

    def forms(self, vault: int, study: str, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """List the forms of a study that are as asked, with the values of their items."""
        self._study(vault, study)
        with self._lock:
            found = [(_place(key), form) for key, form in self._forms.items() if key[0] == study]
            return [
                {**place, "itemgroups": list(_itemgroups(form))}
                for place, form in found
                if all(str(place.get(name)) == value for name, value in asked.items())
            ]

    def set_data(self, vault: int, body: Mapping[str, Any]) -> dict[str, Any]:
        """Set items of a form, which is made where it is not there; answer item by item. Raises Refused."""
        study, form = body.get("study_name", ""), body.get("form") or {}
        design = self._study(vault, study)
        if missing := [name for name in PLACE if not form.get(name)]:
            raise Refused("PARAMETER_REQUIRED", f"Missing required parameter [{missing[0]}].")
        if fault := _fault_of_place(design, form):
            return {**_stated(form), "responseStatus": "FAILURE", "errorMessage": fault}
        with self._lock:
            groups = [self._set_group(body, design, group) for group in form.get("itemgroups", [])]
        return {**_stated(form), "responseStatus": "SUCCESS", "itemgroups": groups}

    def _set_group(self, body: Mapping[str, Any], design: Mapping[str, Any], group: Mapping[str, Any]) -> Any:
        form, name = body["form"], group.get("itemgroup_name", "")
        known = design["forms"][form["form_name"]]["itemgroups"].get(name)
        items = []
        for item in group.get("items", []):
            what = None if known is None else known.get(item.get("item_name"))
            fault = f"Item Group [{name}] not found." if known is None else _fault_of_item(what, item)
            answer = {"item_name": item.get("item_name"), "responseStatus": "FAILURE" if fault else "SUCCESS"}
            if not fault:
                change = {"item_name": item["item_name"], "value": item.get("value")}
                change["unit_value"] = item.get("unit_value")
                place = {"itemgroup_name": name, "itemgroup_sequence": group.get("itemgroup_sequence", 1)}
                why = body.get("change_reason", "")
                stated = {"study_name": body["study_name"], **_stated(form), **place, **change}
                self._keep({"kind": "change", **stated, "change_reason": why})
            items.append({**answer, **({"errorMessage": fault} if fault else {})})
        return {"itemgroup_name": name, "itemgroup_sequence": group.get("itemgroup_sequence", 1), "items": items}

    def _study(self, vault: int, study: str) -> dict[str, Any]:
        if vault != VAULT or study not in self._studies:
            raise Refused("INVALID_DATA", f"Study [{study}] not found.")
        return self._studies[study]

    def _keep(self, message: dict[str, Any]) -> None:
        self._box.keep(message)
        self._take(message)

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["kind"] == "study":
            self._studies[message["study_name"]] = {"subjects": [], **message}
        elif message["kind"] == "drop":
            self._studies.pop(message["study_name"], None)
        elif message["kind"] == "change":
            form = self._forms.setdefault(_key(message), {})
            group = form.setdefault((message["itemgroup_name"], message["itemgroup_sequence"]), {})
            group[message["item_name"]] = {name: message[name] for name in ("value", "unit_value")}


def _stated(form: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: form.get(name) for name in PLACE}, **{name: form.get(name) or 1 for name in SEQUENCES}}


def _key(message: Mapping[str, Any]) -> tuple[Any, ...]:
    return (message["study_name"], *(message[name] for name in (*PLACE, *SEQUENCES)))


def _place(key: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((*PLACE, *SEQUENCES), key[1:], strict=True))


def _itemgroups(form: Form) -> Iterator[dict[str, Any]]:
    for (name, sequence), items in form.items():
        stated = [{"item_name": item, **held} for item, held in items.items()]
        yield {"itemgroup_name": name, "itemgroup_sequence": sequence, "items": stated}


def _fault_of_place(design: Mapping[str, Any], form: Mapping[str, Any]) -> str:
    subject = {name: form[name] for name in ("study_country", "site", "subject")}
    if subject not in design["subjects"]:
        return f"Subject [{form['subject']}] not found in Site [{form['site']}]."
    if form["form_name"] not in design["forms"]:
        return f"Form [{form['form_name']}] not found."
    events: Sequence[Sequence[str]] = design["forms"][form["form_name"]]["events"]
    if [form["eventgroup_name"], form["event_name"]] not in events:
        return f"Event [{form['event_name']}] of Event Group [{form['eventgroup_name']}] has no such Form."
    return ""


def _fault_of_item(design: Mapping[str, Any] | None, item: Mapping[str, Any]) -> str:
    """Return what is wrong with an item's value by the study's design: its type, codelist, range, unit."""
    if design is None:
        return f"Item [{item.get('item_name')}] not found."
    value = item.get("value")
    if value is None or value == "":
        return ""
    if codes := design.get("codes"):
        return "" if value in codes else f"Value [{value}] is not a valid code."
    if design.get("type") == "date":
        return "" if _is_date(str(value)) else f"Value [{value}] is not a valid date."
    return _fault_of_number(design, item) if design.get("type") == "number" else ""


def _fault_of_number(design: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    try:
        number = float(item["value"])
    except ValueError:
        return f"Value [{item['value']}] is not a valid number."
    if not design.get("min", number) <= number <= design.get("max", number):
        return f"Value [{item['value']}] is outside of the range."
    units = design.get("units")
    return "" if not units or item.get("unit_value") in units else f"Unit [{item.get('unit_value')}] is not valid."


def _is_date(text: str) -> bool:
    """Return whether a text is a date as EDC takes it, whose day or month may be unknown."""
    for sign, known in zip(UNKNOWN_DATE_PARTS, ("01", "01"), strict=True):
        text = text.replace(f"-{sign}", f"-{known}")
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
