"""Regular expressions of contracts: those of ECMA-262 that the engine, which knows no backtracking, can keep."""

import re
import warnings
from collections.abc import Iterator

PIECE = re.compile(r"\\(?:[pPuUxk]\{[^}]*\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|.)|\(\?(?:<[=!]|P=|[=!>(])?|.", re.DOTALL)
CLASSES = {"d": "0-9", "w": "0-9A-Za-z_"}
ESCAPES = "abBdDfnpPrsStuUvwWxA"
NEGATED = {"D": "0-9", "W": "0-9A-Za-z_"}
LOOKING = {
    "(?=": "look-ahead", "(?!": "look-ahead", "(?<=": "look-behind", "(?<!": "look-behind", "(?>": "atomic group",
    "(?(": "condition", "(?P=": "reference back to a group",
}  # fmt: skip


def problem(pattern: str) -> str | None:
    """Return what keeps a pattern from being used, or None."""
    for piece, inside in _pieces(pattern):
        word = None if inside else _backtracking(piece)
        if re.fullmatch(r"\\[A-Za-z].*", piece, re.DOTALL) and piece[1] not in ESCAPES:
            return f"has {piece}, which has no meaning. Known after a backslash: {' '.join(ESCAPES)}"
        if word is not None:
            return f"has a {word} ({piece}), which takes unbounded time and is not supported; state it without"
    if _possessive(pattern):
        return "has a possessive quantifier, which is not supported; leave out the second +"
    python = re.sub(r"\(\?<(?![=!])", "(?P<", re.sub(r"\\[pP](?:\{[^}]*\}|.)", ".", ascii_classes(pattern)))
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(python)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    return None


def _backtracking(piece: str) -> str | None:
    if re.fullmatch(r"\\(?:[1-9]|k.*)", piece):
        return "reference back to a group"
    return next((name for start, name in LOOKING.items() if piece.startswith(start)), None)


def _possessive(pattern: str) -> bool:
    bare = "".join("c" if inside or piece[0] == "\\" else piece for piece, inside in _pieces(pattern))
    return bool(re.search(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\+", bare))


def ascii_classes(pattern: str) -> str:
    r"""Return a pattern in which \d and \w are of ASCII, as ECMA-262 says; the engine has those of all scripts."""
    return "".join(_translated(piece, inside=inside) for piece, inside in _pieces(pattern))


def _pieces(pattern: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a pattern, each with whether it stands inside a class of characters."""
    inside = False
    for piece in PIECE.findall(pattern):
        if inside and piece == "]":
            inside = False
        for part in piece if inside and piece.startswith("(?") else (piece,):
            yield part, inside
        inside = inside or piece == "["


def _translated(piece: str, *, inside: bool) -> str:
    letter = piece[1:] if piece[0] == "\\" else ""
    if letter in CLASSES:
        return CLASSES[letter] if inside else f"[{CLASSES[letter]}]"
    if letter in NEGATED:
        return f"[^{NEGATED[letter]}]"
    return f"\\{piece}" if inside and piece in ("[", "&", "~") else piece
