"""What CDMS must hold of the sample studies, counted from their files without Watershed."""

import csv
import io
from collections.abc import Iterator, Sequence

from domains.clinical.samples.study import LAST, STUDIES, TYPING_ERROR, Drop

Row = dict[str, str]
Held = dict[tuple[str, str, str, int, str], str]
KEYS = {
    "demographics": ("STUDYID", "SUBJID"),
    "vital_signs": ("STUDYID", "SUBJID", "VISIT"),
    "adverse_events": ("STUDYID", "SUBJID", "AESEQ"),
}
SEX = {"F": "F", "M": "M", "Female": "F", "unk": "U"}
EVENTS = {"Screening": "ev_SCREEN", "Cycle 1": "ev_C1", "Cycle 2": "ev_C2"}


def newest(drops: Sequence[Drop], form: str) -> list[Row]:
    """Return the records of a form that the contract takes, of each key the one that was changed last.

    Those are left out that wait for a record of their subject which the contract has refused in an earlier file.
    """
    found: dict[tuple[str, ...], Row] = {}
    refused: dict[tuple[str, str], str] = {}
    for drop in drops:
        *place, folder, _ = drop.key.split("/")
        if folder == form:
            for row in csv.DictReader(io.StringIO(drop.content.decode())):
                key = tuple(row[name] for name in KEYS[form])
                taken = row["STUDYID"] in STUDIES and row.get("AESEV") != "terrible"
                subject = row["STUDYID"], row["SUBJID"]
                if row.get("AESEV") == "terrible":
                    refused.setdefault(subject, drop.key)
                taken &= refused.get(subject, drop.key) == drop.key
                if taken and [row["STUDYID"], row["SITEID"]] == place:
                    found[key] = max(found.get(key, row), row, key=lambda one: one["CHANGED"])
    return list(found.values())


def enrolled(row: Row) -> bool:
    """Return whether CDMS knows the subject of a record."""
    return not row["SUBJID"].endswith(f"-{LAST:03d}")


def forms(drops: Sequence[Drop]) -> Held:
    """Return every item that is to be set, by study, subject, event, number of the form, and name."""
    return {
        (row["STUDYID"], row["SUBJID"], event, sequence, item): value
        for form in KEYS
        for row in newest(drops, form)
        if enrolled(row)
        for event, sequence, items in [_form(form, row)]
        for item, value in items
        if value and value != TYPING_ERROR
    }


def _form(form: str, row: Row) -> tuple[str, int, Iterator[tuple[str, str]]]:
    if form == "demographics":
        said = {"BRTHYR": row["BRTHYR"], "SEX": SEX[row["SEX"]], "RFICDTC": row["RFICDTC"]}
        return "ev_SCREEN", 1, iter(said.items())
    if form == "vital_signs":
        names = ("VSDTC", "SYSBP", "DIABP", "PULSE", "TEMP", "WEIGHT")
        return EVENTS[row["VISIT"]], 1, ((name, row[name]) for name in names)
    said = {"AETERM": row["AETERM"], "AESTDTC": row["AESTDTC"]}
    said |= {"AESEV": row["AESEV"].upper(), "AESER": row["AESER"]}
    return "ev_COMMON", int(row["AESEQ"]), iter(said.items())
