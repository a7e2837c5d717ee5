"""Name what is no table: what other programs write, told by its first bytes or its first words."""

import re
import zipfile

from common.core.errors import UnreadableFile

_BYTES = {
    b"\x28\xb5\x2f\xfd": "zstd, for which Python 3.11 has no decompressor; land it as gzip",
    b"BZh": "bzip2; land it as gzip",
    b"\xfd7zXZ": "xz; land it as gzip",
    b"7z\xbc\xaf": "7z; land it as gzip",
    b"Rar!": "RAR; land it as gzip",
    b"\x04\x22\x4d\x18": "lz4; land it as gzip",
    b"\x1f\x9d": "compress (.Z); land it as gzip",
    b"ORC": "ORC; land it as Parquet",
    b"Obj\x01": "Avro; land it as Parquet",
    b"ARROW1": "Arrow IPC; land it as Parquet",
    b"FEA1": "Feather; land it as Parquet",
    b"SQLite format 3\0": "an SQLite database; export its tables as CSV",
    b"\x89HDF": "HDF5; export it as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "an old Office document; save it as CSV",
    b"{\\rtf": "RTF, a text document; save it as CSV",
    b"%PDF": "PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
}
_TAR = (257, b"ustar")
_TWICE = {b"\x1f\x8b\x08": "compressed twice", b"PK\x03\x04": "a zip inside of another compression"}
_MARKUP = re.compile(r"<(\?xml\b|!doctype\s+html\b|!--|!doctype\b|[a-z][\w:.-]*(?=[\s/>]))", re.IGNORECASE)
_CLOSED = re.compile(r"</[A-Za-z]|/>")
_KNOWN = "delimited text, JSON, NDJSON and Parquet, each also as .gz or .zip"
_OFFICE = {"xl/": "an Excel workbook; save it as CSV", "word/": "a Word document; save its table as CSV"}
_NOISE = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|\._[^/]*$|Thumbs\.db$|desktop\.ini$)")


def refuse_bytes(begin: bytes, *, compressed: bool) -> None:
    """Raise UnreadableFile (unrecognised) for what other programs write."""
    at, magic = _TAR
    if begin[at : at + len(magic)] == magic:
        raise _unrecognised("a tar archive; land its files one by one")
    known = _BYTES | (_TWICE if compressed else {})
    found = next((what for magic, what in known.items() if begin.startswith(magic)), None)
    if found:
        raise _unrecognised(found)


def refuse_markup(text: str) -> None:
    """Raise UnreadableFile (unrecognised) for HTML and XML; a header may have names like <DATE>."""
    begin = text[: 1 << 16].lstrip("\ufeff \t\r\n")
    found = _MARKUP.match(begin)
    if not found:
        return
    word = found[1].lower()
    if word in ("html", "head", "body") or re.fullmatch(r"!doctype\s+html", word):
        raise _unrecognised("HTML, a web page; was it an error or a sign-in page?")
    if word[0] in "?!" or _CLOSED.search(begin):
        raise _unrecognised("XML")


def only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one file of a zip; what systems add to archives does not count. Raises UnreadableFile."""
    members = [m for m in archive.infolist() if not m.is_dir() and not _NOISE.search(m.filename)]
    office = next((what for m in members for start, what in _OFFICE.items() if m.filename.startswith(start)), None)
    if office:
        raise _unrecognised(office)
    if len(members) != 1:
        names = ", ".join(member.filename for member in members[:5]) or "none"
        raise UnreadableFile(
            "unrecognised",
            f"A zip must hold exactly one file; this one holds {len(members)}: {names}. Land them one by one.",
        )
    return members[0]


def _unrecognised(what: str) -> UnreadableFile:
    return UnreadableFile("unrecognised", f"The file is {what}. What can be read: {_KNOWN}.")
