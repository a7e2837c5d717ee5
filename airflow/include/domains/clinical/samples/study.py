"""Two made-up oncology studies: their design in CDMS, and the files that sites hand over, with what goes wrong."""

import csv
import io
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

STUDIES = ("ONC-101", "ONC-102")
SITES = {"101": "Germany", "102": "Germany", "201": "Sweden"}
VISITS = {"screening": ["eg_SCREEN", "ev_SCREEN"], "cycle 1": ["eg_TREAT", "ev_C1"], "cycle 2": ["eg_TREAT", "ev_C2"]}
TERMS = ("Nausea", "Fatigue", "Neutropenia", "Rash", "Diarrhoea", "Anaemia", "Headache", "Peripheral neuropathy")
FIRST = date(2025, 1, 6)
TYPING_ERROR = "999"  # a pulse that no study takes
AT_LAST = "2026-12-31T00:00:00Z"  # of rows that would win, if anything took them
LAST = 99  # number of the subject of each site that sites know of and CDMS does not
Row = dict[str, str]


@dataclass(frozen=True)
class Drop:
    """One file as it lands: its key below the domain's raw prefix, and its bytes."""

    key: str
    content: bytes


@dataclass(frozen=True)
class Deliveries:
    """All that is handed over: the studies as CDMS has them, and the files in their order."""

    studies: Mapping[str, Mapping[str, Any]]
    drops: Sequence[Drop]


def deliveries(seed: int, subjects: int = 4) -> Deliveries:
    """Make the files of all sites, each with so many subjects, and the designs of the studies."""
    drops, designs = list[Drop](), dict[str, Any]()
    for study in STUDIES:
        chance = random.Random(f"{seed} {study}")
        people = [_subject(study, site, number) for site in SITES for number in range(1, subjects + 1)]
        designs[study] = {"subjects": [_enrolled(person) for person in people], "forms": _forms()}
        drops += _drops(study, people, chance)
    return Deliveries(designs, drops)


def _subject(study: str, site: str, number: int) -> Row:
    return {"STUDYID": study, "COUNTRY": SITES[site], "SITEID": site, "SUBJID": f"{site}-{number:03d}"}


def _enrolled(person: Row) -> Row:
    return {"study_country": person["COUNTRY"], "site": person["SITEID"], "subject": person["SUBJID"]}


