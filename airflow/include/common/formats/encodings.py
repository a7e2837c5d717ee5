"""Find a text's encoding, and turn it into UTF-8 without losing sight of the original bytes."""

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

from charset_normalizer import from_bytes

from common.core.errors import UnreadableFile
from common.core.shape import Compression
from common.formats.grammar import is_utf8
from common.formats.letterpairs import is_western, likely, words_of
from common.formats.streams import opened

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAME = {"ascii": "utf-8", "utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1a\x1b"))
_LETTER = re.compile(rb"[\x80-\xfd]")  # in some encoding; the other two stand for little but spoiled bytes
_BLOCK = 1 << 20
_ENOUGH = 200  # lines that are enough to name candidates by


def mark_of(head: bytes, encoding: str) -> int:
    """Return the length of the byte order mark that begins a file of this encoding."""
    return next((len(mark) for mark, name in _MARKS if name == encoding and head.startswith(mark)), 0)


def transcode(raw: bytes, encoding: str) -> bytes:
    """Return whole lines of a file as UTF-8; bytes that mean nothing stay as they are.

    Raises UnreadableFile (encoding) where not even the ends of lines can be told.
    """
    if encoding == "utf-8":
        return raw
    try:
        return raw.decode(encoding, "surrogateescape").encode("utf-8", "surrogateescape")
    except UnicodeError as error:
        raise UnreadableFile("encoding", f"The file is not {encoding} throughout: {error}.") from error


def detect(sample: bytes, declared: str | None) -> str:
    """Return the encoding of a file that begins with `sample`.

    Raises UnreadableFile (binary, encoding).
    """
    marked = next((name for mark, name in _MARKS if sample.startswith(mark)), None)
    if marked:
        return marked
    if declared:
        return _known(declared)
    wide = _wide(sample)
    if wide:
        return wide
    return _narrow(sample)


def verify(path: Path, compression: Compression, encoding: str) -> None:
    """Decode all of a file whose lines could not be told apart otherwise. Raises UnreadableFile (encoding)."""
    if not encoding.startswith(("utf-16", "utf-32")):
        return
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with opened(path, compression) as source:
        try:
            while block := source.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise UnreadableFile("encoding", f"The file is not {encoding} throughout: {error}.") from error


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except LookupError as error:
        raise UnreadableFile("encoding", f"No encoding named {declared!r}; declare one of Python's.") from error
    return _SAME.get(name, name)


def _wide(sample: bytes) -> str | None:
    """Return UTF-16 where every other byte of a text without a mark is zero."""
    if b"\0" not in sample:
        return None
    half = max(len(sample) // 2, 1)
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, letters = sample[start::2].count(0), sample[1 - start :: 2].count(0)
        if zeros > 0.4 * half and letters < 0.05 * half:
            return name
    return None


def _narrow(sample: bytes) -> str:
    foreign = [] if is_utf8(sample) else [line for line in sample.split(b"\n") if not line.isascii()]
    broken = [line for line in foreign if not is_utf8(line)]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls > len(sample) * (0.01 if broken else 0.3):
        raise UnreadableFile("binary", "The file is not text: too many control characters. Was it encrypted or cut?")
    words = words_of(b"\n".join(broken))
    if broken and len(broken) == len(foreign) and is_western(words):
        return "cp1252"
    if _another_encoding(broken, len(foreign), sample.count(b"\n") + 1):
        raise _undecided(broken, words)
    return "utf-8"


def _another_encoding(broken: Sequence[bytes], foreign: int, lines: int) -> bool:
    """Tell a file of another encoding from a UTF-8 file with some spoiled lines.

    When in doubt it is UTF-8: a refused line is seen, a wrongly read letter is not.
    """
    plausible = sum(_LETTER.search(line) is not None for line in broken)
    enough = (len(broken) >= 3 and len(broken) >= 0.01 * lines) or len(broken) >= 0.3 * lines
    return enough and plausible > 0.8 * len(broken) and len(broken) > 0.8 * foreign


def _undecided(broken: Sequence[bytes], words: Sequence[bytes]) -> UnreadableFile:
    guess = from_bytes(b"\n".join(broken[:_ENOUGH])).best()
    also = [codecs.lookup(guess.encoding).name] if guess else []
    named = ", ".join(dict.fromkeys([*likely(words), *also])) or "none that is known"
    shown = b", ".join(words[:3])[:100]
    message = (
        f"The file is not UTF-8, and which encoding it is in cannot be told from its letters ({shown!r}). It may be "
        f"{named}. Declare the right one in the contract's dialect: `encoding`."
    )
    return UnreadableFile("encoding", message)
