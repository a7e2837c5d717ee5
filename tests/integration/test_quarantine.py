"""What was refused is found, mended and sent again through the same gates, once; every decision is in the audit log."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from common.cli.main import app
from common.core.errors import ConfigError, DataError
from common.ledger import journal
from common.ledger.database import transaction
from common.ledger.refusals import Filter
from common.repair import decide
from common.repair.decide import discard, exported, redrive
from common.upkeep.verify import verify
from tests.world import World, by, other_contract

RUN = CliRunner()
HEAD = "customer_id,date,number_of_cds,dollar_value\n"
USERS = "customer_id,name,email,country,signed_up_on,updated_at\n"


def told(*arguments: str) -> str:
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def listed(*arguments: str) -> list[dict[str, object]]:
    return list(json.loads(told("quarantine", "ls", "--json", *arguments)))


def rows(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT customer_id, amount::text FROM ecommerce.fact_transactions ORDER BY 1, 2")


@pytest.fixture
def spoiled(world: World) -> World:
    """Four purchases: one good, one short line, one wrong date, one negative price."""
    lines = "00001,19970101,1,1.00\nshort\n00003,1997-13-01,1,3.00\n00004,19970104,1,-4.00\n"
    world.land("transactions/a.csv", (HEAD + lines).encode())
    world.flow()
    return world


def test_rows_are_mended_and_sent_again_once(spoiled: World, tmp_path: Path) -> None:
    before = spoiled.silver("transactions").select("_file", "_record")
    file = tmp_path / "mend.csv"
    assert exported(Filter(consumer="ecommerce.transactions"), file, "tester") == (3, "rows")
    frame = pl.read_csv(file, infer_schema=False)
    assert frame.sort("record")["line"].to_list() == ["3", "4", "5"]
    assert frame.filter(pl.col("line") == "3")["text"].item() == "short"
    mended = frame.with_columns(
        pl.Series("customer_id", ["00002", "00003", "00004"]),
        pl.Series("date", ["19970102", "19970103", "still wrong"]),
        pl.Series("number_of_cds", ["1", "1", "1"]),
        pl.Series("dollar_value", ["2.00", "3.00", "4.00"]),
    )
    mended.write_csv(file)
    told("quarantine", "redrive", "--rows", str(file), "--why", "mended by hand", "--now")
    assert [amount for _, amount in rows(spoiled)] == ["1.00", "2.00", "3.00"]
    after = spoiled.silver("transactions").sort("_record")
    assert after["_file"].n_unique() == 1
    assert after["_record"].to_list() == [1, 2, 3], "a record keeps its identity through a re-drive"
    assert before.height == 1
    states = {(r["reason"], r["state"]) for r in listed()}
    assert states == {("short_row", "redriven"), ("type", "redriven"), ("minimum", "redriven"), ("type", "open")}
    with pytest.raises(ConfigError, match=r"was redriven by .* already; nothing was changed"):
        redrive(Filter(), by("again"), rows=file)
    assert not any(counts.taken for counts in spoiled.flow().values())
    assert list(verify()) == []


def test_a_mended_contract_takes_what_it_refused(spoiled: World, tmp_path: Path) -> None:
    (negative,) = listed("--reason", "minimum")
    with other_contract(spoiled, tmp_path, "transactions", lambda text: text.replace("minimum: 0,", "minimum: -100,")):
        redrive(Filter(ids=(str(negative["id"]),)), by("refunds are allowed now"))
        spoiled.flow()
        assert [amount for _, amount in rows(spoiled)] == ["1.00", "-4.00"]
        assert {(r["reason"], r["state"]) for r in listed()} == {
            ("minimum", "redriven"),
            ("short_row", "open"),
            ("type", "open"),
        }
        assert list(verify()) == []


def test_what_is_still_wrong_is_refused_again_and_counted_once(spoiled: World) -> None:
    redrive(Filter(consumer="ecommerce.transactions"), by("try"))
    done = spoiled.flow()["ecommerce.transactions.silver"]
    assert (done.taken, done.good, done.refused) == (3, 0, 3)
    assert sorted(str(r["state"]) for r in listed()) == ["open"] * 3 + ["redriven"] * 3
    assert len(rows(spoiled)) == 1


def test_an_import_that_does_not_fit_changes_nothing(spoiled: World, tmp_path: Path) -> None:
    file = tmp_path / "mend.csv"
    exported(Filter(consumer="ecommerce.transactions"), file, "tester")
    frame = pl.read_csv(file, infer_schema=False)
    for wrong, why in (
        (frame.with_columns(pl.lit("99").alias("record")), "lacks 1 of them and has 1 others"),
        (pl.concat([frame, frame]), "the file has 2"),
        (frame.drop("dollar_value"), "lacks the columns dollar_value"),
        (frame.with_columns(pl.lit("no such").alias("refusal")), "There is no refusal no such"),
    ):
        wrong.write_csv(file)
        with pytest.raises(ConfigError, match=why):
            redrive(Filter(), by("x"), rows=file)
    file.write_text("what,is,this\n")
    with pytest.raises(ConfigError, match="is not a file of"):
        redrive(Filter(), by("x"), rows=file)
    assert {r["state"] for r in listed()} == {"open"}
    assert not any(counts.taken for counts in spoiled.flow().values())


def test_discarded_rows_end_with_who_and_why_and_stay_discarded(spoiled: World) -> None:
    assert discard(Filter(reason="short_row"), by("a test line")) == 1
    (ended,) = listed("--state", "discarded")
    assert ended["why"] == "a test line"
    assert ended["who"]
    with pytest.raises(ConfigError, match="was discarded by"):
        redrive(Filter(ids=(str(ended["id"]),)), by("no"))
    with pytest.raises(ConfigError, match="No open refusal is meant"):
        discard(Filter(reason="short_row"), by("again"))
    assert "quarantine.discard" in told("audit", "ls")
    assert "whole" in told("audit", "verify")


def test_files_are_sent_again_after_a_mend_or_to_a_new_dataset(world: World, tmp_path: Path) -> None:
    world.land("transactions/bad.csv", b"a,b\n1,2\n")
    world.land("purchases/x.csv", f"{HEAD}00007,19970107,1,7.00\n".encode())
    world.flow()
    assert {r["reason"] for r in listed()} == {"schema", "unrouted"}
    assert exported(Filter(reason="schema"), tmp_path / "files", "tester") == (1, "files")
    assert [path.read_bytes() for path in (tmp_path / "files").iterdir()] == [b"a,b\n1,2\n"]
    fixed = tmp_path / "fixed.csv"
    fixed.write_text(f"{HEAD}00008,19970108,1,8.00\n")
    redrive(Filter(reason="schema"), by("sent by mail"), file=fixed)
    with pytest.raises(
        ConfigError, match=r"No dataset of domain 'ecommerce', or more than one, claims ecommerce/purchases/x\.csv"
    ):
        redrive(Filter(reason="unrouted"), by("where to"))
    redrive(Filter(reason="unrouted"), by("these are purchases"), to="ecommerce.transactions")
    world.flow()
    assert rows(world) == [("00007", "7.00"), ("00008", "8.00")]
    assert {r["state"] for r in listed()} == {"redriven"}
    assert not any(counts.taken for counts in world.flow().values())
    assert list(verify()) == []


def test_personal_data_is_masked_wherever_it_is_listed(world: World) -> None:
    world.land(
        "users/u.csv", f"{USERS}00001,Ann Secret,no address,us,1996-01-01,1997-01-01T00:00:00Z\nAnn Short\n".encode()
    )
    world.flow()
    shown = "".join(
        told("quarantine", "show", str(r["id"])) + told("quarantine", "show", str(r["id"]), "--json") for r in listed()
    )
    assert "•••" in shown
    for secret in ("Ann", "Secret", "no address"):
        assert secret not in shown
        assert secret not in told("quarantine", "ls")
        assert secret not in json.dumps(world.rows("SELECT detail FROM incident", "ledger"))


def test_a_tampered_audit_log_is_found(spoiled: World) -> None:
    discard(Filter(reason="short_row"), by("one"))
    discard(Filter(reason="minimum"), by("two"))
    assert RUN.invoke(app, ["audit", "verify"]).exit_code == 0
    for change, found in (
        ("UPDATE audit_log SET who = 'nobody' WHERE n = 1", "entry 1 .* was changed after it was written"),
        ("DELETE FROM audit_log WHERE n = 2", "entries from 2 on are missing"),
    ):
        with transaction() as connection:
            connection.exec_driver_sql("UPDATE refusal SET decision = NULL")
            connection.exec_driver_sql(change)
        result = RUN.invoke(app, ["audit", "verify", "--json"])
        assert result.exit_code == 1
        assert any(pl.Series([row["fault"]]).str.contains(found).item() for row in json.loads(result.output))


def test_two_people_who_decide_at_once_end_a_refusal_once(
    spoiled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One mends the rows while the other, who saw them open too, discards them: the second is told so."""
    from threading import Thread

    file = tmp_path / "mend.csv"
    exported(Filter(reason="minimum"), file, "tester")
    file.write_text(file.read_text().replace("-4.00", "4.00"))
    outcomes: list[str] = []

    def second() -> None:
        try:
            discard(Filter(reason="minimum"), by("rubbish"))
            outcomes.append("discarded")
        except ConfigError as error:
            outcomes.append(str(error))

    real, other = decide.mended_batches, Thread(target=second)

    def slowly(*given: Any) -> Any:
        derived = real(*given)
        other.start()
        other.join(2)
        return derived

    monkeypatch.setattr(decide, "mended_batches", slowly)
    try:
        redrive(Filter(), by("mended"), rows=file)
        outcomes.append("redriven")
    except ConfigError as error:
        outcomes.append(str(error))
    other.join()
    spoiled.flow()
    (state,) = {r["state"] for r in listed("--reason", "minimum")}
    assert (state == "redriven") == (len(rows(spoiled)) == 2), outcomes
    assert sum("No open refusal" in said or "already" in said for said in outcomes) == 1