def _drops(study: str, people: Sequence[Row], chance: random.Random) -> Iterator[Drop]:
    """Make the files of a study: three forms a site, then corrections, a file again, and rows of other studies."""
    vitals = [row for person in people for row in _vital_signs(person, chance)]
    forms = {
        "demographics": [_demographics(person, chance) for person in people],
        "vital_signs": vitals,
        "adverse_events": [row for person in people for row in _adverse_events(person, chance)],
    }
    for form, rows in forms.items():
        for site in SITES:
            stranger = [_demographics(_subject(study, site, LAST), chance)] if form == "demographics" else []
            of_the_site = [*_of(site, rows), *stranger]
            if of_the_site:
                yield _drop(form, study, site, "1", _spoiled(form, of_the_site))
    spoiled = {(row["SUBJID"], row["VISIT"]) for site in SITES for row in _of(site, vitals)[:1]}
    held = {subject for subject, _ in spoiled}  # other rows of these wait or do not, by when they come
    sample = chance.sample(vitals, len(vitals) // 5)
    chosen = [row for row in sample if row["SUBJID"] not in held or (row["SUBJID"], row["VISIT"]) in spoiled]
    corrected = [_corrected(row, chance) for row in chosen]
    for site in SITES:
        if _of(site, corrected):
            yield _drop("vital_signs", study, site, "2", _of(site, corrected))
    for row in _of("101", forms["adverse_events"])[:1]:  # it waits, for the first of its subject is refused
        yield _drop("adverse_events", study, "101", "2", [row | {"AESEQ": str(LAST), "AETERM": "Vomiting"}])
    again = _of("101", vitals)
    yield _drop("vital_signs", study, "101", "1_again", _spoiled("vital_signs", again))
    yield _drop("vital_signs", study, "101", "unknown", [again[0] | {"STUDYID": "ONC-999"}])
    (other,) = {*STUDIES} - {study}
    strays = [again[1] | {"STUDYID": other, "CHANGED": AT_LAST}, again[2] | {"SITEID": "201", "CHANGED": AT_LAST}]
    yield _drop("vital_signs", study, "101", "strays", strays)


def _of(site: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["SITEID"] == site]


def _demographics(person: Row, chance: random.Random) -> Row:
    return {
        **person,
        "BRTHYR": str(chance.randint(1940, 2000)),
        "SEX": chance.choice(["F", "M", "Female", "unk"]),
        "RFICDTC": str(FIRST + timedelta(days=chance.randrange(60))),
        "CHANGED": _changed(chance, 60),
    }


def _vital_signs(person: Row, chance: random.Random) -> Iterator[Row]:
    for at, visit in enumerate(VISITS):
        yield {
            **person,
            "VISIT": visit.title(),
            "VSDTC": str(FIRST + timedelta(days=60 + 21 * at + chance.randrange(5))),
            "SYSBP": str(chance.randint(95, 160)),
            "DIABP": str(chance.randint(55, 95)),
            "PULSE": str(chance.randint(52, 110)),
            "TEMP": f"{chance.uniform(35.8, 38.9):.1f}",
            "WEIGHT": "" if chance.random() < 0.1 else f"{chance.uniform(48, 110):.1f}",
            "CHANGED": _changed(chance, 90 + 21 * at),
        }


def _adverse_events(person: Row, chance: random.Random) -> Iterator[Row]:
    for number in range(1, chance.randint(0, 3) + 1):
        began = FIRST + timedelta(days=70 + chance.randrange(60))
        partial = chance.random()
        yield {
            **person,
            "AESEQ": str(number),
            "AETERM": chance.choice(TERMS),
            "AESTDTC": f"{began:%Y-UNK-UN}" if partial < 0.1 else f"{began:%Y-%m-UN}" if partial < 0.3 else str(began),
            "AESEV": chance.choice(["Mild", "Moderate", "Severe"]),
            "AESER": chance.choice(["N", "N", "N", "Y"]),
            "CHANGED": _changed(chance, 140),
        }


def _changed(chance: random.Random, day: int) -> str:
    moment = datetime.combine(FIRST, datetime.min.time()) + timedelta(days=day, minutes=chance.randrange(1440))
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _corrected(row: Row, chance: random.Random) -> Row:
    """Return a record as the site has mended it a year later."""
    return row | {"PULSE": str(chance.randint(52, 110)), "WEIGHT": "71.5", "CHANGED": _changed(chance, 365)}


def _spoiled(form: str, rows: Sequence[Row]) -> list[Row]:
    """Spoil one record of a file: a pulse that only CDMS refuses, or a severity that the contract does."""
    wrong = {"vital_signs": {"PULSE": TYPING_ERROR}, "adverse_events": {"AESEV": "terrible"}}.get(form, {})
    return [rows[0] | wrong, *rows[1:]]


def _drop(form: str, study: str, site: str, name: str, rows: Sequence[Row]) -> Drop:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return Drop(f"{study}/{site}/{form}/{name}.csv", text.getvalue().encode())


def _forms() -> dict[str, Any]:
    """Return the forms of a study as CDMS has them."""
    events = list(VISITS.values())
    vitals = {
        "VSDTC": {"type": "date"},
        "SYSBP": {"type": "number", "min": 40, "max": 300, "units": ["mmHg"]},
        "DIABP": {"type": "number", "min": 20, "max": 200, "units": ["mmHg"]},
        "PULSE": {"type": "number", "min": 20, "max": 250, "units": ["beats/min"]},
        "TEMP": {"type": "number", "min": 30, "max": 45, "units": ["C"]},
        "WEIGHT": {"type": "number", "min": 20, "max": 300, "units": ["kg"]},
    }
    person = {"BRTHYR": {"type": "number"}, "SEX": {"codes": ["F", "M", "U"]}, "RFICDTC": {"type": "date"}}
    event = {
        "AETERM": {"type": "text"},
        "AESTDTC": {"type": "date"},
        "AESEV": {"codes": ["MILD", "MODERATE", "SEVERE"]},
        "AESER": {"codes": ["Y", "N"]},
    }
    return {
        "DM": {"events": [events[0]], "itemgroups": {"ig_DM": person}},
        "VS": {"events": events, "itemgroups": {"ig_VS": vitals}},
        "AE": {"events": [["eg_COMMON", "ev_COMMON"]], "itemgroups": {"ig_AE": event}},
    }
