"""A warehouse's table that is not what its load asks for: what each policy does about it, from file to table and back."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import Drifted, NotApplied, WatershedError
from common.ledger.database import transaction
from common.ledger.queries import consumers
from common.notify.outbox import tell
from common.observe.verbs import listening
from common.pipelines.waits import waits
from common.upkeep.apply import apply_all
from common.upkeep.verify import verify
from tests.channels import Kept, kept_channels
from tests.contracts import write_contract
from tests.faults.plan import VARIABLE, act
from tests.world import World, forget, new_world

KEY = "name: k, logicalType: string, required: true, primaryKey: true"
SEQ, N = "name: seq, logicalType: integer, required: true", "name: n, logicalType: number, physicalType: 'decimal({})'"
NARROW = (KEY, SEQ, N.format("6,2"))
WIDE = (KEY, SEQ, N.format("10,2"), "name: note, logicalType: string")
LOAD, ELSEWHERE = "lab.things@warehouse", "lab.things@duckdb"
COLUMNS = """SELECT column_name, data_type, numeric_precision FROM information_schema.columns
    WHERE table_schema = 'lab' AND table_name = 'things' ORDER BY ordinal_position"""
RUN = CliRunner()


class Lab(World):
    """A dataset that is loaded into two engines, whose contract the tests change."""

    def says(self, columns: tuple[str, ...], evolution: str) -> None:
        """Let the contract have these columns, and its loads a policy; nothing is applied."""
        loads = ", ".join(
            f"{{to: {to}, strategy: incremental, evolution: {evolution}}}" for to in ("warehouse", "duckdb")
        )
        words = {"latest": "[seq]", "load": f"[{loads}]"}
        write_contract(Path(self.env["WATERSHED_DOMAINS_DIR"]) / "lab", "things", columns, words)
        forget()

    def applied(self, columns: tuple[str, ...], evolution: str) -> str:
        """Let the contract say so and apply it; give what `apply` refuses."""
        self.says(columns, evolution)
        return "\n".join(map(str, apply_all().errors))

    def file(self, name: str, *rows: str) -> None:
        """Land a file, and bring it up to silver."""
        head = "k,seq,n,note" if rows[0].count(",") == 3 else "k,seq,n"
        self.land(f"things/{name}.csv", "".join(f"{row}\n" for row in (head, *rows)).encode())
        self.flow("bronze", "silver")

    def loads(self) -> list[WatershedError]:
        """Do the loads, each of them; give what they raised."""
        raised = []
        for name in (LOAD, ELSEWHERE):
            try:
                self.do(name)
            except WatershedError as error:
                raised.append(error)
        return raised

    def incidents(self) -> list[tuple[Any, ...]]:
        query = "SELECT consumer, detail FROM incident WHERE kind = 'drift' AND closed_at IS NULL ORDER BY 1"
        return self.rows(query, "ledger")

    def run(self, statement: str) -> None:
        """Do something in the warehouse by hand."""
        with psycopg.connect(self.env["WAREHOUSE_URL"], autocommit=True) as connection:
            connection.execute(statement.encode())

    def elsewhere(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "w.duckdb")) as connection:
            return connection.execute(query).fetchall()

    def both(self, query: str) -> list[tuple[Any, ...]]:
        """Ask both engines, which must agree."""
        found = self.rows(query)
        assert [tuple(map(str, row)) for row in self.elsewhere(query)] == [tuple(map(str, row)) for row in found]
        return found

    def keys(self) -> str:  # type: ignore[override]
        return "".join(k for (k,) in self.both("SELECT k FROM lab.things ORDER BY 1"))

    def as_silver(self) -> bool:
        """Whether both tables have all rows of silver, whole."""
        found = self.silver("things").select("k", "seq", "n", "note").sort("k").rows()
        return bool(found == self.both("SELECT k, seq, n, note FROM lab.things ORDER BY k"))

    def told(self, *arguments: str, code: int = 0) -> Any:
        result = RUN.invoke(app, [*arguments, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)


@pytest.fixture
def lab(stack: Mapping[str, str], tmp_path: Path) -> Iterator[Lab]:
    words = {"latest": "[seq]", "load": "[{to: warehouse, strategy: incremental}, {to: duckdb, strategy: incremental}]"}
    write_contract(tmp_path / "domains" / "lab", "things", NARROW, words)
    with new_world(stack, tmp_path, "lab", tmp_path / "domains") as made:
        lab = Lab(made.env, "lab", tmp_path)
        lab.file("1", "a,1,1.00", "b,1,2.00")
        assert lab.loads() == []
        yield lab


@pytest.fixture
def slack() -> Iterator[Kept]:
    with kept_channels("slack") as found:
        yield found["slack"]


MORE = ("b,2,20.00,", "c,1,3.00,has one", "d,1,99999.00,", "e,1,5.00,")  # b, e fit; c has no column, d no room


def test_freeze_holds_with_the_difference_until_it_is_accepted(lab: Lab, slack: Kept) -> None:
    before = lab.rows(COLUMNS), lab.elsewhere(COLUMNS)
    refused = lab.applied(WIDE, "freeze")
    assert "note is missing, asked for is VARCHAR" in refused
    assert "The statements: ALTER TABLE" in refused
    lab.file("2", *MORE)
    for _ in range(2):
        raised = lab.loads()
        assert [type(error) for error in raised] == [Drifted, Drifted]
        assert "n is DECIMAL(6, 2), asked for is DECIMAL(10, 2)" in str(raised[0])
    assert (lab.rows(COLUMNS), lab.elsewhere(COLUMNS)) == before
    assert (lab.keys(), [name for name, _ in lab.incidents()]) == ("ab", [ELSEWHERE, LOAD])
    tell()
    tell()
    assert sum(title.startswith("Drift") for title in slack.titles) == 2, "each load tells once"
    with transaction() as connection:
        (wait,) = (w for w in waits(connection, consumers(connection, LOAD), LOAD) if w.consumer == LOAD)
    assert (wait.word, wait.batches) == ("drifted", 1)
    assert "watershed contract diff lab.things" in wait.why
    assert [line for _, line in verify() if "note is missing" in line], "verify tells it, too"
    assert lab.applied(WIDE, "evolve") == ""
    assert lab.loads() == []
    assert lab.as_silver()
    assert lab.incidents() == []
    tell()
    assert sum(title.startswith("Resolved: Drift") for title in slack.titles) == 2
    assert list(verify()) == []


def test_freeze_is_accepted_by_the_statements_that_it_tells(lab: Lab) -> None:
    refused = lab.applied(WIDE, "freeze").splitlines()
    lab.file("2", *MORE)
    lab.loads()
    for line, run in zip(refused, (lab.run, lab.elsewhere), strict=True):
        for statement in line.partition("The statements: ")[2].rstrip(";").split("; "):
            run(statement)
    assert lab.loads() == []
    assert lab.as_silver()


def test_quarantine_sets_rows_aside_that_come_once_there_is_room(lab: Lab) -> None:
    assert lab.applied(WIDE, "quarantine") == ""
    plan = lab.told("apply", "--plan")
    assert plan["changes"] == {}
    assert set(plan["kept"]) == {LOAD, ELSEWHERE}
    lab.file("2", *MORE)
    assert lab.loads() == []
    assert lab.both("SELECT k, n FROM lab.things ORDER BY 1")[1:] == [("b", 20), ("e", 5)]
    hops = "SELECT taken, good, merged, refused FROM hop WHERE consumer LIKE '%@%' AND n = 2"
    assert lab.rows(hops, "ledger") == [(4, 1, 1, 2)] * 2
    assert "are set aside" in lab.incidents()[0][1]
    assert list(verify("lab.things.silver")) == []
    assert not [line for _, line in verify() if "rows" in line], "what was set aside is known to be missing"
    refusals = {r["column"]: r for r in lab.told("quarantine", "ls", LOAD, "--state", "open")}
    assert {r["reason"] for r in refusals.values()} == {"drift"}
    (row,) = lab.told("quarantine", "show", refusals["note"]["id"])["rows"]
    assert (row["rule"], row["value"], '"c"' in row["text"]) == ("no_column", "has one", True)
    lab.file("3", "d,2,4.00,")  # a newer row of a key that was set aside fits
    assert lab.loads() == []
    assert lab.keys() == "abde"
    assert lab.applied(WIDE, "evolve") == ""
    refused = RUN.invoke(app, ["quarantine", "export", "--dataset", LOAD, "--to", str(lab.folder / "x.csv")])
    assert "the warehouse's table lacks room for them" in str(refused.exception)
    lab.told("quarantine", "redrive", "--dataset", "lab.things@", "--why", "there is room")
    assert lab.loads() == []
    assert lab.as_silver()
    assert (lab.incidents(), list(verify())) == ([], [])
    assert {r["state"] for r in lab.told("quarantine", "ls", "lab.things@")} == {"redriven"}


def test_a_replay_to_the_warehouse_ends_what_was_set_aside(lab: Lab) -> None:
    lab.applied(WIDE, "quarantine")
    lab.file("2", *MORE)
    lab.loads()
    (first,), *_ = lab.rows("SELECT id FROM batch WHERE asset = 'lab.things.silver' ORDER BY number", "ledger")
    RUN.invoke(app, ["replay", first, "--to", "warehouse", "--why", "too early"])
    raised = lab.loads()
    assert ["replaces all rows now" in str(error) for error in raised] == [True, True], "no row is lost for that"
    assert lab.keys() == "abe"
    lab.applied(WIDE, "evolve")
    assert lab.loads() == []
    assert lab.as_silver()
    assert {r["state"] for r in lab.told("quarantine", "ls", "lab.things@")} == {"redriven"}


BY_HAND = {
    "dropped": "ALTER TABLE lab.things DROP COLUMN n",
    "renamed": "ALTER TABLE lab.things RENAME COLUMN n TO m",
    "made narrower": "ALTER TABLE lab.things ALTER COLUMN seq TYPE SMALLINT",
    "another type": "ALTER TABLE lab.things ALTER COLUMN n TYPE VARCHAR",
}


def test_what_somebody_does_to_the_table_is_found_at_the_next_load(lab: Lab) -> None:
    landed = [("a", 1), ("b", 2)]
    for number, (how, statement) in enumerate(BY_HAND.items(), 3):
        altered(lab, statement)
        key = chr(ord("a") + number)
        lab.file(key, f"{key},1,{number}.00")
        raised = lab.loads()
        assert [type(error) for error in raised] == [Drifted if how == "another type" else NotApplied] * 2, how
        assert len(lab.incidents()) == 2
        if how == "another type":
            assert "n is VARCHAR, asked for is DECIMAL" in str(raised[0])
            altered(lab, "ALTER TABLE lab.things ALTER COLUMN n TYPE DECIMAL(6,2) USING n::DECIMAL(6,2)")
        else:
            assert "somebody altered the table" in str(raised[0])
            assert apply_all().errors == ()
        assert (lab.loads(), lab.incidents()) == ([], [])
        restated(lab)
        landed.append((key, number))
        assert lab.both("SELECT k, n FROM lab.things ORDER BY 1") == landed


def altered(lab: Lab, statement: str) -> None:
    """Alter both tables by hand."""
    lab.run(statement)
    lab.elsewhere(statement)


def restated(lab: Lab) -> None:
    """Load both tables whole, as the error tells."""
    (last,) = lab.rows("SELECT id FROM batch WHERE asset = 'lab.things.silver' ORDER BY number DESC LIMIT 1", "ledger")
    lab.told("replay", last[0], "--to", "warehouse", "--why", "somebody altered the table")
    assert lab.loads() == []


def test_a_strangers_column_is_no_matter_but_to_a_frozen_table(lab: Lab) -> None:
    altered(lab, "ALTER TABLE lab.things ADD COLUMN mine VARCHAR")
    lab.file("2", "c,1,3.00")
    assert lab.loads() == []
    assert (lab.keys(), lab.incidents()) == ("abc", [])
    diff = lab.told("contract", "diff", "lab.things")
    assert all("mine VARCHAR is no column of the load: it stays" in row["change"] for row in diff)
    assert "mine VARCHAR is no column" in lab.applied(NARROW, "freeze")
    lab.file("3", "d,1,4.00")
    assert [type(error) for error in lab.loads()] == [Drifted, Drifted]
    altered(lab, "ALTER TABLE lab.things DROP COLUMN mine")
    assert lab.loads() == []
    assert (lab.keys(), lab.incidents()) == ("abcd", [])


def test_contract_diff_says_what_each_load_would_do(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, other) = lab.told("contract", "diff", "lab.things")
    assert (one["where"], one["change"], other["change"]) == (LOAD, "the table is as asked for", one["change"])
    said = {
        "evolve": ("`apply` would say ALTER TABLE", 0),
        "freeze": ("the load is held (evolution: freeze); to accept: ALTER TABLE", 1),
        "quarantine": ("rows with a value that does not fit are set aside", 0),
    }
    for policy, (what, code) in said.items():
        lab.says(WIDE, policy)
        rows = lab.told("contract", "diff", "lab.things", code=code)
        assert [what in row["change"] for row in rows] == [True] * 4, rows
    old = Path(lab.env["WATERSHED_DOMAINS_DIR"]) / "lab" / "contracts" / "things.yaml"
    narrower = lab.folder / "things.yaml"
    narrower.write_text(old.read_text())
    lab.says((KEY, SEQ), "evolve")
    rows = lab.told("contract", "diff", str(narrower), "lab.things", code=1)
    assert {row["where"] for row in rows} == {"n", "note", LOAD, ELSEWHERE}
    rows = lab.told("contract", "diff", str(narrower), "lab.things", "--no-warehouses", code=1)
    assert {row["where"] for row in rows} == {"n", "note"}
    dead = json.loads(lab.env["AIRFLOW_CONN_WAREHOUSE"]) | {"port": 1}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(dead))
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE_DUCKDB")
    forget()
    rows = {row["where"]: row["change"] for row in lab.told("contract", "diff", "lab.things")}
    assert "cannot be looked at: TargetUnavailable" in rows[LOAD]
    assert "There is no Airflow Connection 'warehouse_duckdb'" in rows[ELSEWHERE]
    (error, another) = apply_all().errors
    assert "There is no Airflow Connection" in f"{error}{another}"


POINTS = ("stage.looked", "stage.rows", "publish.before", "publish.token", "publish.commit", "record.before")


def test_a_death_while_rows_are_set_aside_loses_and_doubles_none(lab: Lab) -> None:
    lab.applied(WIDE, "quarantine")
    for number, point in enumerate(POINTS):
        lab.file(f"w{number}", f"x{number},1,1.00,", f"y{number},1,1.00,has one", f"z{number},1,99999.00,")
        with pytest.MonkeyPatch.context() as patch, listening(act), suppress(SystemExit):
            patch.setenv(VARIABLE, json.dumps([{"at": f"load:{point}", "do": "exit"}]))
            lab.do(LOAD)
        lab.do(LOAD)
        assert len(lab.incidents()) == 1
    counted = lab.rows(f"SELECT sum(taken), sum(good), sum(refused) FROM hop WHERE consumer = '{LOAD}'", "ledger")
    assert counted == [(20, 8, 12)]
    assert lab.rows("SELECT count(*), count(DISTINCT k) FROM lab.things") == [(8, 8)]
    refused = f"SELECT sum(count) FROM refusal WHERE consumer = '{LOAD}' AND state = 'open'"
    assert lab.rows(refused, "ledger") == [(12,)]
    lab.applied(WIDE, "evolve")
    lab.told("quarantine", "redrive", "--dataset", LOAD, "--why", "there is room")
    assert lab.loads() == []
    assert lab.as_silver()
