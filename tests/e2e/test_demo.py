"""The demo itself, woken by bells alone: exact numbers, and what a person sees of it with a real browser."""

import json
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import polars as pl
from typer.testing import CliRunner

from common.cli.main import app
from common.core.nouns import Dataset
from common.ledger.refusals import Filter
from common.repair.decide import waive, waive_refusals
from common.upkeep.verify import verify
from common.zones.store import client, storage_options
from devstack.call_centre import DAYS, SEED, generated
from devstack.clinical import SEED as STUDY_SEED
from devstack.clinical import answers as in_cdms
from devstack.pictures import assets, take_asset_graph, take_message
from devstack.summary import answers
from devstack.tour import alerts, slack, wait_for
from domains.clinical.samples.study import STUDIES
from domains.clinical.samples.study import deliveries as studies
from domains.ecommerce.samples.shop import PURCHASES
from tests import recount_clinical, recount_telecoms
from tests.e2e.conftest import LATE, Shop
from tests.recount import recount
from tests.world import by

PICTURES = Path(__file__).parents[2] / "var" / "test"
WANTED = ("ecommerce.transactions.bronze", "ecommerce_transactions_to_silver", "ecommerce.transactions.silver")
SPOILED_FILES = {"binary": 1, "corrupt": 1, "empty": 1, "schema": 1, "truncated": 1, "unrouted": 1}


def said(words: str) -> list[str]:
    """List the messages of Slack that hold some words."""
    return [text for m in httpx.get(f"{slack()}/messages").json() if words in (text := m.get("text", ""))]


def test_the_answers_are_exact(shop: Shop) -> None:
    answers = shop.summary["answers"]
    assert {name: answers[name] for name in ("purchases", "customers", "revenue", "cds")} == {
        "purchases": 69_659,
        "customers": 23_570,
        "revenue": 2_500_315.63,
        "cds": 167_881,
    }
    assert answers == recount(PURCHASES)


def test_the_summary_is_left_in_a_file(shop: Shop) -> None:
    assert json.loads((shop.folder / "summary.json").read_text())["ecommerce"] == shop.summary


def test_the_call_centre_is_exact_and_a_day_that_is_missing_is_told(shop: Shop) -> None:
    answers, days = shop.call_centre["answers"], generated(DAYS, SEED)
    files = [(drop.key, drop.content) for drop in days.drops]
    known = recount_telecoms.complaints(files, [list(table.rows) for table in days.tables])
    assert answers["complaints"] == Counter(complaint[0] for complaint in known)
    assert answers["waiting"] == len(recount_telecoms.waiting(known))
    versions: dict[str, list[str]] = {}
    for agent, _, _, state, _ in recount_telecoms.agents(days.sheets):
        versions.setdefault(str(agent), []).append(state)
    assert answers["moved"] == {agent: states for agent, states in versions.items() if len(states) > 1}
    assert "Missing day: telecoms.web_forms" in shop.call_centre["alert"]
    waive(Dataset("telecoms", "web_forms"), str(days.missing[0]), by("nobody works on that day"))
    assert shop.run_to_its_end("watershed_watch") == "success"
    wait_for(lambda: said("Resolved: Missing day: telecoms"), lambda: None, "the end of it to be told")


def test_the_studies_have_the_forms_that_a_recount_gives(shop: Shop) -> None:
    drops = studies(STUDY_SEED).drops
    expected, answers = recount_clinical.forms(drops), shop.clinical["answers"]
    assert answers["items"] == len(expected)
    assert answers["subjects"] == Counter(study for study, _ in {place[:2] for place in expected})
    strangers = sum(not recount_clinical.enrolled(row) for row in recount_clinical.newest(drops, "demographics"))
    undelivered = [row for row in shop.clinical["refused"] if row["reason"] == "undelivered"]
    assert sum(row["count"] for row in undelivered if not row["column"]) == strangers
    waiting = [row for row in undelivered if row["column"] == "subject"]
    assert sum(row["count"] for row in waiting) == len(STUDIES)
    waive_refusals(Filter(consumer="clinical.adverse_events.silver", column="severity"), by("what waits may go on"))
    assert shop.run_to_its_end("clinical_to_veeva") == "success"
    wait_for(lambda: in_cdms()["forms"] == answers["forms"] + len(STUDIES), lambda: None, "what waited to be sent")


