"""Rows of a study in the order of their deliveries: what waits for a refused record of its subject, and until when."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from common.core.errors import ConfigError
from common.core.nouns import Counts
from common.ledger.database import transaction
from common.ledger.incidents import HELD, open_of
from common.ledger.journal import entries, tampered
from common.ledger.refusals import Filter, matching
from common.repair.decide import discard, export_queries, redrive, waive_refusals
from common.upkeep.verify import verify
from tests.trial import Trial, trial
from tests.world import by

WAITING = ("undelivered", "waiting", "subject")


@pytest.fixture
def vitals(stack: Mapping[str, str], tmp_path: Path) -> Iterator[Trial]:
    with trial(stack, tmp_path) as made:
        yield made


def refused(**wanted: Any) -> dict[tuple[str, str, str], int]:
    """Count what is refused and open, by reason, rule and column."""
    with transaction() as connection:
        found = matching(connection, Filter(**{"consumer": "trial.", "state": "open", **wanted}))
    counted: dict[tuple[str, str, str], int] = {}
    for row in found:
        cause = row["reason"], row["rule"], row["column"]
        counted[cause] = counted.get(cause, 0) + row["count"]
    return counted


def id_of(rule: str) -> str:
    with transaction() as connection:
        (found,) = (row for row in matching(connection, Filter(state="open", consumer="trial.")) if row["rule"] == rule)
    return str(found["id"])


def held() -> list[str]:
    """Name the consumers of which people are told that rows wait."""
    with transaction() as connection:
        return [row.consumer for row in open_of(connection, [HELD])]


def pulses(vitals: Trial) -> dict[tuple[str, str], str]:
    found = vitals.held().items()
    return {(subject, event): value for (subject, event, _, item), value in found if item == "PULSE"}


def deliver(vitals: Trial, name: str, *lines: str) -> Counts:
    vitals.land(name, *lines)
    return vitals.world.flow("deliver")[vitals.consumer]


def test_a_refused_row_keeps_later_deliveries_of_its_subject_waiting_until_it_is_corrected(vitals: Trial) -> None:
    first = vitals.line("101-001", 999), vitals.line("101-001", 71, n=2), vitals.line("101-002", 72)
    assert deliver(vitals, "1", *first) == Counts(3, 2, 0, 1)
    assert pulses(vitals) == {("101-001", "ev_V01"): "71", ("101-002", "ev_V01"): "72"}, "of one delivery none waits"
    others = vitals.line("101-002", 82, visit="v2"), vitals.line("101-001", 55, study=vitals.other)
    assert deliver(vitals, "2", vitals.line("101-001", 81, visit="v2"), *others) == Counts(2, 1, 0, 1)
    assert ("101-001", "ev_V02") not in pulses(vitals)
    assert pulses(vitals)["101-002", "ev_V02"] == "82"
    assert vitals.edc.changes(vitals.other)[0] == ("PULSE", "55"), "no other study waits"
    assert refused() == {("undelivered", "item", "pulse"): 1, WAITING: 1}
    assert held() == [vitals.consumer]
    assert deliver(vitals, "3", vitals.line("101-001", 91, visit="v2", n=2)) == Counts(1, 0, 0, 1)
    assert refused()[WAITING] == 2
    assert list(verify()) == []

    before = len(vitals.edc.log())
    assert deliver(vitals, "4", vitals.line("101-001", 70, day=2)) == Counts(3, 0, 3, 0)
    set_now = [(one["event_name"], one["form_sequence"], one["item_name"]) for one in vitals.edc.log()[before:]]
    assert set_now[0] == ("ev_V01", 1, "PULSE"), "the correction comes first"
    assert set_now[1:] == [("ev_V02", n, item) for n in (1, 2) for item in ("PULSE", "POS", "VSDAT")]
    assert (refused(), held()) == ({}, [])
    assert list(verify()) == []


def test_a_correction_that_is_refused_again_keeps_the_others_waiting(vitals: Trial) -> None:
    deliver(vitals, "1", vitals.line("101-001", 999))
    deliver(vitals, "2", vitals.line("101-001", 81, visit="v2"))
    assert deliver(vitals, "3", vitals.line("101-001", 998, day=2)) == Counts(2, 0, 0, 2)
    assert refused() == {("undelivered", "item", "pulse"): 1, WAITING: 1}
    assert ("101-001", "ev_V02") not in pulses(vitals)
    assert deliver(vitals, "4", vitals.line("101-001", 70, day=3)) == Counts(2, 0, 2, 0)
    assert pulses(vitals) == {("101-001", "ev_V01"): "70", ("101-001", "ev_V02"): "81"}
    assert refused() == {}


def test_what_the_contract_refuses_is_waited_for_until_a_person_discards_it(vitals: Trial) -> None:
    deliver(vitals, "1", vitals.line("101-001", 70, position="lying"), vitals.line("101-002", 72))
    assert deliver(vitals, "2", vitals.line("101-001", 81, visit="v2")) == Counts(1, 0, 0, 1)
    assert refused() == {("accepted", "accepted", "position"): 1, WAITING: 1}
    discard(Filter(ids=(id_of("accepted"),)), by("it was never measured"))
    assert vitals.world.flow("deliver")[vitals.consumer] == Counts(1, 0, 1, 0)
    assert pulses(vitals) == {("101-002", "ev_V01"): "72", ("101-001", "ev_V02"): "81"}
    assert (refused(), held()) == ({}, [])


def test_what_the_contract_refuses_is_waited_for_until_it_is_corrected(vitals: Trial) -> None:
    deliver(vitals, "1", vitals.line("101-001", 70, position="lying"))
    deliver(vitals, "2", vitals.line("101-001", 81, visit="v2"))
    assert deliver(vitals, "3", vitals.line("101-001", 71)) == Counts(2, 1, 1, 0)
    assert pulses(vitals) == {("101-001", "ev_V01"): "71", ("101-001", "ev_V02"): "81"}
    assert deliver(vitals, "4", vitals.line("101-001", 91, visit="v2", n=2)) == Counts(1, 1, 0, 0), "it stays corrected"


def test_a_person_sends_the_refused_row_again_and_what_waits_follows(vitals: Trial) -> None:
    deliver(vitals, "1", vitals.line("101-003", 70))
    deliver(vitals, "2", vitals.line("101-003", 81, visit="v2"))
    vitals.edc.enrol("101-003")
    redrive(Filter(ids=(id_of("form"),)), by("the site has enrolled the subject"))
    assert vitals.world.flow("deliver")[vitals.consumer].refused == 0
    assert pulses(vitals) == {("101-003", "ev_V01"): "70", ("101-003", "ev_V02"): "81"}
    assert (refused(), held()) == ({}, [])
    assert list(verify()) == []


def test_a_record_of_nobody_knows_whom_is_waited_for_by_nobody(vitals: Trial) -> None:
    nobody = vitals.line("101-001", 70, study="ONC-none"), vitals.line("101-001", 70).replace("101-001", "")
    deliver(vitals, "1", *nobody, "broken\n")
    assert sum(refused().values()) == 3
    assert deliver(vitals, "2", vitals.line("101-001", 81, visit="v2")) == Counts(1, 1, 0, 0)


def test_a_person_waives_a_refused_row_with_who_and_why_and_it_stays_open(vitals: Trial, tmp_path: Path) -> None:
    deliver(vitals, "1", vitals.line("101-001", 999))
    deliver(vitals, "2", vitals.line("101-001", 81, visit="v2"))
    refusal = id_of("item")
    waive_refusals(Filter(ids=(refusal,)), by("the site is closed"))
    assert vitals.world.flow("deliver")[vitals.consumer] == Counts(1, 0, 1, 0)
    assert pulses(vitals)["101-001", "ev_V02"] == "81"
    assert deliver(vitals, "3", vitals.line("101-001", 91, visit="v2", n=2)) == Counts(1, 1, 0, 0)
    assert (refused(), held()) == ({("undelivered", "item", "pulse"): 1}, [])
    with transaction() as connection:
        last = entries(connection)[-1]
        assert (last.what, last.who, last.detail["why"]) == ("quarantine.waive", "tester", "the site is closed")
        assert last.detail["refusals"] == [refusal]
        assert "101-001" not in str(last), "it names no subject"
    with pytest.raises(ConfigError, match=f"Refusal {refusal} is waived already; nothing was changed"):
        waive_refusals(Filter(ids=(refusal,)), by("again"))
    assert export_queries("trial/vitals", tmp_path / "queries.csv", "ann") == 1, "it is still asked about"


def test_what_waits_is_no_query_for_its_site(vitals: Trial, tmp_path: Path) -> None:
    deliver(vitals, "1", vitals.line("101-001", 999))
    deliver(vitals, "2", vitals.line("101-001", 81, visit="v2"))
    assert export_queries("trial/vitals", tmp_path / "queries.csv", "ann") == 1
    assert pl.read_csv(tmp_path / "queries.csv")["rule"].to_list() == ["item"]


def test_of_two_people_who_waive_at_once_one_is_told_that_it_was_done(vitals: Trial) -> None:
    deliver(vitals, "1", vitals.line("101-001", 999))
    deliver(vitals, "2", vitals.line("101-001", 81, visit="v2"))
    wanted = Filter(ids=(id_of("item"),))

    def waive(who: int) -> bool:
        with suppress(ConfigError):
            return bool(waive_refusals(wanted, by(f"person {who}")))
        return False

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(waive, range(2))) == [False, True]
    assert vitals.world.flow("deliver")[vitals.consumer] == Counts(1, 0, 1, 0)
    with transaction() as connection:
        assert [one.what for one in entries(connection)] == ["quarantine.waive"]
        assert tampered(connection) == []


def test_only_what_deliveries_wait_for_is_waived(vitals: Trial) -> None:
    vitals.world.land("vitals/cut.csv", b"study,site\nA,B\n")
    vitals.world.flow()
    with transaction() as connection:
        (file,) = matching(connection, Filter(consumer="trial."))
    with pytest.raises(ConfigError, match=f"Nothing waits for refusal {file['id']}"):
        waive_refusals(Filter(ids=(file["id"],)), by("no"))
