"""Where a dataset comes from that no producer puts into raw: a sheet, a table of a database, a folder elsewhere."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

DURATION = re.compile(r"([1-9][0-9]*)(s|m|h|d)")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
WHOLE = re.compile(r"[1-9][0-9]*")
CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
SIGN = re.compile(r"%.?")
SIGNS = {"%Y": "[0-9]{4}", "%m": "[0-9]{2}", "%d": "[0-9]{2}", "%j": "[0-9]{3}"}
OF_A_DAY = ({"%Y", "%m", "%d"}, {"%Y", "%j"})  # signs that together name one day and no other


class SourceKind(StrEnum):
    """What a source is."""

    SHEET = "sheet"
    TABLE = "table"
    FOLDER = "folder"


@dataclass(frozen=True)
class SourceSpec:
    """What a contract says of its source; the words of other kinds are empty.

    `schedule` is a cron in the local time of `zone`, which is also the zone of the days of a table a day. `overlap` is
    a duration (`15m`) before a watermark that is a time, or a whole number before one that is a number. `due` is a time
    of the day after the one that a table is of.
    """

    kind: str
    conn: str
    schedule: str
    zone: str = "UTC"
    spreadsheet: str = ""
    range: str = ""
    table: str = ""
    watermark: str = ""
    overlap: str = ""
    since: str = ""
    due: str = ""
    url: str = ""
    pattern: str = ""

    @property
    def daily(self) -> bool:
        """Return whether it is one table a day, whose name holds the date."""
        return self.kind == SourceKind.TABLE and "%" in self.table

    @property
    def first_day(self) -> date:
        """Return the first day that has a table."""
        return date.fromisoformat(self.since)

    @property
    def what(self) -> str:
        """Name what is read, as people know it."""
        return {"sheet": f"{self.spreadsheet} {self.range}".strip(), "table": self.table}.get(self.kind, self.url)


def duration(text: str) -> timedelta | None:
    """Read a duration such as `15m`; None where it is none."""
    found = DURATION.fullmatch(text)
    return timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else None
