"""The sample studies, from the files of their sites to forms in CDMS: the numbers are those that a recount gives."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import polars as pl
import pytest

from common.core.errors import ConfigError
from common.ledger.database import transaction
from common.ledger.journal import entries
from common.ledger.refusals import Filter, matching
from common.pipelines.kinds import consumers
from common.repair.decide import export_queries
from common.upkeep.verify import verify
from devstack.folder import INCLUDE
from domains.clinical.samples.study import LAST, SITES, STUDIES, TYPING_ERROR, Deliveries, deliveries
from tests.edc import Edc
from tests.recount_clinical import enrolled, forms, newest
from tests.world import World, new_world

SEED = 2026
WRONG = {
    "accepted": lambda line: "terrible" in line or "ONC-999" in line,
    "form": lambda line: f"101-{LAST:03d}" in line,
    "item": lambda line: TYPING_ERROR in line.split(","),
    "path": lambda line: line.startswith("ONC-102") or ",201," in line,
}


@pytest.fixture
def handed_over() -> Deliveries:
    return deliveries(SEED)


@pytest.fixture
def edc(stack: Mapping[str, str], handed_over: Deliveries) -> Iterator[Edc]:
    for name, made in handed_over.studies.items():
        httpx.put(f"{stack['STANDINS_URL']}/veeva/studies/{name}", json=made).raise_for_status()
    found = Edc(stack["STANDINS_URL"])
    yield found
    found.close()


@pytest.fixture
def clinical(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    alone = tmp_path / "domains"
    left_out = shutil.ignore_patterns("__pycache__", "samples")
    shutil.copytree(INCLUDE / "domains" / "clinical", alone / "clinical", ignore=left_out)
    with new_world(stack, tmp_path / "world", "clinical", alone) as made:
        yield made


def test_what_sites_hand_over_is_in_cdms_once_and_what_is_refused_in_quarantine(
    clinical: World, edc: Edc, handed_over: Deliveries
) -> None:
    for drop in handed_over.drops:
        clinical.land(drop.key, drop.content)
    done = clinical.flow()
    log = [one for study in STUDIES for one in edc.log(study)]
    places = [
        tuple(one[n] for n in ("study_name", "subject", "event_name", "form_sequence", "item_name")) for one in log
    ]
    held = {place: str(one["value"]) for place, one in zip(places, log, strict=True)}
    assert held == forms(handed_over.drops)
    assert [place for place, times in Counter(places).items() if times > 1] == []

    vitals = newest(handed_over.drops, "vital_signs")
    wrong = Counter(row["STUDYID"] for row in vitals if row["PULSE"] == TYPING_ERROR)
    for study in STUDIES:
        assert done[f"clinical.demographics@{study}"].refused == len(SITES)
        assert done[f"clinical.vital_signs@{study}"].refused == wrong[study] > 0
        assert (
            done[f"clinical.vital_signs@{study}"].good == sum(row["STUDYID"] == study for row in vitals) - wrong[study]
        )
    strangers = [row for row in newest(handed_over.drops, "demographics") if not enrolled(row)]
    with transaction() as connection:
        refused = matching(connection, Filter(reason="undelivered"))
    by_rule = Counter[tuple[str, str]]()
    for row in refused:
        by_rule[row["rule"], row["column"]] += row["count"]
    assert by_rule == {
        ("form", ""): len(strangers),
        ("item", "pulse"): sum(wrong.values()),
        ("waiting", "subject"): len(STUDIES),
    }
    with transaction() as connection:
        strays = matching(connection, Filter(reason="path"))
    assert sorted((row["column"], row["count"]) for row in strays) == [("site", 1)] * 2 + [("study", 1)] * 2
    assert list(verify()) == []


def test_a_site_is_asked_about_its_own_records_without_any_value(
    clinical: World, edc: Edc, handed_over: Deliveries, tmp_path: Path
) -> None:
    drops = {drop.key: drop.content for drop in handed_over.drops if drop.key.startswith("ONC-101/")}
    drops["ONC-101/101/vital_signs/cut.csv"] = b"STUDYID,SITEID\nONC-101,101\n"
    for key, content in drops.items():
        clinical.land(key, content)
    clinical.flow()
    assert export_queries("clinical/ONC-101/101", tmp_path / "queries.csv", "ann") == 7
    asked = pl.read_csv(tmp_path / "queries.csv").rows(named=True)
    rules = [
        (one["file"].removeprefix("clinical/ONC-101/101/"), one["rule"] or one["reason"], one["column"])
        for one in asked
    ]
    assert sorted(rules) == [
        ("adverse_events/1.csv", "accepted", "severity"),
        ("demographics/1.csv", "form", ""),
        ("vital_signs/1_again.csv", "item", "pulse"),  # the later of two equal rows
        ("vital_signs/cut.csv", "schema", ""),
        ("vital_signs/strays.csv", "path", "site"),
        ("vital_signs/strays.csv", "path", "study"),
        ("vital_signs/unknown.csv", "accepted", "study"),
    ]
    for one in asked:
        if one["line"] is not None:
            line = drops[one["file"].removeprefix("clinical/")].decode().splitlines()[one["line"] - 1]
            assert WRONG[one["rule"]](line), one
            assert not set(line.split(",")[3:]) & {*filter(None, map(str, [*one.values()][3:]))}, (
                "no value of the row is there"
            )
    assert sum(one["line"] is not None for one in asked) == len(asked) - 1
    with transaction() as connection:
        assert entries(connection)[-1].what == "quarantine.queries"
    with pytest.raises(ConfigError, match=r"No domain 'ONC-101'.*Known: clinical"):
        export_queries("ONC-101/101", tmp_path / "q.csv", "ann")


def test_the_sample_data_is_the_same_for_the_same_seed(handed_over: Deliveries) -> None:
    assert deliveries(SEED) == handed_over
    assert deliveries(SEED + 1).drops != handed_over.drops


def test_every_study_has_a_consumer_for_each_form(clinical: World) -> None:
    assert {consumer.name for consumer in consumers("clinical", "deliver")} == {
        f"clinical.{form}@{study}" for form in ("demographics", "vital_signs", "adverse_events") for study in STUDIES
    }
