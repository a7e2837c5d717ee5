"""Find out how a delimited text is written: delimiter, quote, header and column names."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from common.core.errors import ContractError
from common.core.shape import Dialect
from common.formats.delimited import Fields
from common.formats.grammar import lines_of
from common.formats.names import BLANKS, unique_names

_DELIMITERS = (",", "\t", ";", "|")
_HINTS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}
_SINGLE = re.compile(r"(?:^|[,;|\t])'[^'\n]*'(?=[,;|\t\r\n]|$)", re.MULTILINE)
_ENOUGH = 500  # records that are enough to tell a dialect by
_DATA = re.compile(
    r"[-+]?[$€£]?[\d.,' ]*\d[\d.,]*\s*%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\S+@\S+\.\S+|true|false|null",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """How a delimited text is written; `skip` counts the physical lines above the first record."""

    delimiter: str
    quote: str | None
    columns: tuple[str, ...]
    header: bool
    skip: int


@dataclass(frozen=True)
class _Trial:
    """The first records of a text as one delimiter would have them."""

    delimiter: str
    rows: list[list[str]]
    skip: int  # physical lines up to the end of the first record

    @property
    def first(self) -> list[str]:
        return self.rows[0] if self.rows else []

    @property
    def width(self) -> int:
        """How many fields most records have."""
        widths = Counter(map(len, self.rows[1:] or self.rows))
        return max(widths, key=lambda width: (widths[width], width)) if widths else 1

    @property
    def share(self) -> float:
        """How many of the records have this width."""
        return sum(len(row) == self.width for row in self.rows) / max(len(self.rows), 1)

    def score(self, expected: Sequence[str]) -> tuple[float, ...]:
        whole = len(self.first) == self.width and self.width > 1
        return (_known(self.first, expected), whole, self.width > 1, round(self.share, 1), self.width)


def layout(text: str, suffix: str, declared: Dialect, expected: Sequence[str], newline: str) -> Layout:
    """Find out how a text is written, from its beginning. Raises ContractError for a delimiter that cannot be."""
    quote = _quote(text) if declared.quote is None else declared.quote or None
    trial = _best(text, suffix, declared, expected, (quote, newline))
    quote = None if trial.delimiter == BLANKS else quote
    if _has_header(trial, expected) if declared.header is None else declared.header:
        return Layout(trial.delimiter, quote, unique_names(_names(trial)), header=True, skip=trial.skip)
    names = expected if len(expected) == trial.width else [""] * trial.width
    return Layout(trial.delimiter, quote, unique_names(names), header=False, skip=0)


def _quote(text: str) -> str:
    single = len(_SINGLE.findall(text))
    return "'" if '"' not in text and single > 1 and single * 4 > text.count("'") else '"'


def _best(text: str, suffix: str, declared: Dialect, expected: Sequence[str], marks: tuple[str | None, str]) -> _Trial:
    if declared.delimiter is not None:
        return _trial(text, _single(declared.delimiter), *marks)
    usual = _HINTS.get(suffix, ",")
    trials = [_trial(text, delimiter, *marks) for delimiter in (usual, *_DELIMITERS)]
    best = max(trials, key=lambda trial: trial.score(expected))
    if best.width > 1 and (best.share > 0.5 or _known(best.first, expected)):
        return best
    blanks = _trial_of_blanks(text)
    wanted = marks[1] == "\n" and (suffix not in _HINTS or blanks.width == len(expected))
    if wanted and blanks.share > 0.6 and len(blanks.first) == blanks.width > 1:
        return blanks
    return trials[0]


def _single(delimiter: str) -> str:
    if len(delimiter.encode()) != 1 or delimiter in "\r\n":
        raise ContractError(f"A delimiter is one ASCII character, or a blank for white space; not {delimiter!r}.")
    return delimiter


def _trial(text: str, delimiter: str, quote: str | None, newline: str) -> _Trial:
    if delimiter == BLANKS:
        return _trial_of_blanks(text)
    end_of_line, raw = newline.encode(), text.encode()
    fields = Fields(delimiter, quote, end_of_line)
    rows: list[list[str]] = []
    at = skip = 0
    for _ in range(_ENOUGH):
        found = fields.record.match(raw, at)
        end = found.end() if found else raw.find(end_of_line, at) + 1 or len(raw)
        skip += 0 if rows else lines_of(raw[at:end], end_of_line)
        if found and found[0].strip(b"\r\n"):
            rows.append([value.decode() for value in fields.split(found[0])])
        at = end
    return _Trial(delimiter, rows, skip)


def _trial_of_blanks(text: str) -> _Trial:
    lines = text.split("\n")
    skip = next((place for place, line in enumerate(lines, start=1) if line.strip()), 0)
    rows = [line.split() for line in lines if line.strip()]
    return _Trial(BLANKS, rows[:_ENOUGH], skip)


def _known(row: Sequence[str], expected: Sequence[str]) -> int:
    return len({name.strip().casefold() for name in row} & {name.casefold() for name in expected})


def _has_header(trial: _Trial, expected: Sequence[str]) -> bool:
    """Tell names from data: by the expected names, else because no name looks like a number or a date."""
    if _known(trial.first, expected):
        return True
    return bool(trial.first) and not any(_DATA.fullmatch(cell.strip()) for cell in trial.first)


def _names(trial: _Trial) -> list[str]:
    """Return the header's names; a delimiter at the end of either header or rows alone makes no difference."""
    names, rows = trial.first, [row for row in trial.rows[1:] if len(row) == trial.width]
    if rows and trial.width == len(names) + 1 and not any(row[-1] for row in rows):
        return [*names, ""]
    if rows and trial.width == len(names) - 1 and not names[-1].strip():
        return names[:-1]
    return names