def test_only_the_demos_domains_take_part(shop: Shop) -> None:
    from common.contracts.catalogue import domains

    assert domains() == ["clinical", "ecommerce", "telecoms"]
    assert Path(shop.env["AIRFLOW__CORE__DAGS_FOLDER"]).is_relative_to(shop.folder)


def test_every_hop_accounts_for_everything(shop: Shop) -> None:
    hops = {hop["consumer"]: hop for hop in shop.summary["hops"]}
    assert len(hops) == 31
    for hop in hops.values():
        assert hop["in"] == hop["good"] + hop["merged"] + hop["refused"], hop
    assert hops["ecommerce.transactions.bronze"]["merged"] == 1
    assert hops["ecommerce.transactions.silver"]["good"] == 69_659
    assert hops["ecommerce.users.silver"]["good"] == 24_070  # versions of 23,570 customers
    for reason, count in SPOILED_FILES.items():
        assert shop.summary["refusals"][reason] == count
    assert shop.summary["refusals"]["unclosed_quote"] == 1
    assert sum(shop.summary["refusals"].values()) == sum(hop["refused"] for hop in hops.values())


def test_the_history_of_users_tells_who_has_moved(shop: Shop) -> None:
    current = "count(*) FILTER (WHERE is_current)"
    found = shop.rows(f"SELECT count(*), {current}, count(DISTINCT customer_id) FROM ecommerce.users_history")
    assert found == [(24_009, 23_570, 23_570)]  # of 500 who were sent again 61 lived where they live now


def test_quarantined_lines_are_the_bytes_of_the_source(shop: Shop) -> None:
    import gzip

    places = {row["place"] for row in shop.summary["refused"] if row["of"] == "row"}
    seen = 0
    for place in places:
        rows = pl.read_parquet(place, storage_options=storage_options())
        for row in rows.filter(pl.col("offset").is_not_null()).iter_rows(named=True):
            body = client().get_object(Bucket="watershed", Key=f"bronze/{row['file']}")["Body"].read()
            content = gzip.decompress(body) if row["file"].endswith(".gz") else body
            assert content[row["offset"] :].startswith(row["text"]), row
            assert content[: row["offset"]].count(b"\n") == row["line"] - 1, row
            seen += 1
    assert seen == 49


def test_spoiled_files_are_kept_as_they_came(shop: Shop) -> None:
    for row in shop.summary["refused"]:
        if "/files/" in row["place"]:
            at = urlsplit(row["place"])
            found = client().head_object(Bucket=at.netloc, Key=unquote(at.path.lstrip("/")))
            assert found["ContentLength"] >= 0
    assert shop.keys("raw/") == []


def test_the_alert_says_what_where_and_why(shop: Shop) -> None:
    (message,), (over,) = alerts(), alerts(resolved=True)
    text = json.dumps(message["blocks"])
    for part in (
        "ecommerce_master",
        "check",
        "demo__",
        "*Try*",
        "No stage 'platinum' in ecommerce. Known: bronze",
        "|Open the log>",
    ):
        assert part in text
    assert over["text"] == "✅ Resolved: Failed: ecommerce_master.check"
    assert shop.summary["resolved"] == over["text"]


def test_the_events_of_assets_carry_the_counts_of_their_hops(shop: Shop) -> None:
    told: dict[str, int] = {}
    for event in shop.ask("/assets/events?limit=500")["asset_events"]:
        if counts := event["extra"].get("counts"):
            consumer = event["extra"]["consumer"]
            told[consumer] = told.get(consumer, 0) + counts["taken"]
    hops = {hop["consumer"]: hop["in"] for hop in shop.summary["hops"] if hop["in"]}
    assert {name: told.get(name) for name in hops} == hops


