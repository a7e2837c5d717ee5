"""Find out what a file is, from its content first, and refuse one that could not be read to its end."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from common.core.errors import UnreadableFile
from common.core.settings import limits
from common.core.shape import Compression, Dialect, Shape
from common.formats import jsontext
from common.formats.bounds import require_length
from common.formats.columnar import verify_parquet
from common.formats.dialects import layout
from common.formats.encodings import detect, mark_of, verify
from common.formats.foreign import refuse_bytes, refuse_markup
from common.formats.jsonshape import shape_of_document, shape_of_lines
from common.formats.lineends import newline_of
from common.formats.names import BLANKS, unique_names
from common.formats.sample import Sample
from common.formats.streams import opened

_SAMPLE = 4 << 20
_BLOCK = 4 << 20
_COMPRESSED: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_PARQUET = b"PAR1"
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff", b"\xff\xfe", b"\xfe\xff")
_SUFFIXES = {".csv", ".tsv", ".tab", ".psv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet"}
_JSON = {".json", ".ndjson", ".jsonl"}
_OBJECT = re.compile(r'\{\s*("(?:[^"\\]|\\.)*"\s*:|\}|\Z)')


def sniff(path: Path, name: str, declared: Dialect | None = None, columns: Sequence[str] = ()) -> Shape:
    """Find out what a file is; `name` is a hint only, `columns` are those that are expected.

    Raises UnreadableFile with a word of docs/formats.md. A file that passes can be decompressed to its end, and where
    it is one document (JSON array, Parquet) read to its end.
    """
    declared = declared or Dialect()
    with path.open("rb") as file:
        head = file.read(16)
    compression = _compression(head)
    begin, whole = _begin(path, compression)
    refuse_bytes(begin, compressed=compression != "none")
    if begin.startswith(_PARQUET) or declared.format == "parquet":
        names = verify_parquet(path, compression)
        return Shape("parquet", compression, "binary", None, None, header=False, columns=names)
    encoding = detect(begin, declared.encoding)
    verify(path, compression, encoding)
    text = begin[mark_of(begin, encoding) :].decode(encoding, "replace")
    if whole and not text.strip():
        raise _empty()
    refuse_markup(text)
    sample = Sample(path, _suffix(name), compression, encoding, text, whole)
    match declared.format or _kind(sample):
        case "ndjson":
            return shape_of_lines(sample, columns)
        case "json":
            return shape_of_document(sample, columns)
        case _:
            return _csv(sample, declared, columns)


def _compression(head: bytes) -> Compression:
    return next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), "none")


def _begin(path: Path, compression: Compression) -> tuple[bytes, bool]:
    """Return the beginning of a file, in whole lines if it can be, and whether that is all of it.

    A compressed file is read to its end.

    Raises UnreadableFile (empty, truncated, corrupt, unrecognised, too_large).
    """
    with opened(path, compression) as source:
        begin = source.read(_SAMPLE)
        while b"\n" not in begin and len(begin) <= limits().max_record_bytes and (block := source.read(_BLOCK)):
            begin += block
        blank, more = not _unmarked(begin).strip(), False
        while (blank or compression != "none" or not more) and (block := source.read(_BLOCK)):
            blank, more = blank and not block.strip(), True
    if blank:
        raise _empty()
    return (begin[: begin.rfind(b"\n") + 1] or begin if more else begin), not more


def _unmarked(begin: bytes) -> bytes:
    return next((begin.removeprefix(mark) for mark in _MARKS if begin.startswith(mark)), begin)


def _empty() -> UnreadableFile:
    return UnreadableFile("empty", "The file holds nothing, or nothing but white space.")


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix in _SUFFIXES), "")


def _kind(sample: Sample) -> str:
    """Tell JSON, NDJSON and delimited text apart."""
    text = sample.text.lstrip()
    lines = [line.strip() for line in text[: 1 << 20].splitlines()[:200] if line.strip()]
    whole = [jsontext.reason(line.encode()) is None for line in lines]
    if sum(whole) > len(whole) / 2:
        return "ndjson"
    if text.startswith("{"):
        return _kind_of_objects(sample, lines, whole)
    if text.startswith("["):
        return "json" if sample.suffix in _JSON or _begins_json(text[1:].lstrip()) else "csv"
    return "ndjson" if any(whole) else "csv"


def _kind_of_objects(sample: Sample, lines: Sequence[str], whole: Sequence[bool]) -> str:
    """Tell objects that are lines from those that go over several, and from a header in braces."""
    closed = [line.startswith("{") and line.endswith("}") for line in lines]
    if (any(whole) and all(closed)) or (whole[0] and not _goes_on(lines)):
        return "ndjson"
    if _begins_json(sample.text.lstrip()):
        return "json"
    if any(whole) or (sample.suffix in _JSON - {".json"} and closed[0]):
        return "ndjson"
    return "json" if sample.suffix in _JSON or _OBJECT.match(lines[0]) else "csv"


def _goes_on(lines: Sequence[str]) -> bool:
    """Return whether objects are printed over several lines, or one after the other on a line."""
    return any(line in ("{", "}") or line.endswith("}{") for line in lines)


def _begins_json(text: str) -> bool:
    """Return whether the first element of what may be an array, or a sequence, can be decoded."""
    try:
        jsontext.DECODER.raw_decode(text)
    except jsontext.RepeatedKey:
        return True
    except RecursionError:
        return True
    except ValueError:
        return text.startswith("]")
    return True


def _csv(sample: Sample, declared: Dialect, expected: Sequence[str]) -> Shape:
    if not sample.whole and "\n" not in sample.text:
        require_length(len(sample.text) if "\r" not in sample.text else 0, 1)
    newline = newline_of(sample.text, declared)
    found = layout(sample, declared, expected, newline)
    tabular = len(found.columns) > 1 and found.delimiter != BLANKS
    if sample.suffix in _JSON and declared.format is None and not tabular:
        raise UnreadableFile("unrecognised", "The file is called JSON, but it is neither JSON nor delimited text.")
    return Shape(
        "csv",
        sample.compression,
        sample.encoding,
        found.delimiter,
        found.quote,
        found.header,
        unique_names(found.columns),
        skip=found.skip,
        newline=newline,
        escape=found.escape,
        trim=declared.trim,
        formulas=declared.formulas,
    )
