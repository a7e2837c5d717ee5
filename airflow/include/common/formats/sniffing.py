"""Find out what a file is, from its content first, and refuse one that could not be read to its end."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from common.core.errors import UnreadableFile
from common.core.shape import Compression, Dialect, Format, Shape
from common.formats import jsontext
from common.formats.arrays import elements
from common.formats.columnar import verify_parquet
from common.formats.dialects import layout
from common.formats.encodings import detect, mark_of, verify
from common.formats.names import BLANKS, RECORD, unique_names
from common.formats.streams import opened

_SAMPLE = 4 << 20
_BLOCK = 4 << 20
_COMPRESSED: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_PARQUET = b"PAR1"
# What other programs write, told by its first bytes.
_FOREIGN = {
    b"\x28\xb5\x2f\xfd": "zstd, for which Python 3.11 has no decompressor; land it as gzip",
    b"BZh": "bzip2; land it as gzip",
    b"\xfd7zXZ": "xz; land it as gzip",
    b"7z\xbc\xaf": "7z; land it as gzip",
    b"ORC": "ORC; land it as Parquet",
    b"Obj\x01": "Avro; land it as Parquet",
    b"ARROW1": "Arrow IPC; land it as Parquet",
    b"\xd0\xcf\x11\xe0": "an old Office document; save it as CSV",
    b"%PDF": "PDF",
    b"<?xml": "XML",
    b"<!DOCTYPE": "HTML",
    b"<html": "HTML",
}
_SUFFIXES = {".csv", ".tsv", ".tab", ".psv", ".txt", ".json", ".ndjson", ".jsonl", ".parquet"}


_JSON = {".json", ".ndjson", ".jsonl"}
_ENOUGH = 5000  # objects that are enough to know the columns of newline-delimited JSON


@dataclass(frozen=True)
class _Sample:
    """The beginning of a file as text, and what is known of the file so far."""

    path: Path
    suffix: str
    compression: Compression
    encoding: str
    text: str


def sniff(path: Path, name: str, declared: Dialect | None = None, columns: Sequence[str] = ()) -> Shape:
    """Find out what a file is; `name` is a hint only, `columns` are those that are expected.

    Raises UnreadableFile (empty, truncated, corrupt, binary, unrecognised, encoding). A file that passes can
    be decompressed to its end, and where it is one document (JSON array, Parquet) read to its end.
    """
    declared = declared or Dialect()
    with path.open("rb") as file:
        head = file.read(16)
    compression = _compression(head)
    begin = _begin(path, compression)
    _refuse_foreign(begin)
    if begin.startswith(_PARQUET) or declared.format == "parquet":
        names = unique_names(verify_parquet(path, compression))
        return Shape("parquet", compression, "binary", None, None, header=False, columns=names)
    encoding = detect(begin, declared.encoding)
    verify(path, compression, encoding)
    text = begin[mark_of(begin, encoding) :].decode(encoding, "replace")
    sample = _Sample(path, _suffix(name), compression, encoding, text)
    read_as = _READERS[declared.format or _kind(sample)]
    return read_as(sample, declared, columns)


def _compression(head: bytes) -> Compression:
    return next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), "none")


def _begin(path: Path, compression: Compression) -> bytes:
    """Return the beginning of a file, in whole lines if it can be; a compressed file is read to its end.

    Raises UnreadableFile (empty, truncated, corrupt, unrecognised).
    """
    with opened(path, compression) as source:
        begin = source.read(_SAMPLE)
        blank, more = not begin.strip(), False
        while (blank or compression != "none" or not more) and (block := source.read(_BLOCK)):
            blank, more = blank and not block.strip(), True
    if blank:
        raise UnreadableFile("empty", "The file holds nothing, or nothing but white space.")
    return begin[: begin.rfind(b"\n") + 1] or begin if more else begin


def _refuse_foreign(begin: bytes) -> None:
    found = next((what for magic, what in _FOREIGN.items() if begin.startswith(magic)), None)
    if found:
        known = "delimited text, JSON, NDJSON and Parquet, each also as .gz or .zip"
        raise UnreadableFile("unrecognised", f"The file is {found}. What can be read: {known}.")


def _suffix(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix in _SUFFIXES), "")


def _kind(sample: _Sample) -> str:
    """Tell JSON, NDJSON and delimited text apart."""
    lines = [line.encode() for line in sample.text.splitlines()[:200] if line.strip()]
    whole = [jsontext.reason(line) is None for line in lines]
    if whole and (whole[0] or sum(whole) > len(whole) / 2 or (sample.suffix in _JSON - {".json"} and any(whole))):
        return "ndjson"
    text = sample.text.lstrip()
    if not text.startswith(("{", "[")):
        return "csv"
    return "json" if sample.suffix in _JSON or _begins_json(text) else "csv"


def _begins_json(text: str) -> bool:
    """Return whether the first element of what may be an array can be decoded."""
    first = text[1:].lstrip() if text.startswith("[") else text
    try:
        jsontext.DECODER.raw_decode(first)
    except (ValueError, RecursionError):
        return first.startswith("]")
    return True


def _ndjson(sample: _Sample, _: Dialect, expected: Sequence[str]) -> Shape:
    lines = (line.strip() for line in sample.text.split("\n"))
    good = (line for line in lines if line and jsontext.reason(line.encode()) is None)
    return _of_objects("ndjson", sample, expected, map(jsontext.DECODER.decode, islice(good, _ENOUGH)))


def _json(sample: _Sample, _: Dialect, expected: Sequence[str]) -> Shape:
    bare = Shape("json", sample.compression, sample.encoding, None, None, header=False, columns=())
    found = (element.value for element in elements(sample.path, bare) if element.reason is None)
    return _of_objects("json", sample, expected, found)


def _of_objects(kind: Format, sample: _Sample, expected: Sequence[str], objects: Iterable[dict[str, Any]]) -> Shape:
    seen: dict[str, bool] = {}  # key -> whether all its values were strings
    some = False
    for some_object in objects:
        some = True
        for key, value in some_object.items():
            if value is not None:
                seen[key] = seen.get(key, True) and type(value) is str
            else:
                seen.setdefault(key, True)
    seen.pop(RECORD, None)
    absent = tuple(name for name in expected if name not in seen)
    if some and not seen and not absent:
        raise UnreadableFile("unrecognised", "The objects of the file have no keys.")
    shape = Shape(kind, sample.compression, sample.encoding, None, None, header=False, columns=(*seen, *absent))
    return replace(shape, absent=absent, strings=tuple(key for key, strings in seen.items() if strings))


def _csv(sample: _Sample, declared: Dialect, expected: Sequence[str]) -> Shape:
    newline = "\r" if "\n" not in sample.text and "\r" in sample.text.rstrip("\r") else "\n"
    found = layout(sample.text, sample.suffix, declared, expected, newline)
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
        found.columns,
        skip=found.skip,
        newline=newline,
    )


_READERS: dict[str, Callable[[_Sample, Dialect, Sequence[str]], Shape]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
}