def test_one_more_row_changes_exactly_that_row(shop: Shop) -> None:
    before = {key for key in shop.keys("gold/ecommerce/fact_transactions/month=") if "1998-06" not in key}
    answers = shop.summary["answers"]
    days = shop.rows("SELECT day, revenue FROM ecommerce.daily_revenue WHERE day <> '1998-06-30'")
    shop.land("transactions/late/one.csv", b"customer_id,date,number_of_cds,dollar_value\n00001,19980630,2,10.00\n")
    shop.settle()
    found = shop.rows("SELECT count(*), sum(amount), sum(cds) FROM ecommerce.fact_transactions")[0]
    assert (found[0], float(found[1]), found[2]) == (
        answers["purchases"] + 1,
        round(answers["revenue"] + 10, 2),
        answers["cds"] + 2,
    )
    assert sorted(shop.rows("SELECT day, revenue FROM ecommerce.daily_revenue WHERE day <> '1998-06-30'")) == sorted(
        days
    )
    assert {key for key in shop.keys("gold/ecommerce/fact_transactions/month=") if "1998-06" not in key} == before


def test_task_logs_are_json_and_say_what_they_are_about(shop: Shop) -> None:
    logs = (shop.folder / "stack" / "airflow" / "logs").rglob("*.log")
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines() if '"hop published"' in line]
    told = {line["consumer"] for line in lines}
    assert {hop["consumer"] for hop in shop.summary["hops"]} == {name for name in told if name.startswith(shop.domain)}
    assert all(line["hop"] >= 1 and line["run_id"] and line["dag_id"] for line in lines)


def test_a_run_that_misses_its_deadline_is_told_and_so_is_its_end(shop: Shop) -> None:
    """The watch closes what Airflow says has ended."""
    about = f"Overdue: {LATE}"
    wait_for(lambda: said(about), lambda: None, "the deadline of a run that waits")
    shop.let_go(LATE)
    wait_for(lambda: not shop.active(LATE), lambda: None, "the run to end")
    assert shop.run_to_its_end("watershed_watch") == "success"
    wait_for(lambda: said(f"Resolved: {about}"), lambda: None, "the end of it to be told")


def test_a_monitor_outside_sees_that_all_is_well(shop: Shop) -> None:
    asked = CliRunner().invoke(app, ["status", "--check"])
    assert (asked.exit_code, asked.output) == (0, "All is well.\n")


def test_upkeep_runs_beside_everything_and_changes_nothing(shop: Shop) -> None:
    before = answers()
    for dag_id in ("watershed_compact", "watershed_retention"):
        assert shop.run_to_its_end(dag_id) == "success"
    assert answers() == before
    assert list(verify()) == []


def test_the_asset_graph_shows_the_way_through_the_zones(shop: Shop) -> None:
    assert {"ecommerce.raw", "ecommerce.transactions.bronze", "ecommerce.fact_transactions@warehouse"} <= set(assets())
    picture = PICTURES / "asset-graph.png"
    nodes = take_asset_graph(picture, WANTED)
    assert picture.stat().st_size > 10_000
    assert not [text for text in nodes if "start" in text], "a node of the machinery"


def test_the_alert_is_to_be_seen(shop: Shop) -> None:
    picture = PICTURES / "alert.png"
    take_message("slack", picture, "No stage")
    assert picture.stat().st_size > 10_000


def test_what_the_master_checks_is_read_by_the_runs_that_it_starts(shop: Shop) -> None:
    assert shop.run_to_its_end("ecommerce_master", stages=["silver"]) == "success"
    other = {"settings": {"bucket": "another"}, "contracts": {}}
    assert shop.run_to_its_end("ecommerce_load", master=other) == "failed"
    (message,) = [found for found in alerts() if "ecommerce_load" in json.dumps(found["blocks"])]
    assert "checked bucket = 'another', this worker has" in json.dumps(message["blocks"])
