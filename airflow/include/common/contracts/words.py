"""The words that Watershed adds to the standard, under `customProperties` of a contract or of a column."""

from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from common.contracts.contract import Evolution, LoadSpec, Numbers
from common.contracts.deliveries import DeliverSpec, ItemSpec, Part
from common.contracts.document import Document, Fault
from common.contracts.odcs import type_faults, word_faults
from common.contracts.sources import SourceSpec
from common.core.shape import Dialect


class Words(BaseModel):
    """Words that are taken as they stand: of the declared type, none unknown."""

    model_config = ConfigDict(strict=True, extra="forbid")


class NumberWords(Words):
    """How numbers are written: see Numbers."""

    decimal: str | None = None
    group: str | None = None
    symbols: list[str] | None = None
    negative: list[Literal["trailing", "parentheses"]] | None = None

    def spelling(self, default: Numbers) -> Numbers:
        """Return the spelling, with what is not said taken from the default."""
        return Numbers(
            default.decimal if self.decimal is None else self.decimal,
            default.group if self.group is None else self.group,
            default.symbols if self.symbols is None else tuple(self.symbols),
            default.negative if self.negative is None else tuple(self.negative),
        )


class ColumnWords(Words):
    """What a column may say besides the standard's words."""

    formats: list[Any] | None = None
    nulls: list[Any] = []
    case: Literal["lower", "upper", "title"] | None = None
    normalise: str | list[str] = []
    region: str | None = None
    spellings: dict[str, list[str]] = {}
    mailDomains: dict[str, list[str]] = {}
    numbers: NumberWords | None = None
    trueValues: list[Any] = []
    falseValues: list[Any] = []
    overlap: Literal["earlier", "later"] | None = None
    finer: Literal["cut"] | None = None


class PartitionWords(Words):
    """How rows are grouped in the table."""

    column: str | None = None
    by: str = "value"
    path: str | None = None


class FileWords(Words):
    """How files are known that do not land in the dataset's own folder: see FileRoute."""

    names: list[str] = []
    columns: list[str] = []
    path: str | None = None


class LoadWords(Words):
    """Where a table is loaded to and how."""

    to: str
    strategy: str
    table: str | None = None
    history: bool = False
    evolution: str = Evolution.EVOLVE
    track: list[str] | None = None
    validFrom: str | None = None
    validTo: str | None = None
    isCurrent: str | None = None

    def spec(self) -> LoadSpec:
        """Return the load."""
        return LoadSpec(
            to=self.to,
            strategy=self.strategy,
            table=self.table,
            history=self.history,
            evolution=self.evolution,
            track=None if self.track is None else tuple(self.track),
            valid_from=self.validFrom,
            valid_to=self.validTo,
            is_current=self.isCurrent,
        )


class DeletedWords(Words):
    """Which records say that a key is gone."""

    column: str
    values: list[Any]


class BatchWords(Words):
    """Rules for a batch as a whole."""

    maxRefusedShare: int | float | None = None
    minRows: int | float | None = None
    maxRows: int | float | None = None
    minOfMedian: int | float | None = None
    maxOfMedian: int | float | None = None
    maxAgeHours: int | float | None = None
    ageColumn: str | None = None
    knownColumns: bool = False


class SourceWords(Words):
    """Where the data comes from, and when it is fetched."""

    kind: str
    conn: str
    schedule: str
    zone: str = "UTC"
    spreadsheet: str = ""
    range: str = ""
    table: str = ""
    watermark: str = ""
    overlap: str | int = ""
    since: str = ""
    due: str = ""
    url: str = ""
    pattern: str = ""

    def spec(self) -> SourceSpec:
        """Return the source."""
        return SourceSpec(**{**self.model_dump(), "overlap": str(self.overlap)})


class PartWords(Words):
    """What a part of a form is taken from."""

    column: str = ""
    value: str = ""
    codes: dict[str, str] = {}
    unit: str = ""

    def spec(self) -> Part:
        """Return the part."""
        return Part(self.column, self.value, self.codes, self.unit)


