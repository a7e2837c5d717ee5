"""Where the rows of a dataset go as forms of a study, as frozen data: what a contract says under `deliver`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """One part of a form: a `value`, or what a column holds, by its `codes` where there are any, in a `unit`."""

    column: str = ""
    value: str = ""
    codes: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True)
class ItemSpec:
    """One item of an item group, and what it is to hold."""

    group: str
    item: str
    part: Part


@dataclass(frozen=True)
class DeliverSpec:
    """A row is one form of one subject: whose, at which event, which of its repeats, and what its items hold.

    `study` names the column that says of which study a row is; its accepted values are the studies.
    """

    conn: str
    study: str
    form: str
    country: Part
    site: Part
    subject: Part
    event_group: Part
    event: Part
    sequence: str = ""
    items: tuple[ItemSpec, ...] = ()

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Give each part with the word that a contract has for it."""
        yield from (("country", self.country), ("site", self.site), ("subject", self.subject))
        yield from (("eventGroup", self.event_group), ("event", self.event))
        yield from ((f"items/{item.item}", item.part) for item in self.items)

    @property
    def whose(self) -> tuple[str, ...]:
        """Name the columns that say of which study, site and subject a form is."""
        return tuple(filter(None, (self.study, self.country.column, self.site.column, self.subject.column)))

    @property
    def place(self) -> tuple[str, ...]:
        """Name the columns that tell one form of a study from another."""
        parts = (self.subject, self.event_group, self.event)
        return tuple(name for name in (self.study, *(part.column for part in parts), self.sequence) if name)