def test_a_decision_that_was_cut_off_before_its_commit_is_not_made_a_second_time_otherwise(
    spoiled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal has the first mend, the ledger does not know it yet; a second mend of the same rows is refused."""
    file = tmp_path / "mend.csv"
    exported(Filter(reason="minimum"), file, "tester")
    file.write_text(file.read_text().replace("-4.00", "4.00"))
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(journal, "enter", die)
        with pytest.raises(KeyboardInterrupt):
            redrive(Filter(), by("first"), rows=file)
    assert {r["state"] for r in listed("--reason", "minimum")} == {"open"}
    file.write_text(file.read_text().replace(",4.00", ",5.00"))
    with pytest.raises(ConfigError, match=r"was redriven by .* already"):
        redrive(Filter(), by("second"), rows=file)
    spoiled.flow()
    assert [amount for _, amount in rows(spoiled)] == ["1.00", "4.00"]
    assert list(verify()) == []


def test_a_file_sent_to_a_dataset_that_there_is_not_stays_refused(world: World) -> None:
    world.land("purchases/x.csv", f"{HEAD}00007,19970107,1,7.00\n".encode())
    world.flow()
    with pytest.raises(ConfigError, match="transacions"):
        redrive(Filter(reason="unrouted"), by("a slip"), to="ecommerce.transacions")
    assert {r["state"] for r in listed()} == {"open"}


def test_a_decision_about_nothing_in_particular_is_refused(spoiled: World, tmp_path: Path) -> None:
    for wrong in (["discard", "--why", "x"], ["redrive", "--why", "x"], ["export", "--to", str(tmp_path / "x.csv")]):
        result = RUN.invoke(app, ["quarantine", *wrong])
        assert isinstance(result.exception, ConfigError), wrong
    assert {r["state"] for r in listed()} == {"open"}


def test_wrong_files_are_answered_with_a_sentence(spoiled: World, tmp_path: Path) -> None:
    file, good = tmp_path / "mend.csv", tmp_path / "good.csv"
    exported(Filter(consumer="ecommerce.transactions"), file, "tester")
    good.write_bytes(file.read_bytes())
    file.write_bytes(file.read_bytes().replace(b"00004", "0000\u00e9".encode("cp1252")))
    for why, wrong in (
        ("redrive", ["--rows", str(file)]),
        ("redrive", ["--rows", str(tmp_path / "none.csv")]),
        ("redrive", ["--rows", str(tmp_path)]),
        ("redrive", ["--rows", str(good), "--reason", "minimum"]),
        ("redrive", ["--rows", str(good), "--file", str(good)]),
        ("redrive", [str(listed()[0]["id"]), "--rows", str(good)]),
        ("export", ["--to", str(tmp_path / "no" / "such.csv"), "--reason", "minimum"]),
        ("export", ["--to", str(tmp_path), "--reason", "minimum"]),
    ):
        reason = ["--why", "x"] if why == "redrive" else []
        result = RUN.invoke(app, ["quarantine", why, *wrong, *reason])
        assert isinstance(result.exception, ConfigError), (wrong, result.exception)
    spoiled.land("transactions/bad.csv", b"a,b\n1,2\n")
    spoiled.flow()
    for wrong_file in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError):
            redrive(Filter(reason="schema"), by("x"), file=wrong_file)
    assert {r["state"] for r in listed()} == {"open"}


def test_rows_mended_in_a_spreadsheet_come_back(spoiled: World, tmp_path: Path) -> None:
    """With a byte order mark, CRLF, columns in another order, and a newline inside quotes."""
    file = tmp_path / "mend.csv"
    exported(Filter(reason="minimum"), file, "tester")
    frame = pl.read_csv(file, infer_schema=False).with_columns(pl.lit("4.00").alias("dollar_value"))
    frame = frame.with_columns(pl.lit("line\nbroken").alias("text"))
    frame.select(sorted(frame.columns)).write_csv(file, include_bom=True, line_terminator="\r\n", quote_style="always")
    redrive(Filter(), by("by hand"), rows=file)
    spoiled.flow()
    assert rows(spoiled) == [("00001", "1.00"), ("00004", "4.00")]


def test_a_column_of_the_platforms_own_name_in_a_file_is_a_column_like_any_other(world: World) -> None:
    """`origin_record` tells in mended files which record each row was, and nothing in files that landed."""
    lines = "00001,19970101,1,1.00,7\n00002,19970102,1,2.00,x\nshort\n"
    world.land("transactions/a.csv", f"{HEAD[:-1]},origin_record\n{lines}".encode())
    world.flow()
    assert world.silver("transactions").sort("_record")["_record"].to_list() == [1, 2]
    assert list(verify()) == []


def test_an_error_of_warehouse_or_model_opens_an_incident_without_the_values_it_quotes(
    world: World, tmp_path: Path
) -> None:
    def land(name: str, number: int) -> None:
        line = f"0000{number},Ann,ann@secret.com,us,1996-01-01,1997-01-0{number}T00:00:00Z\n"
        world.land(f"users/{name}", f"{USERS}{line}".encode())
        with suppress(DataError):
            world.flow()

    def incidents() -> str:
        return json.dumps(world.rows("SELECT detail FROM incident WHERE kind = 'stopped'", "ledger"))

    with psycopg.connect(world.env["WAREHOUSE_URL"]) as connection:
        connection.execute("ALTER TABLE ecommerce.dim_users ADD CONSTRAINT one_email UNIQUE (email)")
    land("1.csv", 1)
    land("2.csv", 2)
    assert "one_email" in incidents()
    assert "secret" not in incidents()
    with other_contract(
        world,
        tmp_path,
        "dim_users",
        lambda text: text.replace("name, email", "CAST(CAST(email AS INT) AS VARCHAR) AS name, email"),
    ):
        land("3.csv", 3)
        assert "dim_users" in incidents()
        assert "secret" not in incidents()


def test_rows_whose_columns_are_named_like_the_platforms_own_are_mended_too(world: World, tmp_path: Path) -> None:
    def named(text: str) -> str:
        return text.replace("physicalName: dollar_value", "physicalName: value").replace(
            "physicalName: date", "physicalName: record"
        )

    with other_contract(world, tmp_path, "transactions", named):
        world.land("transactions/a.csv", b"customer_id,record,number_of_cds,value\n00004,19970104,1,-4.00\nshort\n")
        world.flow()
        file = tmp_path / "mend.csv"
        exported(Filter(reason="minimum"), file, "tester")
        frame = pl.read_csv(file, infer_schema=False)
        assert (frame["value"].item(), frame["_record"].item(), frame["record"].item()) == ("-4.00", "1", "19970104")
        frame.with_columns(pl.lit("4.00").alias("value")).write_csv(file)
        redrive(Filter(), by("mended"), rows=file)
        world.flow()
        assert rows(world) == [("00004", "4.00")]
        assert list(verify()) == []
