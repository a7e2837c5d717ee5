"""Find out which columns the objects of JSON have, in all of a file: a key may come late."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from common.core.errors import UnreadableFile
from common.core.shape import Format, Shape
from common.formats import jsontext
from common.formats.arrays import elements
from common.formats.blocks import after_lines, blocks
from common.formats.bounds import require_columns
from common.formats.encodings import mark_of, transcode
from common.formats.grammar import TAKEN_FOR_COMPRESSED
from common.formats.jsonlines import known_lines
from common.formats.names import unique_names
from common.formats.sample import Sample
from common.formats.streams import opened

_BLOCK = 4 << 20
_ENOUGH = 5000  # objects that are enough to know what the columns hold


@dataclass
class _Keys:
    """The keys seen so far, in order, and whether all values of each were strings; None: there was no value."""

    seen: dict[str, bool | None] = field(default_factory=dict)
    objects: int = 0

    def add(self, found: dict[str, Any]) -> None:
        self.objects += 1
        for key, value in found.items():
            known = self.seen.get(key)
            self.seen[key] = known if value is None else known is not False and type(value) is str

    def add_names(self, found: Iterable[str]) -> None:
        for key in found:
            self.seen.setdefault(key, False)
        require_columns(len(self.seen))


def shape_of_lines(sample: Sample, expected: Sequence[str]) -> Shape:
    """Return the shape of newline-delimited JSON. Raises UnreadableFile (unrecognised, too_long, too_wide)."""
    keys = _Keys()
    lines = (line.encode() for line in sample.text.split("\n") if line.strip())
    good = (found for found, reason in map(jsontext.record, lines) if reason is None)
    for found in islice(good, _ENOUGH):
        keys.add(found)
    require_columns(len(keys.seen))
    if not sample.whole or keys.objects == _ENOUGH:
        _add_late_keys(sample, keys)
    return _shape("ndjson", sample, keys, expected)


def _add_late_keys(sample: Sample, keys: _Keys) -> None:
    bare = Shape("ndjson", sample.compression, sample.encoding, None, None, header=False, columns=())
    known: tuple[int, str | None] = (-1, None)
    for text in _texts(sample, bare):
        if known[0] != len(keys.seen):
            known = (len(keys.seen), known_lines(tuple(keys.seen)))
        for line in _others(text, known[1]):
            found, reason = jsontext.record(line)
            if reason is None:
                keys.add_names(found)


def _texts(sample: Sample, bare: Shape) -> Iterator[bytes]:
    newline = "\n".encode(sample.encoding)
    with opened(sample.path, sample.compression) as source:
        begin = source.read(8)
        begin, _ = after_lines(source, begin, mark_of(begin, sample.encoding), newline, 0)
        for block in blocks(source, begin, bare, _BLOCK):
            yield transcode(block, sample.encoding)


def _others(text: bytes, known: str | None) -> Sequence[bytes]:
    """Return the lines that may have another key."""
    if text.startswith(TAKEN_FOR_COMPRESSED):
        return text.split(b"\n")
    try:
        lines = pl.read_lines(text)["line"]
        return [line.encode() for line in (lines.filter(~lines.str.contains(known)) if known else lines)]
    except PolarsError:  # some line is not UTF-8
        return text.split(b"\n")


def shape_of_document(sample: Sample, expected: Sequence[str]) -> Shape:
    """Return the shape of a JSON array, or objects one after another, read to its end. Raises UnreadableFile."""
    bare = Shape("json", sample.compression, sample.encoding, None, None, header=False, columns=())
    keys = _Keys()
    for element in elements(sample.path, bare):
        if element.reason is None:
            keys.add(element.value)
            require_columns(len(keys.seen))
    return _shape("json", sample, keys, expected)


def _shape(kind: Format, sample: Sample, keys: _Keys, expected: Sequence[str]) -> Shape:
    if not keys.seen:
        if keys.objects and not expected:
            raise UnreadableFile("unrecognised", "The objects of the file have no keys.")
        names = unique_names(expected)
        bare = Shape(kind, sample.compression, sample.encoding, None, None, header=False, columns=names)
        return replace(bare, absent=names)
    columns = unique_names(keys.seen)
    strings = tuple(c for c, strings in zip(columns, keys.seen.values(), strict=True) if strings)
    shape = Shape(kind, sample.compression, sample.encoding, None, None, header=False, columns=columns, strings=strings)
    return shape if columns == tuple(keys.seen) else replace(shape, keys=tuple(keys.seen))


READERS: dict[str, Callable[[Sample, Sequence[str]], Shape]] = {"ndjson": shape_of_lines, "json": shape_of_document}
