"""Find out how a delimited text is written: delimiter, quote, header and column names."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from common.core.errors import ContractError, UnreadableFile
from common.core.shape import Dialect, Shape
from common.formats.bounds import require_columns
from common.formats.fields import Fields
from common.formats.grammar import lines_of
from common.formats.lineends import undoubled
from common.formats.names import BLANKS
from common.formats.sample import Sample

_DELIMITERS = (",", "\t", ";", "|")
_HINTS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}
_SINGLE = re.compile(r"(?:^|[,;|\t])'[^'\n]*'(?=[,;|\t\r\n]|$)", re.MULTILINE)
_ENOUGH = 500  # records that are enough to tell a dialect by
_DATA = re.compile(
    r"[-+]?[$€£]?[\d.,' ]*\d[\d.,]*\s*[%-]?"
    r"|[-+]?\d*[.,]?\d+e[-+]?\d+"  # exponents
    r"|\([\d.,' ]*\d[\d.,]*\)|0x[0-9a-f]+"
    r"|[-+]?(inf|infinity|nan)|#?n/?a|\\n|true|false|null"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}[-/. ][a-z]{3,9}[-/. ,]+\d{2,4}|[a-z]{3,9} \d{1,2}, ?\d{4}"
    r"|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[ap]m)?(z|[-+]\d{2}:?\d{2})?"
    r"|\d{8}T\d{4,6}.*|p(?=t?\d)(\d+[ymwd])*(t(\d+([.]\d+)?[hms])+)?"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{1,3}(\.\d{1,3}){3}"
    r"|\S+@\S+\.\S+|https?://\S+",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r'"?sep=(.)"?\r?(?:\n|\r|\Z)', re.IGNORECASE)
_MOST_CELLS = 1_000_000  # of all rows that are looked at


@dataclass(frozen=True)
class Layout:
    """How a delimited text is written; `skip` counts the physical lines above the first record."""

    delimiter: str
    quote: str | None
    columns: tuple[str, ...]
    header: bool
    skip: int
    escape: str | None = None


@dataclass(frozen=True)
class _Trial:
    """The first records of a text as one delimiter would have them."""

    delimiter: str
    rows: list[list[str]]
    skip: int  # physical lines up to the end of the first record
    broken: str | None = None  # a first line that is no record

    @property
    def first(self) -> list[str]:
        return self.rows[0] if self.rows else []

    @cached_property
    def width(self) -> int:
        """How many fields most records have."""
        widths = Counter(map(len, self.rows[1:] or self.rows))
        return max(widths, key=lambda width: (widths[width], width)) if widths else 1

    @property
    def share(self) -> float:
        """How many of the records have this width."""
        return sum(len(row) == self.width for row in self.rows) / max(len(self.rows), 1)

    @property
    def typed(self) -> float:
        """How many values look like numbers, dates and the like."""
        cells = [cell.strip() for row in self.rows[1:101] for cell in row[:1000]]
        return round(sum(_DATA.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1), 1)

    def score(self, expected: Sequence[str]) -> tuple[float, ...]:
        whole = len(self.first) == self.width and self.width > 1
        return (
            _known(self.first, expected),
            whole,
            self.width > 1,
            self.broken is None,
            round(self.share, 1),
            self.delimiter == "\t",
            self.typed,
            self.width,
        )


def layout(sample: Sample, declared: Dialect, expected: Sequence[str], newline: str) -> Layout:
    """Find out how a text is written, from its beginning.

    Raises UnreadableFile (header, too_wide), and ContractError for a delimiter that cannot be.
    """
    if declared.escape:
        _single(declared.escape)
        declared = replace(declared, escape=None if declared.escape == (declared.quote or '"') else declared.escape)
    text, above = _below_title(sample.text, declared.skip, newline)
    if (named := _SEPARATOR.match(text)) and declared.delimiter in (None, named[1]):
        declared = replace(declared, delimiter=named[1])
        text, above = text[named.end() :], above + 1
    quote = _quote(text) if declared.quote is None else declared.quote or None
    trial = _best(text, sample.suffix, declared, expected, (quote, newline))
    require_columns(max(trial.width, len(trial.first)))
    quote = None if trial.delimiter == BLANKS else quote
    if trial.broken and declared.header is not False:
        raise _no_header(f"the first line cannot be read as names: {trial.broken[:200]!r}", trial)
    if _has_header(trial, expected) if declared.header is None else declared.header:
        skip = above + trial.skip + declared.below
        return Layout(
            trial.delimiter, quote, tuple(_names(trial, declared)), header=True, skip=skip, escape=declared.escape
        )
    names = expected if len(expected) == trial.width else [""] * trial.width
    return Layout(trial.delimiter, quote, tuple(names), header=False, skip=above, escape=declared.escape)


def _below_title(text: str, lines: int, newline: str) -> tuple[str, int]:
    at = 0
    for _ in range(lines):
        at = text.find(newline[-1], at) + 1 or len(text)
    return text[at:], lines


def _no_header(why: str, trial: _Trial) -> UnreadableFile:
    at = next((at for at, row in enumerate(trial.rows) if len(row) == trial.width), 0)
    title = f" If the lines above record {at + 1} are a title, declare how many lines to pass over: skip." if at else ""
    message = (
        f"The header does not fit the rows: {why}. Which value belongs to which name cannot be told.{title} "
        "In the contract's dialect say `header: false`, `rownames: true` (rows begin with a name of their own) or "
        "`trailing: true` (rows end with a delimiter), where that is so."
    )
    return UnreadableFile("header", message)


def _quote(text: str) -> str:
    if '"' in text or "'" not in text:
        return '"'
    single = len(_SINGLE.findall(text))
    return "'" if single > 1 and single * 4 > text.count("'") else '"'


def _best(text: str, suffix: str, declared: Dialect, expected: Sequence[str], marks: tuple[str | None, str]) -> _Trial:
    raw = undoubled(text.encode(), marks[1])
    if declared.delimiter is not None:
        single = _single(declared.delimiter)
        return _trial_of_blanks(text) if single == BLANKS else _trial(raw, single, declared, *marks)
    usual = _HINTS.get(suffix, ",")
    trials = [_trial(raw, delimiter, declared, *marks) for delimiter in dict.fromkeys((usual, *_DELIMITERS))]
    best = max(trials, key=lambda trial: trial.score(expected))
    if best.width > 1 and (best.share > 0.5 or _known(best.first, expected)):
        return best
    blanks = _trial_of_blanks(text)
    wanted = marks[1] != "\r" and (suffix not in _HINTS or blanks.width == len(expected))
    if wanted and blanks.share > 0.6 and len(blanks.first) == blanks.width > 1:
        return blanks
    return trials[0]


def _single(delimiter: str) -> str:
    if len(delimiter.encode()) != 1 or delimiter in "\r\n":
        raise ContractError(f"A delimiter or an escape is one ASCII character; not {delimiter!r}.")
    return delimiter


def _trial(raw: bytes, delimiter: str, declared: Dialect, quote: str | None, newline: str) -> _Trial:
    fields = Fields(shape_of(delimiter, quote, newline, declared))
    end_of_line = fields.newline
    rows: list[list[str]] = []
    broken: str | None = None
    at = skip = cells = 0
    for _ in range(_ENOUGH):
        if at >= len(raw) or cells > _MOST_CELLS:
            break
        found = fields.record.match(raw, at)
        end = found.end() if found else raw.find(end_of_line, at) + 1 or len(raw)
        skip += 0 if rows else lines_of(raw[at:end], end_of_line)
        if found and found[0].strip(b"\r\n"):
            require_columns(found[0].count(fields.delimiter) // 10)  # before room is made for them
            rows.append([value.decode() for value in fields.split(found[0])])
            cells += len(rows[-1])
        elif not found and not rows and broken is None:
            broken = raw[at:end].decode().rstrip("\r\n")
        at = end
    return _Trial(delimiter, rows, skip, broken)


def shape_of(delimiter: str, quote: str | None, newline: str, declared: Dialect) -> Shape:
    """Return the shape of a text of which only its marks are known."""
    bare = Shape("csv", "none", "utf-8", delimiter, quote, header=False, columns=(), newline=newline)
    return replace(bare, escape=declared.escape, trim=declared.trim, formulas=declared.formulas)


def _trial_of_blanks(text: str) -> _Trial:
    lines = text.split("\n")
    skip = next((place for place, line in enumerate(lines, start=1) if line.strip()), 0)
    rows = list(islice((line.split() for line in lines if line.strip()), _ENOUGH))
    return _Trial(BLANKS, rows, skip)


def _known(row: Sequence[str], expected: Sequence[str]) -> int:
    return len({name.strip().casefold() for name in row} & {name.casefold() for name in expected})


def _has_header(trial: _Trial, expected: Sequence[str]) -> bool:
    """Tell names from data: by the expected names, else because no name looks like a number, a date or a time."""
    if _known(trial.first, expected):
        return True
    return bool(trial.first) and not any(cell.strip() and _DATA.fullmatch(cell.strip()) for cell in trial.first)


def _names(trial: _Trial, declared: Dialect) -> list[str]:
    """Return the header's names; a delimiter at its own end makes no difference. Raises UnreadableFile (header)."""
    names, rows = trial.first, [row for row in trial.rows[1:] if len(row) == trial.width]
    if declared.rownames:
        return ["", *names]
    if declared.trailing:
        return [*names, ""]
    if rows and trial.width == len(names) - 1 and not names[-1].strip():
        return names[:-1]
    if trial.width > len(names) and len(rows) * 2 > len(trial.rows) - 1:
        raise _no_header(f"it has {len(names)} names ({', '.join(names)[:200]}), rows have {trial.width} fields", trial)
    return names
