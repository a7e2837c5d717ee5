"""Forms of an EDC study in Veeva CDMS: read back, and items set that are not as they should be.

CDMS keeps no token of a hop and sets what it is sent as often as it is sent. So nothing is sent before the form was
read, and where an answer is lost the form is read again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from common.core.caches import per_process
from common.core.errors import ConfigError, RecordRefused, Unsettled

if TYPE_CHECKING:
    from common.hooks.veeva import VeevaHook

TRIES = 4  # of one form, each after a look at it
EDC = "app/cdm"


@dataclass(frozen=True)
class Form:
    """One form of one subject at one event; `sequence` counts where it repeats."""

    country: str
    site: str
    subject: str
    event_group: str
    event: str
    name: str
    sequence: int = 1

    @property
    def json(self) -> dict[str, Any]:
        """The form as EDC names it, without its sequence."""
        return {
            "study_country": self.country,
            "site": self.site,
            "subject": self.subject,
            "eventgroup_name": self.event_group,
            "event_name": self.event,
            "form_name": self.name,
        }


@dataclass(frozen=True)
class Item:
    """One item of a form, with the value and unit that it should have; an empty value clears it."""

    group: str
    sequence: int
    name: str
    value: str
    unit: str = ""

    @property
    def at(self) -> tuple[str, int, str]:
        """Where it stands in its form."""
        return self.group, self.sequence, self.name

    def equals(self, value: str, unit: str) -> bool:
        """Return whether this is what CDMS holds; numbers are compared as such, and nothing has no unit."""
        return _number(self.value) == _number(value) and (self.unit == unit or not self.value)


@dataclass(frozen=True)
class Refused:
    """What CDMS did not take: an item, or without one the whole form; `rule` is a word, `why` what CDMS said."""

    item: str
    rule: str
    why: str


class Cdms:
    """The EDC studies of the Vault that an Airflow Connection reaches."""

    def __init__(self, hook: "VeevaHook") -> None:
        self.hook = hook

    def require_study(self, study: str) -> None:
        """Raise ConfigError where the Vault has no such study."""
        known = [one["study_name"] for one in self.hook.call("GET", f"{EDC}/studies")["studies"]]
        if study not in known:
            raise ConfigError(
                f"Vault has no study '{study}', or not for the user of Airflow Connection '{self.hook.veeva_conn_id}'. "
                f"Known: {', '.join(known) or 'none'}. Nothing was sent."
            )

    def missing(self, study: str, form: Form, items: Sequence[Item]) -> list[Item]:
        """Read a form back, and return the items that are not as they should be."""
        asked = {"study_name": study, **form.json}
        found = self.hook.call("GET", f"{EDC}/forms", params=asked)["forms"]
        same = [one for one in found if int(one.get("form_sequence") or 1) == form.sequence]
        held = {at: said for one in same for at, said in _items(one)}
        return [item for item in items if not item.equals(*held.get(item.at, ("", "")))]

    def deliver(
        self, study: str, form: Form, items: Sequence[Item], reason: str, before: Callable[[], None]
    ) -> list[Refused]:
        """Let a form have these items, and return what CDMS refuses of them; `before` is called before each sending.

        Raises ConfigError, TargetUnavailable; Unsettled where no answer came, time and again.
        """
        for _ in range(TRIES):
            try:
                owed = self.missing(study, form, items)
                if not owed:
                    return []
                before()
                answer = self.hook.call("POST", f"{EDC}/forms/actions/setdata", body=_body(study, form, owed, reason))
            except Unsettled as error:
                lost = error
            except RecordRefused as error:
                return [Refused("", error.rule, str(error))]
            else:
                return _refused(answer.get("form") or {})
        raise lost


def _connected(conn: str) -> Cdms:
    from common.hooks.veeva import VeevaHook

    return Cdms(VeevaHook(conn))


cdms = per_process(_connected, on_forget=lambda made: made.hook.close())  # a process keeps its session


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _items(form: Mapping[str, Any]) -> list[tuple[tuple[str, int, str], tuple[str, str]]]:
    return [
        (
            (group["itemgroup_name"], int(group.get("itemgroup_sequence") or 1), item["item_name"]),
            (str(item.get("value") or ""), str(item.get("unit_value") or "")),
        )
        for group in form.get("itemgroups") or []
        for item in group.get("items") or []
    ]


def _body(study: str, form: Form, items: Sequence[Item], reason: str) -> dict[str, Any]:
    groups: dict[tuple[str, int], list[dict[str, str]]] = {}
    for item in items:
        unit = {"unit_value": item.unit} if item.unit and item.value else {}
        groups.setdefault((item.group, item.sequence), []).append({"item_name": item.name, "value": item.value, **unit})
    return {
        "study_name": study,
        "reopen": True,  # a form that was submitted takes a correction
        "submit": True,
        "change_reason": reason,
        "form": {
            **form.json,
            "form_sequence": form.sequence,
            "itemgroups": [
                {"itemgroup_name": name, "itemgroup_sequence": sequence, "items": those}
                for (name, sequence), those in groups.items()
            ],
        },
    }


def _refused(form: Mapping[str, Any]) -> list[Refused]:
    """Return what an answer says was refused: the form, or items of it."""
    if form.get("responseStatus") == "FAILURE":
        return [Refused("", "form", str(form.get("errorMessage")))]
    return [
        Refused(item["item_name"], "item", str(item.get("errorMessage")))
        for group in form.get("itemgroups") or []
        for item in group.get("items") or []
        if item.get("responseStatus") == "FAILURE"
    ]
