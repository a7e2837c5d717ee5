"""Forms in CDMS, which keeps no token and sets what it is sent: no death, zombie or lost answer sets an item twice."""

import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from common.core.nouns import Counts
from common.upkeep.rebuild import rebuild
from common.upkeep.verify import verify
from tests.fake_step import expire
from tests.faults.evidence import broken_promises
from tests.faults.plan import STEPS, inside
from tests.faults.test_crash_points import plan
from tests.faults.workers import Workers, job
from tests.trial import Trial, trial

OWNER = "dag/run/task/-1"


@pytest.fixture
def vitals(stack: Mapping[str, str], tmp_path: Path) -> Iterator[Trial]:
    with trial(stack, tmp_path) as made:
        yield made


def land(vitals: Trial, number: int) -> None:
    """Land two new forms, a correction of an old one, and one that CDMS refuses, of a subject of its own."""
    vitals.edc.enrol(stranger := f"103-{number:03d}")
    vitals.land(
        str(number),
        vitals.line("101-001", 40 + number, n=number + 1),
        vitals.line("101-002", 40 + number, n=number + 1, position="sitting"),
        vitals.line("102-001", 40 + number, day=number + 1),
        vitals.line(stranger, 900 + number, visit="v2"),
    )


def as_in_silver(vitals: Trial) -> None:
    """Compare CDMS with silver, and look that no item was set to a value twice."""
    of_the_study = vitals.world.silver("vitals").to_dicts()
    codes = {"sitting": "SITTING", "supine": "SUPINE"}
    expected = {
        (row["subject"], {"v1": "ev_V01", "v2": "ev_V02"}[row["visit"]], row["n"], item): value
        for row in of_the_study
        for item, value in (("PULSE", row["pulse"]), ("POS", codes[row["position"]]), ("VSDAT", row["measured"]))
        if item != "PULSE" or value < 900
    }
    assert vitals.held() == {place: str(value) for place, value in expected.items()}
    names = ("subject", "event_name", "form_sequence", "item_name", "value")
    counted = Counter(tuple(one[name] for name in names) for one in vitals.edc.log())
    assert [place for place, times in counted.items() if times > 1] == []


def test_a_death_at_any_point_sets_nothing_twice(vitals: Trial, forks: Workers) -> None:
    steps = (*STEPS, *inside("deliver"))
    for number, step in enumerate(steps):
        land(vitals, number)
        outcome = forks.run(job(vitals.consumer, OWNER), vitals.world.env, plan("deliver", step))
        assert outcome.killed, f"not killed at {step}: {outcome}"
        vitals.world.do(vitals.consumer, owner=OWNER)
        as_in_silver(vitals)
    vitals.world.flow(owner=OWNER)
    assert list(verify()) == []
    assert broken_promises(vitals.world) == []
    found = vitals.world.rows(
        "SELECT sum(good), sum(merged), sum(refused) FROM hop WHERE consumer = $$X$$".replace(
            "$$X$$", f"'{vitals.consumer}'"
        ),
        "ledger",
    )
    assert found == [(2 * len(steps) + 1, len(steps) - 1, len(steps))]


def test_a_death_while_what_waited_is_sent_changes_nothing(vitals: Trial, forks: Workers) -> None:
    points = (*inside("deliver"), "manifest.after", "publish.before", "publish.after", "record.during", "record.after")
    for n, step in enumerate(points, 1):
        vitals.land(f"{n}a", vitals.line("101-001", 900 + n, n=n))
        vitals.world.do(vitals.consumer)
        vitals.land(f"{n}b", vitals.line("101-001", 60 + n, n=n, visit="v2"))
        assert vitals.world.do(vitals.consumer) == Counts(1, 0, 0, 1), "it waits"
        vitals.land(f"{n}c", vitals.line("101-001", 70 + n, n=n, day=2))
        outcome = forks.run(job(vitals.consumer, OWNER), vitals.world.env, plan("deliver", step))
        assert outcome.killed, f"not killed at {step}: {outcome}"
        vitals.world.do(vitals.consumer, owner=OWNER)
        as_in_silver(vitals)
    assert vitals.world.rows("SELECT DISTINCT state FROM refusal", "ledger") == [("redriven",)]
    assert list(verify()) == []
    rebuild("tester", from_nothing=True)
    vitals.world.flow()
    assert vitals.world.rows("SELECT DISTINCT state FROM refusal", "ledger") == [("redriven",)], "manifests say so"
    assert list(verify()) == []


@pytest.mark.parametrize("nth", [1, 3])
def test_a_worker_that_is_frozen_before_it_sends_and_thawed_after_another_has_sends_nothing(
    vitals: Trial, forks: Workers, nth: int
) -> None:
    land(vitals, 0)
    frozen = {"at": "deliver:stage.sending", "do": "stop", "nth": nth}
    zombie = forks.start(job(vitals.consumer, "zombie"), vitals.world.env, [frozen])
    assert zombie.frozen(), str(zombie.wait())
    expire(vitals.world)
    assert forks.run(job(vitals.consumer, "other"), vitals.world.env).result["hops"] == [1]
    vitals.land("later", vitals.line("102-001", 99, day=20))
    vitals.world.do(vitals.consumer)
    zombie.signal(signal.SIGCONT)
    assert zombie.wait().error == "LeaseLost"
    as_in_silver(vitals)
    assert vitals.held()["102-001", "ev_V01", 1, "PULSE"] == "99", "not what the zombie had"


def test_a_session_that_expires_in_the_middle_of_a_hop_is_renewed(vitals: Trial, forks: Workers) -> None:
    land(vitals, 0)
    worker = forks.start(
        job(vitals.consumer, OWNER), vitals.world.env, [{"at": "deliver:stage.sent", "do": "stop", "nth": 2}]
    )
    assert worker.frozen(), str(worker.wait())
    before = vitals.edc.logins()
    vitals.edc.expire()
    worker.signal(signal.SIGCONT)
    assert worker.wait().result["hops"] == [1]
    assert vitals.edc.logins() == before + 1
    as_in_silver(vitals)


@pytest.mark.parametrize("fault", ["gone", "broken"])
def test_an_answer_that_is_lost_for_every_form_sets_nothing_twice(vitals: Trial, forks: Workers, fault: str) -> None:
    vitals.land("1", *(vitals.line("101-001", 60 + n, n=n) for n in range(1, 5)))
    vitals.edc.fail(fault, after=True)
    assert forks.run(job(vitals.consumer, OWNER), vitals.world.env).result["hops"] == [1]
    as_in_silver(vitals)


def test_a_vault_that_goes_away_after_some_forms_has_the_rest_later(vitals: Trial, forks: Workers) -> None:
    vitals.land("1", *(vitals.line("101-001", 60 + n, n=n) for n in range(1, 5)))
    worker = forks.start(
        job(vitals.consumer, OWNER), vitals.world.env, [{"at": "deliver:stage.sent", "do": "stop", "nth": 2}]
    )
    assert worker.frozen(), str(worker.wait())
    vitals.edc.fail("gone")
    worker.signal(signal.SIGCONT)
    assert worker.wait().error == "TargetUnavailable"
    assert len(vitals.edc.log()) == 2 * 3
    vitals.edc.sound()
    vitals.world.do(vitals.consumer, owner=OWNER)
    as_in_silver(vitals)
