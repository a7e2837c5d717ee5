"""A Vault by its hook and as a target: sessions, vaults, limits, what is refused, and nothing sent twice unseen."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from common.core.errors import ConfigError, TargetUnavailable, Unsettled
from common.hooks.veeva import BREATH, WAITS, VeevaHook
from common.targets.veeva import Cdms, Form, Item, Refused
from tests.edc import Edc, design

FORM = Form("Germany", "101", "101-001", "eg_SCREEN", "ev_V01", "VS")
PULSE = Item("ig_VS", 1, "PULSE", "72", "beats/min")
POS = Item("ig_VS", 1, "POS", "SUPINE")


@pytest.fixture
def edc(stack: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Edc]:
    monkeypatch.setenv("AIRFLOW_CONN_VEEVA_DEFAULT", stack["AIRFLOW_CONN_VEEVA_DEFAULT"])
    with Edc(stack["STANDINS_URL"]).studies(design("101-001")) as made:
        yield made


@pytest.fixture
def make() -> Iterator[Callable[[], VeevaHook]]:
    """Make hooks that note how long they would wait."""
    made: list[VeevaHook] = []

    def new() -> VeevaHook:
        made.append(VeevaHook(pause=PAUSES.append))
        return made[-1]

    yield new
    for hook in made:
        hook.close()
    PAUSES.clear()


@pytest.fixture
def cdms(make: Callable[[], VeevaHook]) -> Cdms:
    return Cdms(make())


PAUSES: list[float] = []


def deliver(cdms: Cdms, edc: Edc, *items: Item, form: Form = FORM) -> list[Refused]:
    return cdms.deliver(edc.study, form, items, "test", lambda: None)


def connect(monkeypatch: pytest.MonkeyPatch, **other: Any) -> None:
    found = json.loads(os.environ["AIRFLOW_CONN_VEEVA_DEFAULT"])
    found["extra"] |= other.pop("extra", {})
    monkeypatch.setenv("AIRFLOW_CONN_VEEVA_DEFAULT", json.dumps(found | other))


def test_the_button_of_the_connection_logs_in(
    edc: Edc, make: Callable[[], VeevaHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make().test_connection() == (True, "Logged in to vault 1001.")
    connect(monkeypatch, password="wrong")
    told, why = make().test_connection()
    assert not told
    assert "USERNAME_OR_PASSWORD_INCORRECT" in why


def test_a_login_that_ends_in_another_vault_is_refused(
    edc: Edc, make: Callable[[], VeevaHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, extra={"vault_dns": "nowhere.veevavault.com"})
    with pytest.raises(ConfigError, match="ended in vault 1000, not in 1001"):
        Cdms(make()).require_study(edc.study)


def test_a_connection_must_say_which_vault_is_meant(
    edc: Edc, make: Callable[[], VeevaHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, extra={"vault_id": ""})
    with pytest.raises(ConfigError, match="lacks `vault_id`"):
        make().call("GET", "app/cdm/studies")


def test_nobody_at_the_address_is_an_outage(
    edc: Edc, make: Callable[[], VeevaHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, host="http://127.0.0.1:9")
    with pytest.raises(TargetUnavailable, match="Nobody answers"):
        make().call("GET", "app/cdm/studies")


def test_one_session_serves_many_calls_and_is_renewed_where_it_has_expired(edc: Edc, cdms: Cdms) -> None:
    before = edc.logins()
    for _ in range(3):
        cdms.require_study(edc.study)
    assert edc.logins() == before + 1
    edc.expire()
    assert deliver(cdms, edc, PULSE) == []
    assert edc.logins() == before + 2
    assert edc.changes() == [("PULSE", "72")]


def test_a_session_that_expires_between_look_and_sending_is_renewed_and_the_form_looked_at_again(
    edc: Edc, cdms: Cdms
) -> None:
    before, sendings = edc.logins(), list[int]()

    def expire_once() -> None:
        sendings.append(edc.logins())
        if len(sendings) == 1:
            edc.expire()

    assert cdms.deliver(edc.study, FORM, [PULSE], "test", expire_once) == []
    assert sendings == [before + 1, before + 2]
    assert edc.changes() == [("PULSE", "72")]


def test_a_study_that_the_vault_lacks_is_named_with_those_it_has(edc: Edc, cdms: Cdms) -> None:
    with pytest.raises(ConfigError, match=f"no study 'NONE'.*Known: .*{edc.study}"):
        cdms.require_study("NONE")


def test_only_what_differs_is_sent(edc: Edc, cdms: Cdms) -> None:
    assert deliver(cdms, edc, PULSE, POS) == []
    assert deliver(cdms, edc, PULSE, Item("ig_VS", 1, "POS", "SITTING")) == []
    assert deliver(cdms, edc, Item("ig_VS", 1, "PULSE", "72.0", "beats/min")) == []
    assert edc.changes() == [("PULSE", "72"), ("POS", "SUPINE"), ("POS", "SITTING")]


def test_a_value_in_another_unit_is_another_value(edc: Edc, cdms: Cdms) -> None:
    assert deliver(cdms, edc, PULSE) == []
    (refused,) = deliver(cdms, edc, Item("ig_VS", 1, "PULSE", "72", "Hz"))
    assert (refused.item, "Unit [Hz] is not valid" in refused.why) == ("PULSE", True)


def test_an_empty_value_clears_an_item_once(edc: Edc, cdms: Cdms) -> None:
    empty = Item("ig_VS", 1, "PULSE", "", "beats/min")
    assert deliver(cdms, edc, empty) == []
    deliver(cdms, edc, PULSE)
    for _ in range(2):
        assert deliver(cdms, edc, empty) == []
    assert edc.changes() == [("PULSE", "72"), ("PULSE", "")]


def test_repeats_of_a_form_are_told_apart(edc: Edc, cdms: Cdms) -> None:
    second = Form(**{**vars(FORM), "sequence": 2})
    assert deliver(cdms, edc, PULSE) == []
    assert deliver(cdms, edc, PULSE, form=second) == []
    assert deliver(cdms, edc, PULSE, form=second) == []
    assert edc.changes() == [("PULSE", "72")] * 2


def test_refused_items_and_forms_are_told_and_the_others_set(edc: Edc, cdms: Cdms) -> None:
    (refused,) = deliver(cdms, edc, POS, Item("ig_VS", 1, "PULSE", "999", "beats/min"))
    assert (refused.item, refused.rule) == ("PULSE", "item")
    assert "outside of the range" in refused.why
    assert edc.changes() == [("POS", "SUPINE")]
    (whole,) = deliver(cdms, edc, POS, form=Form(**{**vars(FORM), "subject": "101-999"}))
    assert (whole.item, whole.rule) == ("", "form")


@pytest.mark.parametrize("fault", ["gone", "broken", "busy", "refused"])
def test_a_lost_answer_is_looked_up_before_anything_is_sent_again(edc: Edc, cdms: Cdms, fault: str) -> None:
    edc.fail(fault, times=1, after=True)
    assert deliver(cdms, edc, PULSE) == []
    assert edc.changes() == [("PULSE", "72")]


@pytest.mark.parametrize("fault", ["gone", "broken"])
def test_a_vault_that_is_away_is_an_outage(edc: Edc, cdms: Cdms, fault: str) -> None:
    edc.fail(fault)
    with pytest.raises(TargetUnavailable):
        deliver(cdms, edc, PULSE)
    assert edc.changes() == []


def test_answers_that_are_lost_time_and_again_end_as_unsettled(edc: Edc, cdms: Cdms) -> None:
    cdms.require_study(edc.study)
    edc.fail("gone", after=True)
    refused = Item("ig_VS", 1, "PULSE", "999", "beats/min")  # which never is as it should be
    with pytest.raises(Unsettled):
        deliver(cdms, edc, refused)


def test_a_limit_is_waited_out(edc: Edc, cdms: Cdms) -> None:
    edc.fail("busy", times=2)
    assert deliver(cdms, edc, PULSE) == []
    assert list(WAITS[:2]) == PAUSES
    assert edc.changes() == [("PULSE", "72")]


def test_a_limit_that_never_ends_is_an_outage(edc: Edc, cdms: Cdms) -> None:
    edc.fail("busy")
    with pytest.raises(TargetUnavailable, match="API_LIMIT_EXCEEDED"):
        deliver(cdms, edc, PULSE)
    assert sum(PAUSES) > 300, "longer than a burst"


def test_calls_slow_down_before_a_burst_is_used_up(edc: Edc, cdms: Cdms) -> None:
    edc.limit(burst=12, daily=1000)
    for _ in range(2):
        cdms.require_study(edc.study)
    assert PAUSES == []
    cdms.require_study(edc.study)
    assert PAUSES == [BREATH]


def test_a_day_that_is_used_up_is_an_outage_until_it_is_not(edc: Edc, cdms: Cdms) -> None:
    edc.limit(burst=1000, daily=1)
    cdms.require_study(edc.study)
    with pytest.raises(TargetUnavailable, match="no calls left for today"):
        cdms.require_study(edc.study)
    edc.limit()
    cdms.require_study(edc.study)


def test_logs_name_no_subject(edc: Edc, cdms: Cdms, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="httpx")
    deliver(cdms, edc, PULSE)
    assert "101-001" not in caplog.text
    assert httpx.get(f"{edc.address}/health").is_success
    assert "/health" in caplog.text, "other addresses are logged as ever"
