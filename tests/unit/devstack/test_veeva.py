"""The stand-in of Veeva Vault: logins, sessions, limits and EDC forms as Vault answers, and nothing de-duplicated."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from devstack.channels import VAULT, VAULT_USER

API = "/veeva/api/v25.1"
SUBJECT = {"study_country": "Germany", "site": "101", "subject": "101-001"}
PLACE = {**SUBJECT, "eventgroup_name": "eg_SCREEN", "event_name": "ev_V01", "form_name": "VS"}
DESIGN = {
    "subjects": [SUBJECT],
    "forms": {
        "VS": {
            "events": [["eg_SCREEN", "ev_V01"]],
            "itemgroups": {
                "ig_VS": {
                    "SYSBP": {"type": "number", "min": 40, "max": 300, "units": ["mmHg"]},
                    "VSDAT": {"type": "date"},
                    "POS": {"codes": ["SITTING", "SUPINE"]},
                }
            },
        }
    },
}


@pytest.fixture(autouse=True)
def study(http: httpx.Client) -> None:
    assert http.put("/veeva/studies/ONC-101", json=DESIGN).status_code == 204


def login(http: httpx.Client, **other: str) -> dict[str, Any]:
    form = {"username": VAULT_USER, "password": "right", "vaultDNS": VAULT["vault_dns"], **other}
    answer = http.post(f"{API}/auth", data=form)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def session(http: httpx.Client) -> Mapping[str, str]:
    return {"Authorization": login(http)["sessionId"]}


def set_data(http: httpx.Client, session: Mapping[str, str], *items: dict[str, Any], **place: Any) -> dict[str, Any]:
    groups = [{"itemgroup_name": "ig_VS", "itemgroup_sequence": 1, "items": list(items)}]
    body = {"study_name": "ONC-101", "change_reason": "x", "form": {**PLACE, **place, "itemgroups": groups}}
    found: dict[str, Any] = http.post(f"{API}/app/cdm/forms/actions/setdata", json=body, headers=session).json()
    return found


def changes(http: httpx.Client) -> list[tuple[str, Any]]:
    found = http.get("/messages", params={"service": "veeva"}).json()
    return [(one["item_name"], one["value"]) for one in found if one["kind"] == "change"]


def forms(http: httpx.Client, session: Mapping[str, str], **asked: str) -> list[dict[str, Any]]:
    asked = {"study_name": "ONC-101", **asked}
    found: list[dict[str, Any]] = http.get(f"{API}/app/cdm/forms", params=asked, headers=session).json()["forms"]
    return found


def test_a_login_without_the_dns_of_a_vault_ends_in_another_vault(http: httpx.Client) -> None:
    assert login(http)["vaultId"] == int(VAULT["vault_id"])
    elsewhere = login(http, vaultDNS="")
    assert (elsewhere["responseStatus"], elsewhere["vaultId"]) == ("SUCCESS", 1000)
    session = {"Authorization": elsewhere["sessionId"]}
    assert http.get(f"{API}/app/cdm/studies", headers=session).json()["studies"] == []


def test_errors_come_with_status_200(http: httpx.Client) -> None:
    assert login(http, password="wrong")["errors"][0]["type"] == "USERNAME_OR_PASSWORD_INCORRECT"
    answer = http.get(f"{API}/app/cdm/studies", headers={"Authorization": "none"})
    assert (answer.status_code, answer.json()["responseStatus"]) == (200, "FAILURE")
    assert answer.json()["errors"][0]["type"] == "INVALID_SESSION_ID"


def test_sessions_expire(http: httpx.Client, session: Mapping[str, str]) -> None:
    assert http.get(f"{API}/app/cdm/studies", headers=session).json()["studies"] == [{"study_name": "ONC-101"}]
    http.delete("/veeva/sessions")
    assert http.get(f"{API}/app/cdm/studies", headers=session).json()["responseStatus"] == "FAILURE"


def test_what_is_set_is_read_back_and_a_doubled_call_writes_twice(
    http: httpx.Client, session: Mapping[str, str]
) -> None:
    item = {"item_name": "SYSBP", "value": "120", "unit_value": "mmHg"}
    for _ in range(2):
        assert set_data(http, session, item)["form"]["responseStatus"] == "SUCCESS"
    assert changes(http) == [("SYSBP", "120")] * 2
    (form,) = forms(http, session, subject="101-001", form_name="VS")
    assert form["itemgroups"] == [{"itemgroup_name": "ig_VS", "itemgroup_sequence": 1, "items": [item]}]
    assert forms(http, session, subject="101-002") == []


@pytest.mark.parametrize(
    "item, why",
    [
        ({"item_name": "SYSBP", "value": "900", "unit_value": "mmHg"}, "outside of the range"),
        ({"item_name": "SYSBP", "value": "high", "unit_value": "mmHg"}, "not a valid number"),
        ({"item_name": "SYSBP", "value": "120", "unit_value": "kPa"}, "Unit"),
        ({"item_name": "VSDAT", "value": "2025-13-01"}, "not a valid date"),
        ({"item_name": "POS", "value": "STANDING"}, "not a valid code"),
        ({"item_name": "NONE", "value": "1"}, "not found"),
    ],
)
def test_a_wrong_item_is_refused_alone(
    http: httpx.Client, session: Mapping[str, str], item: dict[str, Any], why: str
) -> None:
    good = {"item_name": "POS", "value": "SUPINE"}
    (group,) = set_data(http, session, item, good)["form"]["itemgroups"]
    assert [one["responseStatus"] for one in group["items"]] == ["FAILURE", "SUCCESS"]
    assert why in group["items"][0]["errorMessage"]
    assert changes(http) == [("POS", "SUPINE")]


def test_dates_may_be_partial(http: httpx.Client, session: Mapping[str, str]) -> None:
    (group,) = set_data(http, session, {"item_name": "VSDAT", "value": "2025-UNK-UN"})["form"]["itemgroups"]
    assert group["items"][0]["responseStatus"] == "SUCCESS"


@pytest.mark.parametrize("other", [{"subject": "101-009"}, {"form_name": "AE"}, {"event_name": "ev_V09"}])
def test_a_form_that_the_study_does_not_have_is_refused_whole(
    http: httpx.Client, session: Mapping[str, str], other: dict[str, str]
) -> None:
    found = set_data(http, session, {"item_name": "POS", "value": "SUPINE"}, **other)
    assert (found["responseStatus"], found["form"]["responseStatus"]) == ("SUCCESS", "FAILURE")
    assert changes(http) == []


def test_a_subject_is_added_once(http: httpx.Client, session: Mapping[str, str]) -> None:
    fresh = {**SUBJECT, "subject": "101-002"}
    body = {"study_name": "ONC-101", "subjects": [fresh, SUBJECT]}
    found = http.post(f"{API}/app/cdm/subjects", json=body, headers=session).json()["subjects"]
    assert [one["responseStatus"] for one in found] == ["SUCCESS", "FAILURE"]
    listed = http.get(f"{API}/app/cdm/subjects", params={"study_name": "ONC-101"}, headers=session).json()
    assert listed["subjects"] == [SUBJECT, fresh]


def test_limits_stand_in_the_headers_and_delay_what_is_beyond_them(
    http: httpx.Client, session: Mapping[str, str]
) -> None:
    http.put("/veeva/limits", json={"burst": 1, "daily": 9})
    first, second = (http.get(f"{API}/app/cdm/studies", headers=session) for _ in range(2))
    assert first.headers["X-VaultAPI-BurstLimitRemaining"] == "0"
    assert first.headers["X-VaultAPI-DailyLimitRemaining"] == "8"
    assert "X-VaultAPI-ResponseDelay" not in first.headers
    assert second.headers["X-VaultAPI-ResponseDelay"] == "500"


@pytest.mark.parametrize(
    "fault, kind",
    [("busy", "API_LIMIT_EXCEEDED"), ("broken", "UNEXPECTED_ERROR"), ("refused", "INVALID_SESSION_ID")],
)
def test_faults_are_those_of_a_vault(http: httpx.Client, session: Mapping[str, str], fault: str, kind: str) -> None:
    http.post("/faults", json={"channel": "veeva", "fault": fault, "times": 1, "after": True})
    item = {"item_name": "POS", "value": "SUPINE"}
    assert set_data(http, session, item)["errors"][0]["type"] == kind
    assert changes(http) == [("POS", "SUPINE")], "it was kept before the answer was lost"


def test_the_page_shows_what_forms_hold(http: httpx.Client, session: Mapping[str, str]) -> None:
    set_data(http, session, {"item_name": "POS", "value": "<b>"}, {"item_name": "POS", "value": "SUPINE"})
    page = http.get("/veeva").text
    assert "101-001 · ev_V01 · VS 1" in page
    assert "SUPINE" in page
    assert "<b>" not in page
