"""A domain with studies whose vital signs are delivered as forms, beside the stand-in of their Vault."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contracts import write_contract
from tests.edc import Edc, design
from tests.world import World, new_world

DOMAIN = "trial"
SUBJECTS = ("101-001", "101-002", "102-001")
HEAD = "study,site,subject,visit,n,measured,pulse,position,changed\n"
DELIVER = (
    "{conn: veeva_default, study: study, form: VS, country: {value: Germany}, site: {column: site}, "
    "subject: {column: subject}, eventGroup: {column: visit, codes: {v1: eg_SCREEN, v2: eg_TREAT}}, "
    "event: {column: visit, codes: {v1: ev_V01, v2: ev_V02}}, formSequence: n, items: ["
    "{group: ig_VS, item: PULSE, column: pulse, unit: beats/min}, "
    "{group: ig_VS, item: POS, column: position, codes: {sitting: SITTING, supine: SUPINE, standing: STANDING}}, "
    "{group: ig_VS, item: VSDAT, column: measured}]}"
)


def columns(*studies: str) -> list[str]:
    """Return the columns of vital signs of some studies."""
    accepted = ", ".join(f"{{value: {study}}}" for study in studies)
    key = "required: true, primaryKey: true"
    return [
        f"name: study, logicalType: string, {key}, primaryKeyPosition: 1, enum: [{accepted}]",
        "name: site, logicalType: string, required: true",
        f"name: subject, logicalType: string, {key}, primaryKeyPosition: 2, classification: pii",
        f"name: visit, logicalType: string, {key}, primaryKeyPosition: 3, enum: [{{value: v1}}, {{value: v2}}]",
        f"name: n, logicalType: integer, {key}, primaryKeyPosition: 4, logicalTypeOptions: {{minimum: 1}}",
        "name: measured, logicalType: date",
        "name: pulse, logicalType: integer",
        "name: position, logicalType: string, enum: [{value: sitting}, {value: supine}, {value: standing}]",
        "name: changed, logicalType: timestamp",
    ]


def contracts(*studies: str, **other: str) -> Path:
    """Write the contract of vital signs into a folder of domains."""
    folder = Path(tempfile.mkdtemp(prefix="watershed-trial-"))
    words = {"latest": "[changed, arrival]", "deliver": DELIVER, **other}
    write_contract(folder / DOMAIN, "vitals", columns(*studies), words)
    return folder


class Trial:
    """A world with two studies, and what CDMS has of them."""

    def __init__(self, world: World, edc: Edc, other: str) -> None:
        self.world, self.edc, self.other = world, edc, other

    @property
    def consumer(self) -> str:
        """The consumer of the first study."""
        return f"{DOMAIN}.vitals@{self.edc.study}"

    def line(self, subject: str, pulse: Any, **other: Any) -> str:
        """Write one measurement of a subject, of the first study and the first visit unless told otherwise."""
        told = {"study": self.edc.study, "visit": "v1", "n": 1, "position": "supine", "day": 1, **other}
        place = f"{told['study']},{subject.partition('-')[0]},{subject},{told['visit']},{told['n']}"
        return f"{place},2025-03-01,{pulse},{told['position']},2025-03-{told['day']:02d}T00:00:00Z\n"

    def land(self, name: str, *lines: str) -> None:
        """Land a file and refine it."""
        self.world.land(f"vitals/{name}.csv", (HEAD + "".join(lines)).encode())
        self.world.flow("bronze", "silver")

    def held(self, study: str = "") -> dict[tuple[str, str, int, str], str]:
        """Read what CDMS holds now: the last value that each item was set to."""
        return {
            (one["subject"], one["event_name"], one["form_sequence"], one["item_name"]): one["value"]
            for one in self.edc.log(study)
        }


@contextmanager
def trial(stack: Mapping[str, str], folder: Path) -> Iterator[Trial]:
    """Give a world with two studies for the length of a block."""
    edc = Edc(stack["STANDINS_URL"])
    other = f"{edc.study}-B"
    with edc.studies(design(*SUBJECTS), other), new_world(stack, folder, DOMAIN, contracts(edc.study, other)) as world:
        yield Trial(world, edc, other)
