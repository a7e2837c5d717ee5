"""Studies in the stand-in of Veeva Vault that serves a session of tests: each test has a study of its own."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

EVENTS = [["eg_SCREEN", "ev_V01"], ["eg_TREAT", "ev_V02"]]


def design(*subjects: str) -> dict[str, Any]:
    """Return a study of vital signs with these subjects, whose site is what stands before the dash."""
    items = {
        "PULSE": {"type": "number", "min": 20, "max": 250, "units": ["beats/min"]},
        "POS": {"codes": ["SITTING", "SUPINE"]},
        "VSDAT": {"type": "date"},
    }
    return {
        "subjects": [{"study_country": "Germany", "site": one.partition("-")[0], "subject": one} for one in subjects],
        "forms": {"VS": {"events": EVENTS, "itemgroups": {"ig_VS": items}}},
    }


class Edc:
    """A study, what was changed in it, and the faults of its Vault."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.study = f"ONC-{uuid.uuid4().hex[:8]}"
        self._http, self._made = httpx.Client(base_url=address), dict[str, Any]()

    @contextmanager
    def studies(self, made: dict[str, Any], *others: str) -> Iterator["Edc"]:
        """Make the study, and others of the same design, for the length of a block; its faults and limits end with it."""
        self._made = made
        for name in (self.study, *others):
            self._http.put(f"/veeva/studies/{name}", json=made).raise_for_status()
        try:
            yield self
        finally:
            self._http.delete("/faults")
            self.limit()
            self.close()

    def close(self) -> None:
        """Close the connection to the stand-in."""
        self._http.close()

    def enrol(self, subject: str) -> None:
        """Add a subject to the study."""
        self._made = {**self._made, "subjects": [*self._made["subjects"], *design(subject)["subjects"]]}
        self._http.put(f"/veeva/studies/{self.study}", json=self._made).raise_for_status()

    @contextmanager
    def without(self, study: str) -> Iterator[None]:
        """Let the Vault lack a study for the length of a block."""
        self._http.delete(f"/veeva/studies/{study}").raise_for_status()
        yield
        self._http.put(f"/veeva/studies/{study}", json=self._made).raise_for_status()

    def fail(self, fault: str, **more: Any) -> None:
        """Let calls fail."""
        self._http.post("/faults", json={"channel": "veeva", "fault": fault, **more}).raise_for_status()

    def sound(self) -> None:
        """Let nothing fail any more."""
        self._http.delete("/faults")

    def limit(self, **limits: int) -> None:
        """Set what a burst and a day have from now on."""
        self._http.put("/veeva/limits", json=limits).raise_for_status()

    def expire(self) -> None:
        """Let all sessions expire."""
        self._http.delete("/veeva/sessions")

    def logins(self) -> int:
        """Count the logins of everybody."""
        return sum(one["kind"] == "login" for one in self._kept())

    def log(self, study: str = "") -> list[dict[str, Any]]:
        """Read the change log of a study."""
        return [one for one in self._kept() if one["kind"] == "change" and one["study_name"] == (study or self.study)]

    def changes(self, study: str = "") -> list[tuple[str, str]]:
        """Read which items were set to what, in order."""
        return [(one["item_name"], one["value"]) for one in self.log(study)]

    def _kept(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.get("/messages", params={"service": "veeva"}).json()
        return found
