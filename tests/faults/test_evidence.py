"""The judge itself: what is lost, doubled or miscounted is seen, and equal worlds are equal."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psycopg

from tests.faults.evidence import Evidence, broken_promises, gather, judge
from tests.faults.messages import Row, faults
from tests.faults.tally import Tally, section
from tests.world import World

CALM = Evidence({"silver": Counter(["a", "b", "b"])}, Counter({"short": 2}), {"silver": (3, 3, 0, 0)})


def test_equal_worlds_are_equal() -> None:
    verdict = judge(CALM, CALM)
    assert (verdict.lost, verdict.doubled, verdict.said) == (0, 0, [])


def test_lost_and_doubled_rows_are_told_apart() -> None:
    verdict = judge(CALM, replace(CALM, tables={"silver": Counter(["a", "a", "b"])}))
    assert (verdict.lost, verdict.doubled) == (1, 1)
    verdict = judge(CALM, replace(CALM, tables={}))
    assert (verdict.lost, verdict.doubled) == (3, 0)
    verdict = judge(CALM, replace(CALM, refusals=Counter({"short": 4})))
    assert (verdict.lost, verdict.doubled) == (0, 2)


def test_sums_and_promises_count_too() -> None:
    assert judge(CALM, replace(CALM, sums={})).said == ["silver: counts None, expected (3, 3, 0, 0)"]
    assert judge(CALM, CALM, ["open hops"]).said == ["open hops"]


def test_a_world_that_was_tampered_with_is_found_out(world: World) -> None:
    lines = "".join(f"{n:05d},19970101,1,{n}.00\n" for n in range(3))
    world.land("transactions/a.csv", f"customer_id,date,number_of_cds,dollar_value\n{lines}".encode())
    assert "files left in raw" in str(broken_promises(world))
    world.flow()
    before = gather(world)
    assert broken_promises(world) == []
    with psycopg.connect(world.env["WAREHOUSE_URL"]) as connection:
        connection.execute("DELETE FROM ecommerce.fact_transactions WHERE customer_id = '00001'")
        connection.execute("UPDATE watershed.load_token SET hop = 7 WHERE consumer LIKE '%fact_transactions@warehouse'")
    assert judge(before, gather(world)).lost == 1
    assert "target says Head(hop=7" in str(broken_promises(world))


def test_messages_that_were_lost_or_shown_too_often_are_found_out() -> None:
    fine = [Row("a", "opened", "sent", 1), Row("b", "opened", "sent", 2), Row("c", "opened", "unneeded", 1)]
    assert faults(fine, Counter({"a": 1, "b": 2})) == []
    for outcome, times in (("sent", 0), ("sent", 2), ("unneeded", 1), ("", 0), ("given up", 0)):
        (said,) = faults([*fine, Row("d", "opened", outcome, 1)], Counter({"a": 1, "b": 2, "d": times}))
        assert "'d'" in said


def test_a_tally_is_told_to_machines_and_to_people(tmp_path: Path) -> None:
    tally = Tally(seed=7, wanted=2)
    tally.kills.update(["silver:publish.before", "silver:publish.before", "load:any time"])
    tally.faults.update(["kill", "zombie"])
    tally.write(tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["kills"] == {"load:any time": 1, "silver:publish.before": 2}
    assert "silver:publish.before" not in report["missed"]
    assert "| workers killed with SIGKILL | 3 (load 1, silver 2) |" in section(report)
    assert "| other faults | 1 x zombie |" in section(report)
