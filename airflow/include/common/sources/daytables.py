"""One table a day: each is read once, whole, when its day is over in the zone of the source."""

from datetime import date, datetime
from pathlib import Path

from sqlalchemy import true

from common.contracts.contract import Contract
from common.contracts.sources import SourceSpec
from common.core.places import SourceRange
from common.sources.databases import reading
from common.sources.days import days_over, missing_days, table_of
from common.sources.source import Found, Gone, Known
from common.sources.tables import fetched, names_in, split, table_named


class DayTables:
    """The tables whose name says the day."""

    def __init__(self, spec: SourceSpec, contract: Contract) -> None:
        self.spec, self.needed = spec, frozenset(contract.sources)

    def suffix(self, pinned: SourceRange) -> str:
        """Return the ending of Parquet."""
        del pinned
        return ".parquet"

    def look(self, known: Known) -> Found:
        """Name the days that are over and have a table, and say what is missing."""
        schema, _ = split(self.spec.table)
        with reading(self.spec.conn, f"Look for tables {self.spec.table}") as connection:
            names = names_in(connection, schema)
        over = list(days_over(self.spec, known.at))
        there = [day for day in over if split(table_of(self.spec.table, day))[1] in names]
        missing = [day for day in over if day not in set(there)]
        return Found(tuple(self._range(day) for day in there), self._why(over, missing, known.at))

    def _range(self, day: date) -> SourceRange:
        return SourceRange("day", table_of(self.spec.table, day), day.isoformat(), upto=day.isoformat())

    def _why(self, over: list[date], missing: list[date], at: datetime) -> str:
        if not over:
            return f"no day since {self.spec.since} is over in {self.spec.zone}"
        if missing:
            return "; ".join(missing_days(self.spec, missing[-3:], at))
        return f"the table of every day up to {over[-1]} is recorded"

    def fetch(self, pinned: SourceRange, to: Path) -> int:
        """Read the table of the day; raises Gone where there is none any more."""
        with reading(self.spec.conn, f"Read table {pinned.source}") as connection:
            table = table_named(connection, pinned.source)
            if table is None:
                raise Gone(f"Table {pinned.source} is not there any more.")
            return fetched(connection, table, self.needed, true(), to)
