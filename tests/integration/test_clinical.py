"""The sample studies, from the files of their sites to forms in CDMS: the numbers are those that a recount gives."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from common.ledger.database import transaction
from common.ledger.refusals import Filter, matching
from common.pipelines.kinds import consumers
from common.upkeep.verify import verify
from devstack.folder import INCLUDE
from domains.clinical.samples.study import SITES, STUDIES, TYPING_ERROR, Deliveries, deliveries
from tests.edc import Edc
from tests.recount_clinical import enrolled, forms, newest
from tests.world import World, new_world

SEED = 2026


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
    assert by_rule == {("form", ""): len(strangers), ("item", "pulse"): sum(wrong.values())}
    with transaction() as connection:
        strays = matching(connection, Filter(reason="path"))
    assert sorted((row["column"], row["count"]) for row in strays) == [("site", 1)] * 2 + [("study", 1)] * 2
    assert list(verify()) == []


def test_the_sample_data_is_the_same_for_the_same_seed(handed_over: Deliveries) -> None:
    assert deliveries(SEED) == handed_over
    assert deliveries(SEED + 1).drops != handed_over.drops


def test_every_study_has_a_consumer_for_each_form(clinical: World) -> None:
    assert {consumer.name for consumer in consumers("clinical", "deliver")} == {
        f"clinical.{form}@{study}" for form in ("demographics", "vital_signs", "adverse_events") for study in STUDIES
    }
