"""All deliveries read again in one claim: the table is what one contract makes of them, and people's words stand."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from common.cli.main import app
from common.contracts.catalogue import contract_of
from common.core.errors import ConfigError, DataError
from common.ledger.database import transaction
from common.ledger.deliveries import last_contract
from common.ledger.incidents import REFUSED, RELEASED
from common.ledger.queries import recent_sizes
from common.ledger.refusals import Filter
from common.pipelines import silver
from common.repair.decide import backfill_whole, discard, end_parked, exported, redrive, replay
from common.upkeep.verify import verify
from tests.lab import (
    KEYED,
    PLAIN,
    RUN,
    again,
    bronze,
    counts,
    deliver,
    open_incidents,
    shown,
    states,
    told,
    values,
    write,
)
from tests.world import World, by, new_world, other_contract


def shorter(text: str) -> str:
    """Let the contract refuse what it has taken."""
    return text.replace("maxLength: 9", "maxLength: 5")


@pytest.fixture
def lab(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """A keyed dataset and one without a key, a model, and their loads; applied and empty."""
    with new_world(stack, tmp_path, "lab", write(tmp_path)) as made:
        yield made


def test_what_withdrawn_rows_had_replaced_comes_back(lab: World, tmp_path: Path) -> None:
    deliver(lab, "keyed/1.csv", "a,1,short,1,2024-01-05", "b,1,x,1,2024-02-05")
    deliver(lab, "keyed/2.csv", "a,2,longer,2,2024-01-06")
    with other_contract(lab, tmp_path, "keyed", shorter):
        replay(bronze(lab, "2.csv"), "", by("a test"))
        lab.flow()
        assert [row[0] for row in shown(lab)] == ["b"]
        ((kind, detail),) = open_incidents(lab)
        assert kind == "stale"
        assert "`watershed backfill run lab.keyed --all" in detail
        assert states(lab)["2024-01"] == "stale"
        done = RUN.invoke(app, ["backfill", "run", "lab.keyed", "--all", "--why", "rows are missing", "--now"])
        assert (done.exit_code, "1 batch is to be done again." in done.output) == (0, True), done.output
        assert [(row[0], row[2]) for row in shown(lab)] == [("a", "short"), ("b", "x")]
        assert open_incidents(lab) == []
        assert states(lab) == {"2024-01": "done", "2024-02": "done"}
        made_of = "SELECT count(*) FROM batch_parent JOIN batch ON child = id WHERE place ? 'remade'"
        assert lab.rows(made_of, "ledger") == [(3,)], "two files, and the word of a person"
        assert lab.rows("SELECT day, found FROM lab.days ORDER BY 1") == [("2024-01-05", 1), ("2024-02-05", 1)]
    assert list(verify()) == []


def test_a_partition_that_lacks_rows_is_shown_as_stale(lab: World, tmp_path: Path) -> None:
    deliver(lab, "keyed/1.csv", "a,1,short,1,2024-01-05", "b,1,x,1,2024-01-05")
    deliver(lab, "keyed/2.csv", "a,2,longer,2,2024-01-05")
    with other_contract(lab, tmp_path, "keyed", shorter):
        for name in ("1.csv", "2.csv"):
            replay(bronze(lab, name), "", by("a test"))
            lab.flow()
        discard(refusals("2.csv", lab), by("too long"))
        assert states(lab) == {"2024-01": "stale"}
        again(lab)
        assert states(lab) == {"2024-01": "done"}
        assert [row[0] for row in shown(lab)] == ["a", "b"]


def test_a_ledger_that_was_away_learns_of_both_at_once(lab: World, tmp_path: Path) -> None:
    """What the target did while the ledger was lost is recorded in one go: rows withdrawn, then all made anew."""
    deliver(lab, "keyed/1.csv", "a,1,short,1,2024-01-05")
    deliver(lab, "keyed/2.csv", "a,2,longer,2,2024-01-06")
    with other_contract(lab, tmp_path, "keyed", shorter):
        replay(bronze(lab, "2.csv"), "", by("a test"))
        lab.flow()
        again(lab)
        with transaction() as connection:
            connection.exec_driver_sql("DELETE FROM incident")
            for table, of in (("receipt", "hop > 2"), ("refusal", "hop > 2"), ("hop", "n > 2")):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE consumer = 'lab.keyed.silver' AND {of}")
        lab.do("lab.keyed.silver")
        assert open_incidents(lab) == []
        assert list(verify()) == []


def refused(world: World) -> dict[str, int]:
    """Count the refused records by how they ended."""
    return dict(world.rows("SELECT state, sum(count)::int FROM refusal WHERE rule <> '' GROUP BY 1", "ledger"))


def test_what_people_have_ended_stays_as_they_left_it(lab: World, tmp_path: Path) -> None:
    deliver(lab, "plain/1.csv", "a,1,much too long,1,2024-01-05", "b,1,fine,1,2024-01-05")
    redrive(refusals("1.csv", lab), by("try again"))  # refused again, by a batch of its own
    lab.flow()
    deliver(lab, "plain/2.csv", "c,1,also too long,1,2024-01-05", "c,2,fine,1,2024-01-05")
    discard(refusals("2.csv", lab), by("a test line"))
    deliver(lab, "plain/3.csv", "d,1,this too is long,1,2024-01-05")
    exported(refusals("3.csv", lab), tmp_path / "bad.csv", "tester")
    (tmp_path / "good.csv").write_text((tmp_path / "bad.csv").read_text().replace("this too is long", "mended"))
    redrive(refusals("3.csv", lab), by("mended"), rows=tmp_path / "good.csv")
    lab.flow()
    before = values(lab, "plain")
    assert before == [("b", "fine"), ("c", "fine"), ("d", "mended")]
    again(lab, PLAIN)
    assert values(lab, "plain") == before
    assert counts(lab) == (4, 0, 3, 1)
    assert {state: refused(lab)[state] for state in ("open", "discarded")} == {"open": 1, "discarded": 1}
    again(lab, PLAIN)
    assert values(lab, "plain") == before
    assert list(verify()) == []


def refusals(file: str, world: World) -> Filter:
    query = f"""SELECT refusal.id FROM refusal JOIN batch ON batch = batch.id
        WHERE state = 'open' AND batch.place->>'raw' LIKE '%{file}'"""
    return Filter(ids=tuple(row[0] for row in world.rows(query, "ledger")))


def test_records_that_are_sent_again_meanwhile_are_there_once(lab: World) -> None:
    deliver(lab, "plain/1.csv", "a,1,fine,1,2024-01-05")
    lab.land("plain/2.csv", b"k,at,v,n,day\nb,1,much too long,1,2024-01-05\nc,1,fine,1,2024-01-05\n")
    lab.flow("bronze")
    backfill_whole(PLAIN, by("a test"))
    lab.do("lab.plain.silver")  # the replay first, then what has waited
    assert counts(lab) == (1, 0, 1, 0)
    redrive(refusals("2.csv", lab), by("try again"))
    with pytest.raises(ConfigError, match="carries records of all deliveries"):
        backfill_whole(PLAIN, by("a test"))
    lab.flow()
    again(lab, PLAIN)
    assert values(lab, "plain") == [("a", "fine"), ("c", "fine")]
    assert refused(lab)["open"] == 1
    assert list(verify()) == []


def test_a_file_that_was_refused_unread_stays_out(lab: World, tmp_path: Path) -> None:
    rule = "  - {property: batch, value: {minRows: 2}}\n"
    with other_contract(lab, tmp_path, "plain", lambda text: text + rule):
        deliver(lab, "plain/1.csv", "a,1,one,1,2024-01-05")
        deliver(lab, "plain/2.csv", "b,1,two,1,2024-01-05")
        deliver(lab, "plain/3.csv", "c,1,three,1,2024-01-05", "d,1,three,1,2024-01-05")
        end_parked("lab.plain.silver", bronze(lab, "1.csv"), REFUSED, by("not wanted"))
        end_parked("lab.plain.silver", bronze(lab, "2.csv"), RELEASED, by("wanted"))
        lab.flow()
        before = values(lab, "plain")
        assert before == [("b", "two"), ("c", "three"), ("d", "three")]
        again(lab, PLAIN)  # one file has too few rows, but was let in
        assert values(lab, "plain") == before
        assert open_incidents(lab) == []
    with transaction() as connection:
        assert recent_sizes(connection, "lab.plain.silver") == [1.0, 2.0], "a replay of all says nothing of sizes"
    assert list(verify()) == []


def test_a_replay_of_all_that_a_person_refuses_does_nothing(lab: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(lab, "keyed/1.csv", "a,1,one,1,2024-01-05")
    with monkeypatch.context() as patch:
        patch.setattr(silver, "deliveries_again", fail)
        again(lab)
    ((kind, _),) = open_incidents(lab)
    assert kind == "parked"
    with pytest.raises(ConfigError, match="carries records"):
        replay(bronze(lab, "1.csv"), "", by("it would be judged twice"))
    (parked,) = told("parked", "ls")
    end_parked("lab.keyed.silver", parked["batch"], REFUSED, by("not now"))
    lab.flow()
    assert [row[0] for row in shown(lab)] == ["a"]
    assert list(verify()) == []
    assert counts(lab) == (1, 0, 0, 1)
    redrive(Filter(consumer="lab.keyed.silver", reason=silver.REFUSED_WHOLE), by("now, then"))
    lab.flow()
    assert [row[0] for row in shown(lab)] == ["a"]
    assert counts(lab) == (1, 0, 1, 0)


def fail(*_: object) -> list[Any]:
    raise DataError("on purpose")


def test_a_later_replay_of_one_file_is_one_more_fold(lab: World, tmp_path: Path) -> None:
    deliver(lab, "keyed/1.csv", "a,1,short,1,2024-01-05")
    deliver(lab, "keyed/2.csv", "a,2,later,2,2024-01-06")
    with other_contract(lab, tmp_path, "keyed", shorter):
        assert states(lab)["2024-01"] == "stale"
        again(lab)
        assert states(lab)["2024-01"] == "done"
        with transaction() as connection:
            files = connection.exec_driver_sql("SELECT place->>'key' FROM batch WHERE place ? 'landed'").scalars().all()
            read_by = {last_contract(connection, "lab.keyed.silver", "lab.keyed.bronze", key) for key in files}
        assert read_by == {contract_of(KEYED).hash}
        replay(bronze(lab, "2.csv"), "", by("a test"))
        lab.flow()
        assert [(row[0], row[2]) for row in shown(lab)] == [("a", "later")]
        assert open_incidents(lab) == [], "nothing was withdrawn"


def test_later_deliveries_replace_earlier_ones(lab: World, tmp_path: Path) -> None:
    rule = "  - {property: delivery, value: replace}\n"
    with other_contract(lab, tmp_path, "plain", lambda text: text + rule):
        deliver(lab, "plain/1.csv", "a,1,one,1,2024-01-05", "b,1,much too long,1,2024-01-05")
        deliver(lab, "plain/1.csv", "a,1,two,1,2024-01-05")
        deliver(lab, "plain/2.csv", "c,1,one,1,2024-01-05")
        again(lab, PLAIN)
        assert values(lab, "plain") == [("a", "two"), ("c", "one")]
        assert counts(lab) == (4, 0, 3, 1)


def test_refused_rows_are_sent_again_as_the_replay_of_all_has_read_them(lab: World, tmp_path: Path) -> None:
    deliver(lab, "keyed/1.csv", "a,1,'x,1,2024-01-05", "b,1,y',1,2024-01-06", "c,1,much too long,1,2024-01-07")
    quoted = '  - {property: dialect, value: {quote: "\'"}}\n'
    with other_contract(lab, tmp_path, "keyed", lambda text: text + quoted):
        again(lab)
        assert counts(lab)[0] == 2, "two lines are one record now"
        redrive(refusals("1.csv", lab), by("try again"))
        lab.flow()
        assert lab.rows("SELECT sum(count) FROM refusal WHERE state = 'open'", "ledger") == [(2,)]
        assert list(verify()) == []


def test_an_emptied_table_and_what_cannot_be_combined(lab: World) -> None:
    again(lab)
    assert shown(lab) == []
    result = RUN.invoke(app, ["backfill", "run", "lab.keyed", "--all", "--from", "2024-01", "--why", "x"])
    assert "--all is all of the table" in str(result.exception)


def test_records_on_their_way_come_once(lab: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(lab, "plain/1.csv", "a,1,fine,1,2024-01-05")
    with monkeypatch.context() as patch:
        patch.setattr(silver, "deliveries_again", fail)
        again(lab, PLAIN)
    (parked,) = told("parked", "ls")
    deliver(lab, "plain/2.csv", "b,1,a bit too long,1,2024-01-05", "c,1,fine,1,2024-01-05", "d,x,x,1,2024-01-05")
    with other_contract(lab, tmp_path, "plain", lambda text: text.replace("maxLength: 9", "maxLength: 20")):
        redrive(Filter(consumer="lab.plain.silver", column="v"), by("mended"))
        end_parked("lab.plain.silver", parked["batch"], RELEASED, by("mended"))
        lab.flow()
        assert values(lab, "plain") == [("a", "fine"), ("b", "a bit too long"), ("c", "fine")]
    assert refused(lab)["open"] == 1
    assert list(verify()) == []