class ItemWords(PartWords):
    """One item of an item group, and what it is taken from."""

    group: str
    item: str


class DeliverWords(Words):
    """Where rows are delivered to as forms of a study."""

    conn: str
    study: str
    form: str
    country: PartWords
    site: PartWords
    subject: PartWords
    eventGroup: PartWords
    event: PartWords
    formSequence: str = ""
    items: list[ItemWords]

    def spec(self) -> DeliverSpec:
        """Return the delivery."""
        return DeliverSpec(
            conn=self.conn,
            study=self.study,
            form=self.form,
            country=self.country.spec(),
            site=self.site.spec(),
            subject=self.subject.spec(),
            event_group=self.eventGroup.spec(),
            event=self.event.spec(),
            sequence=self.formSequence,
            items=tuple(ItemSpec(item.group, item.item, item.spec()) for item in self.items),
        )


class ContractWords(Words):
    """What a contract may say besides the standard's words."""

    latest: str | list[str] = []
    immutable: list[str] = []
    history: bool = False
    deleted: DeletedWords | None = None
    delivery: str = "append"
    partition: PartitionWords = PartitionWords()
    dialect: dict[str, Any] = {}
    files: FileWords = FileWords()
    load: list[LoadWords] = []
    batch: BatchWords = BatchWords()
    source: SourceWords | None = None
    deliver: DeliverWords | None = None
    engine: str | None = None
    owner: str = "data-platform"
    region: str | None = None


W = TypeVar("W", bound=Words)


def custom_words(document: Document, properties: Any, model: type[W], where: str) -> tuple[W, list[Fault]]:
    """Return the words of a list of custom properties, with what is wrong with them; wrong ones are left out.

    A property of another `vendor` is none of ours.
    """
    place, faults, words = f"{where}/customProperties", list[Fault](), dict[str, Any]()
    for item in properties if isinstance(properties, list) else []:
        name = item.get("property") if isinstance(item, dict) else None
        if not isinstance(name, str) or item.get("vendor") not in (None, "watershed"):
            continue
        if name in words:
            faults.append(Fault(f"{place}/{name}", f"'{name}' stands more than once; only one can be meant."))
        words[name] = item.get("value")
    if unknown := sorted(set(words) - set(model.model_fields)):
        faults.append(Fault(f"{place}/{unknown[0]}", _unknown(unknown, sorted(model.model_fields))))
    good = {}
    for name in [name for name in words if name in model.model_fields]:
        data = {name: words[name]}
        wrong = [*word_faults(data, model, place), *type_faults(document, model, place, data)]
        faults += wrong
        if not wrong:
            good[name] = words[name]
    return model.model_validate(good), faults


def dialect_words(document: Document, words: dict[str, Any]) -> tuple[Dialect, Numbers, list[Fault]]:
    """Return what a contract says of its files, with the signs of their numbers, and what is wrong with it."""
    where, good = "/customProperties/dialect", dict[str, Any]()
    wrong = list(word_faults(words, _DIALECT, where))
    for name in [name for name in words if name in _DIALECT.model_fields]:
        faults = list(type_faults(document, _DIALECT, where, {name: words[name]}))
        wrong += faults
        if not faults and words[name] is not None:
            good[name] = tuple(words[name]) if isinstance(words[name], list) else words[name]
    numbers = Numbers(good.pop("decimal", "."), good.pop("group", ""))
    return Dialect(**good), numbers, wrong


def _dialect_model() -> type[Words]:
    types = get_type_hints(Dialect)
    known: dict[str, Any] = {field.name: (types[field.name], field.default) for field in fields(Dialect)}
    return create_model("DialectWords", __base__=Words, decimal=(str | None, None), group=(str | None, None), **known)


_DIALECT = _dialect_model()


def _unknown(unknown: list[str], known: list[str]) -> str:
    near = {word: get_close_matches(word, known, 1) for word in unknown}
    hints = "".join(f" Is '{other[0]}' meant?" for other in near.values() if other)
    return f"no property {unknown}. Known: {', '.join(known)}.{hints}"
