"""Read a text format of any size: whole lines in a bounded window, records by the format's grammar."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from common.core.shape import Shape
from common.formats.blocks import after_lines, ahead, blocks
from common.formats.chunk import Chunk, Spot, good_numbers, malformed, numbered
from common.formats.encodings import mark_of, transcode
from common.formats.grammar import Clean, Grammar, Parsed, Place, parse
from common.formats.lineends import undoubled
from common.formats.rawlines import RawLines, Unit
from common.formats.streams import opened


def read_lines(path: Path, shape: Shape, grammar: Grammar, chunk_bytes: int) -> Iterator[Chunk]:
    """Read a text file, at least one chunk. Raises UnreadableFile (encoding, unrecognised)."""
    some = False
    for unit, parsed, raw in _units(path, shape, grammar, chunk_bytes):
        yield _chunk(unit, parsed, raw, shape, grammar)
        some = True
    if not some:
        yield _chunk(Unit(0, 0, 1, 0, 1, 0), Parsed(), b"", shape, grammar)


def _chunk(unit: Unit, parsed: Parsed, raw: bytes, shape: Shape, grammar: Grammar) -> Chunk:
    lines = RawLines(raw, shape)
    spots = lines.spots(unit, parsed.refused) if parsed.refused else []
    numbers = good_numbers(unit.record, unit.records, [spot.record for spot in spots])
    return Chunk(
        numbered(parsed.frames, shape.columns, numbers),
        malformed([(spot, place.reason or "") for spot, (_, place) in zip(spots, parsed.refused, strict=True)]),
        partial(_locate, lines, raw[: unit.size], shape, grammar, unit),
    )


def _units(path: Path, shape: Shape, grammar: Grammar, size: int) -> Iterator[tuple[Unit, Parsed, bytes]]:
    """Yield stretches of the file with what was read from them; an incomplete record waits for the next."""
    newline = shape.newline[-1].encode(shape.encoding)
    with opened(path, shape.compression) as source:
        begin = source.read(8)
        begin, offset = after_lines(source, begin, mark_of(begin, shape.encoding), newline, shape.skip)
        record, line, carry = 1, 1 + shape.skip, b""
        ready = ahead(blocks(source, begin, shape, size), partial(_clean, grammar, shape))
        for block, clean in chain(ready, ((b"", None),)):
            raw = carry + block if carry else block
            if not raw:
                continue
            if clean and not carry:
                parsed, used = Parsed.of(clean), len(raw)
            else:
                parsed, used = _parse(grammar, shape, raw, final=not block or not raw.endswith(newline))
            unit = Unit(offset, used, record, parsed.records, line, parsed.lines)
            record, line, offset = record + parsed.records, line + parsed.lines, offset + used
            carry = raw[used:]
            yield unit, parsed, raw


def _clean(grammar: Grammar, shape: Shape, raw: bytes) -> Clean | None:
    return grammar.clean(_text(raw, shape))


def _text(raw: bytes, shape: Shape) -> bytes:
    return undoubled(transcode(raw, shape.encoding), shape.newline)


def _parse(grammar: Grammar, shape: Shape, raw: bytes, *, final: bool) -> tuple[Parsed, int]:
    """Parse a unit that is not clean; return also how many of its own bytes were used."""
    text = _text(raw, shape)
    parsed = parse(grammar, text, final=final)
    if parsed.consumed == len(text):
        return parsed, len(raw)
    if shape.encoding == "utf-8" and len(shape.newline) == 1:
        return parsed, parsed.consumed
    return parsed, RawLines(raw, shape).end_of(parsed.lines)


def _locate(
    lines: RawLines, raw: bytes, shape: Shape, grammar: Grammar, unit: Unit, records: Sequence[int]
) -> list[Spot]:
    wanted = [record - unit.record for record in records]
    return lines.spots(unit, list(zip(wanted, _places(grammar, raw, shape, unit, wanted), strict=True)))


def _places(grammar: Grammar, raw: bytes, shape: Shape, unit: Unit, wanted: Sequence[int]) -> list[Place]:
    """Return the places of some records of a unit."""
    if unit.lines == unit.records:  # then each record is one line, and none is blank
        return [Place(0, 0, line, 1) for line in wanted]
    text = _text(raw, shape)
    places = grammar.places(text, 0, len(text), final=True)[0]
    return [places[number] for number in wanted]
