"""Rows of a study as forms in CDMS: what is sent, what is refused, and that no study waits for another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from common.core.errors import ConfigError, ContractError, TargetUnavailable
from common.core.nouns import Counts
from common.ledger.database import transaction
from common.ledger.refusals import Filter, matching
from common.pipelines.kinds import consumers, dag_id
from common.pipelines.together import work_each
from common.pipelines.work import due_of
from common.repair.decide import redrive
from common.targets.veeva import Form, Item, cdms
from common.upkeep.verify import verify
from common.zones.store import ZoneStore
from tests.trial import DELIVER, DOMAIN, Trial, contracts, trial
from tests.world import by, other_contract


@pytest.fixture
def vitals(stack: Mapping[str, str], tmp_path: Path) -> Iterator[Trial]:
    with trial(stack, tmp_path) as made:
        yield made


def test_each_study_of_a_dataset_has_a_consumer_and_all_of_a_domain_one_dag(vitals: Trial) -> None:
    found = consumers(DOMAIN, "deliver")
    assert [consumer.name for consumer in found] == [f"trial.vitals@{s}" for s in (vitals.edc.study, vitals.other)]
    assert {dag_id(consumer) for consumer in found} == {"trial_to_veeva"}


def test_rows_become_forms_and_a_correction_sets_what_has_changed(vitals: Trial) -> None:
    vitals.land("1", vitals.line("101-001", 72), vitals.line("101-001", 80, visit="v2"), vitals.line("101-002", ""))
    assert vitals.world.flow("deliver")[vitals.consumer] == Counts(3, 3, 0, 0)
    assert vitals.held() == {
        ("101-001", "ev_V01", 1, "PULSE"): "72",
        ("101-001", "ev_V01", 1, "POS"): "SUPINE",
        ("101-001", "ev_V01", 1, "VSDAT"): "2025-03-01",
        ("101-001", "ev_V02", 1, "PULSE"): "80",
        ("101-001", "ev_V02", 1, "POS"): "SUPINE",
        ("101-001", "ev_V02", 1, "VSDAT"): "2025-03-01",
        ("101-002", "ev_V01", 1, "POS"): "SUPINE",
        ("101-002", "ev_V01", 1, "VSDAT"): "2025-03-01",
    }
    before = len(vitals.edc.log())
    vitals.land("2", vitals.line("101-001", 75, day=2), vitals.line("101-002", 66, study=vitals.other))
    assert vitals.world.flow("deliver")[vitals.consumer] == Counts(1, 0, 1, 0)
    (change,) = vitals.edc.log()[before:]
    assert (change["item_name"], change["value"], change["unit_value"]) == ("PULSE", "75", "beats/min")
    assert change["change_reason"] == f"Watershed {vitals.consumer} hop 2"
    assert list(verify()) == []


def test_what_somebody_else_has_entered_alike_is_not_entered_again(vitals: Trial) -> None:
    vitals.land("1", vitals.line("101-001", 72))
    vitals.world.flow("deliver")
    before = len(vitals.edc.log())
    with other_contract(vitals.world, vitals.world.folder, "vitals", lambda text: text.replace("1.0.0", "1.0.1")):
        vitals.land("2", vitals.line("101-002", 60))  # another contract: all rows are looked at
        assert vitals.world.flow("deliver")[vitals.consumer] == Counts(2, 1, 1, 0)
    assert {change["subject"] for change in vitals.edc.log()[before:]} == {"101-002"}


def test_what_cdms_refuses_goes_to_quarantine_and_the_rest_arrives(vitals: Trial) -> None:
    vitals.land(
        "1",
        vitals.line("101-001", 999),
        vitals.line("101-002", 70, position="standing"),
        vitals.line("101-009", 70),
        vitals.line("102-001", 65),
    )
    assert vitals.world.flow("deliver")[vitals.consumer] == Counts(4, 1, 0, 3)
    with transaction() as connection:
        found = matching(connection, Filter(consumer=vitals.consumer))
    assert {(row["reason"], row["rule"], row["column"], row["count"]) for row in found} == {
        ("undelivered", "item", "pulse", 1),
        ("undelivered", "item", "position", 1),
        ("undelivered", "form", "", 1),
    }
    (place,) = {row["place"] for row in found}
    key = ZoneStore("quarantine").key_of(place)  # type: ignore[arg-type]
    kept = pl.read_parquet(ZoneStore("quarantine").read(key))  # type: ignore[arg-type]
    texts = {row["column"]: (row["value"], row["record"], row["text"].decode()) for row in kept.to_dicts()}
    assert texts["pulse"][:2] == ("999", 1)
    assert "outside of the range" in texts["pulse"][2]
    assert "not found in Site" in texts[""][2]
    assert vitals.held()["101-001", "ev_V01", 1, "POS"] == "SUPINE", "its other items are in"
    assert vitals.held()["102-001", "ev_V01", 1, "PULSE"] == "65"
    assert list(verify()) == []


def test_refused_rows_are_sent_again_when_a_person_says_so(vitals: Trial) -> None:
    vitals.land("1", vitals.line("101-001", 72), vitals.line("101-003", 70))
    vitals.world.flow("deliver")
    before = len(vitals.edc.log())
    vitals.edc.enrol("101-003")
    with transaction() as connection:
        (refusal,) = matching(connection, Filter(consumer=vitals.consumer))
    redrive(Filter(ids=(refusal["id"],)), by("the site has enrolled the subject"))
    assert vitals.world.flow("deliver")[vitals.consumer].refused == 0
    assert {change["subject"] for change in vitals.edc.log()[before:]} == {"101-003"}
    assert list(verify()) == []


def test_a_study_that_fails_keeps_no_other_waiting(vitals: Trial) -> None:
    vitals.land("1", vitals.line("101-001", 72), vitals.line("101-001", 64, study=vitals.other))
    with vitals.edc.without(vitals.edc.study):
        with pytest.raises(ConfigError, match=f"no study '{vitals.edc.study}'"):
            vitals.world.do(vitals.consumer)
        assert vitals.world.do(f"trial.vitals@{vitals.other}") == Counts(1, 1, 0, 0)
    assert vitals.edc.changes(vitals.other)[0] == ("PULSE", "64")
    assert vitals.edc.changes() == []
    assert vitals.world.do(vitals.consumer) == Counts(1, 1, 0, 0)


def test_what_fails_is_raised_once_all_were_tried_and_what_a_retry_can_help_first(vitals: Trial) -> None:
    lacking, there = consumers(DOMAIN, "deliver")
    vitals.land("1", vitals.line("101-001", 72), vitals.line("101-001", 64, study=vitals.other))
    with vitals.edc.without(vitals.edc.study):
        with pytest.raises(ConfigError, match=f"no study '{vitals.edc.study}'"):
            work_each([lacking, there], "dag/run", "run")
        assert vitals.edc.changes(vitals.other)[0] == ("PULSE", "64")
    vitals.edc.fail("gone")
    with pytest.raises(TargetUnavailable):
        work_each([replace(lacking, name="trial.vitals@nobody"), lacking], "dag/run", "run")
    vitals.edc.sound()
    told = work_each([lacking, there], "dag/run", "run")
    assert {ring.consumer: ring.counts["good"] for ring in told} == {lacking.name: 1, there.name: 1}
    assert due_of(DOMAIN, "deliver") == [lacking, there], "nobody has stored their events yet"


def test_a_vault_that_is_away_delays_and_loses_nothing(vitals: Trial) -> None:
    vitals.land("1", vitals.line("101-001", 72), vitals.line("101-002", 73))
    vitals.edc.fail("gone")
    with pytest.raises(TargetUnavailable):
        vitals.world.do(vitals.consumer)
    vitals.edc.sound()
    assert vitals.world.do(vitals.consumer) == Counts(2, 2, 0, 0)
    assert len(vitals.edc.log()) == len(vitals.held()) == 6


def test_verify_finds_a_form_that_somebody_has_changed(vitals: Trial) -> None:
    vitals.land("1", vitals.line("101-001", 72))
    vitals.world.flow("deliver")
    form = Form("Germany", "101", "101-001", "eg_SCREEN", "ev_V01", "VS")
    by_hand = Item("ig_VS", 1, "PULSE", "88", "beats/min")
    assert cdms("veeva_default").deliver(vitals.edc.study, form, [by_hand], "typed at the site", lambda: None) == []
    (found,) = verify()
    assert "1 forms VS of study" in str(found)


@pytest.mark.parametrize(
    "before, after, why",
    [
        ("form: VS", "from: VS", "no word 'from' here. Is 'form' meant"),
        ("column: pulse", "column: puls", "no column 'puls'"),
        ("column: pulse", "colum: pulse", "no word 'colum' here. Is 'column' meant"),
        ("standing: STANDING", "lying: LYING", r"lacks \['standing'\]"),
        ("standing: STANDING", "standing: SUPINE", "items/POS/codes: says two values by one code"),
        ("v2: ev_V02", "v2: ev_V01", "event/codes: says two values by one code"),
        ("item: POS", "item: PULSE", "'PULSE' of 'ig_VS' stands more than once"),
        (", formSequence: n", "", "tells forms apart by study, subject, visit"),
        ("study: study", "study: site", "'site' has no `enum`"),
        ("{value: Germany}", "{}", "needs either `column` or `value`"),
        ("{column: subject}", "{column: subject, unit: kg}", "only items have units"),
        ("{column: site}", "{column: position}", "may lack a value"),
        ("formSequence: n", "formSequence: pulse", "no integer with a `minimum` of 1"),
    ],
)
def test_lint_says_what_is_wrong_with_a_delivery(before: str, after: str, why: str) -> None:
    from common.contracts.read import read_contract

    assert before in DELIVER
    folder = contracts("A-1", deliver=DELIVER.replace(before, after, 1))
    with pytest.raises(ContractError, match=why):
        read_contract(folder / DOMAIN / "contracts" / "vitals.yaml")


def test_studies_need_names_that_keys_and_dags_can_have() -> None:
    from common.contracts.read import read_contract

    with pytest.raises(ContractError, match="is no name of a study"):
        read_contract(contracts("a/b") / DOMAIN / "contracts" / "vitals.yaml")
