"""Which characters end the lines of a text; the header's line decides."""

import re

from common.core.shape import Dialect

_DOUBLED = "\r\r\n"  # what a program makes of CRLF that writes it as text once more


def newline_of(text: str, declared: Dialect) -> str:
    r"""Return what ends lines: "\n" (also after a CR), "\r", or a CR too many.

    A lone CR ends lines only where the first line ends with one, and more lines do than end with LF.
    """
    first = _first_end(text, '"' if declared.quote is None else declared.quote)
    if first == _DOUBLED:
        return _DOUBLED
    if first == "\r" and _lone(text) >= text.count("\n"):
        return "\r"
    return "\n"


def undoubled(text: bytes, newline: str) -> bytes:
    """Return text whose lines have a CR too many without it."""
    return text.replace(_DOUBLED.encode(), b"\r\n") if newline == _DOUBLED else text


def _first_end(text: str, quote: str) -> str:
    """Return the first end of a line that is neither blank nor inside of quotes."""
    inside = rf"{re.escape(quote)}[^{re.escape(quote)}]*{re.escape(quote)}|" if quote else ""
    found = re.compile(rf"[\r\n \t]*(?:{inside}[^\r\n])*(\r\r\n|\r\n|\r|\n)").match(text)
    return found[1] if found else "\n"


def _lone(text: str) -> int:
    return text.count("\r") - text.count("\r\n")
