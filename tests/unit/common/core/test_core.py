"""Settings, ids and nouns."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.core.caches import forget
from common.core.errors import ConfigError
from common.core.ids import attempt_id, batch_id, short_hash
from common.core.nouns import Counts, Dataset
from common.core.settings import limits, settings

pytestmark = pytest.mark.usefixtures("fresh_settings")


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATERSHED_BUCKET")
    monkeypatch.setenv("WATERSHED_LEDGER_URL", "mysql://x")
    with pytest.raises(ConfigError, match=r"WATERSHED_BUCKET: .* WATERSHED_LEDGER_URL: .* See \.env\.example"):
        settings()


@pytest.mark.parametrize("kind", [limits, settings])
def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(
    kind: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATERSHED_SWEEP_CORN", "off")
    with pytest.raises(ConfigError, match=r"no setting WATERSHED_SWEEP_CORN \(did you mean WATERSHED_SWEEP_CRON\?\)"):
        kind()


def test_what_kubernetes_says_of_a_service_called_watershed_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"):
        monkeypatch.setenv(f"WATERSHED_API_{name}", "x")
    assert settings().bucket == "watershed"


def test_bells_and_sweeps_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATERSHED_QUEUE_BASE_URL", "http://q/0/")
    assert settings().watches_queue
    assert settings().queue_url("shop") == "http://q/0/watershed-shop-raw"
    forget()
    monkeypatch.setenv("WATERSHED_BELLS", "false")
    monkeypatch.setenv("WATERSHED_SWEEP_CRON", "Off")
    assert not settings().watches_queue
    assert not settings().sweeps


@pytest.mark.parametrize("text", ["", "shop", "shop.", ".orders", "a.b.c"])
def test_a_dataset_is_domain_and_name(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected domain\.name"):
        Dataset.parse(text)
    assert str(Dataset.parse("shop.orders")) == "shop.orders"


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_counts_balance_when_nothing_is_missing(good: int, merged: int, refused: int) -> None:
    whole = Counts(good + merged + refused, good, merged, refused)
    assert whole.balanced
    assert (whole + whole).balanced
    assert not (whole + Counts(1)).balanced
    assert not Counts(0, 1, -1, 0).balanced


def test_ids_depend_on_the_parts_and_not_on_how_they_join() -> None:
    assert batch_id("ab", "c") != batch_id("a", "bc")
    assert batch_id("a", None) != batch_id("a", "null")
    assert batch_id("a", 1) == batch_id("a", 1)
    assert len(short_hash("\udcff")) == 12
    assert 0 < attempt_id() < 2**63
