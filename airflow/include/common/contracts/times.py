"""The patterns by which a contract says how dates and times are written, in strftime's words or in the JDK's."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
DAYS = "(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
ZONE = "(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"
# What each word takes, by its letter: exactly so many digits where fields touch, one less where they do not.
DIGITS = {"m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "y": 2, "j": 3}
OTHERS = {
    "Y": "[0-9]{4}", "p": "[AaPp][Mm]", "b": f"(?i:{MONTHS})", "B": f"(?i:{MONTHS})", "a": f"(?i:{DAYS})",
    "A": f"(?i:{DAYS})", ".f": "(?:[.][0-9]{1,9})?", "z": ZONE, ":z": ZONE, "%": "%",
}  # fmt: skip
EQUAL = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M"}
DIRECTIVE = re.compile(r"%(\.f|:z|[A-Za-z%])")
KNOWN = " ".join(f"%{word}" for word in (*"YmdHIMSpyjbBaAFTR", ".f", "z", ":z", "%"))
JDK = {
    "yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "uu": "%y", "MM": "%m", "M": "%m", "MMM": "%b", "MMMM": "%B", "dd": "%d",
    "d": "%d", "DDD": "%j", "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M", "ss": "%S", "s": "%S",
    "a": "%p", "E": "%a", "EEE": "%a", "EEEE": "%A", "XXX": "%:z", "xxx": "%:z", "XX": "%z", "xx": "%z", "Z": "%z",
    "X": "%z", "x": "%z",
}  # fmt: skip
JDK_PART = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")


class UnknownFormat(ValueError):
    """A pattern says something that cannot be read back without a guess; the message says what."""


@dataclass(frozen=True)
class Pattern:
    """One way of writing dates or times: `strptime` for the engine, `strict` for what a text must look like.

    The engine is more lenient than the pattern: it takes the year 24 for `%Y`, and a 60th second for the next minute.
    Texts of `width` bytes are read by it as they should be, but for these two; `wary` says that every text is in doubt.
    """

    strptime: str
    strict: str
    zoned: bool = False
    width: int | None = None
    wary: bool = False


def strftime_of(text: str) -> str:
    """Return a pattern of either kind in strftime's words; raises UnknownFormat."""
    if "%" in text:
        return text
    words, position = [], 0
    while position < len(text):
        part = JDK_PART.match(text, position)
        if part is None:
            raise UnknownFormat("has a quote without an end")
        words.append(_jdk(part))
        position = part.end()
    return "".join(words).replace(".%f", "%.f")


def _jdk(part: re.Match[str]) -> str:
    if part[1] is not None:
        return (part[1].replace("''", "'") or "'").replace("%", "%%")
    if part[2] is None:
        return part[0].replace("%", "%%")
    if part[2] == "S":
        return "%f"
    if part[0] not in JDK:
        raise UnknownFormat(f"has '{part[0]}'. Known of the JDK's letters: {' '.join(JDK)} S")
    return JDK[part[0]]


def pattern_of(text: str, *, clock: bool) -> Pattern:
    """Return what a pattern means for dates, or with `clock` for timestamps; raises UnknownFormat."""
    written = strftime_of(text)
    for word, meaning in EQUAL.items():
        written = written.replace(f"%{word}", meaning)
    written = re.sub(r"[.,]%f|%\.%f", "%.f", written)
    parts = list(_parts(written))
    letters = [part[1:] for part in parts if _is_directive(part)]
    _require_sense(letters, clock=clock)
    touching = any(_touches(parts, at) for at in range(len(parts)))
    return Pattern(
        strptime="".join("%#z" if part in ("%z", "%:z") else part for part in parts),
        strict=f"^{''.join(_strict(parts, at) for at in range(len(parts)))}$",
        zoned="z" in letters or ":z" in letters,
        width=sum(map(_width, parts)) if touching else None,
        wary=bool({"y", ".f", "j"} & set(letters)),
    )


def _width(part: str) -> int:
    return (DIGITS.get(part[1:]) or 4) if _is_directive(part) else len(part.encode()) - (part == "%%")


def _parts(written: str) -> Iterator[str]:
    position = 0
    for match in DIRECTIVE.finditer(written):
        literal = written[position : match.start()]
        if "%" in literal:
            raise UnknownFormat(f"has a '%' without a meaning. Known: {KNOWN}")
        yield from literal
        if match[1] in ("Z", "c", "x", "X", "+"):
            raise UnknownFormat(f"has '%{match[1]}', whose texts have more than one meaning. {_INSTEAD}")
        if match[1] not in DIGITS and match[1] not in OTHERS:
            raise UnknownFormat(f"has '%{match[1]}'. Known: {KNOWN}")
        yield match[0]
        position = match.end()
    if "%" in written[position:]:
        raise UnknownFormat(f"has a '%' without a meaning. Known: {KNOWN}")
    yield from written[position:]


_INSTEAD = "Offsets are %z; for times of one zone say `defaultTimezone: Europe/Berlin` under logicalTypeOptions"


def _is_directive(part: str) -> bool:
    return len(part) > 1 and part != "%%"


def _touches(parts: list[str], at: int) -> bool:
    """Return whether the digits of a field run into those of another."""
    if not _is_directive(parts[at]) or parts[at][1:] not in (*DIGITS, "Y"):
        return False
    beside = [parts[near] for near in (at - 1, at + 1) if 0 <= near < len(parts)]
    return any(_is_directive(other) and other[1:] in (*DIGITS, "Y") for other in beside)


def _strict(parts: list[str], at: int) -> str:
    part = parts[at]
    if not _is_directive(part):
        return re.escape("%" if part == "%%" else part)
    width = DIGITS.get(part[1:])
    if width is None:
        return OTHERS[part[1:]]
    if _touches(parts, at) or part in ("%y", "%j"):
        return "[0-5][0-9]" if part in ("%S", "%M") else f"[0-9]{{{width}}}"
    return "[0-5]?[0-9]" if part in ("%S", "%M") else "[0-9]{1,2}"


def _require_sense(letters: list[str], *, clock: bool) -> None:
    repeated = {letter for letter in letters if letters.count(letter) > 1}
    has = set(letters)
    if repeated:
        raise UnknownFormat(f"says {', '.join(f'%{letter}' for letter in sorted(repeated))} more than once")
    if not has & {"Y", "y"} or not (has & {"m", "b", "B"} or "j" in has):
        raise UnknownFormat("says no date: it needs a year (%Y or %y) and a month (%m, %b) or day of the year (%j)")
    if {"Y", "y"} <= has or len(has & {"m", "b", "B", "j"}) > 1 or {"j", "d"} <= has:
        raise UnknownFormat("says year or month in two ways, which may contradict each other")
    times = has & {"H", "I", "M", "S", "p", ".f", "z", ":z"}
    if times and not clock:
        raise UnknownFormat(f"says a time of day ({', '.join(f'%{t}' for t in sorted(times))}) for a date")
    if clock and not has & {"d", "j"}:
        raise UnknownFormat("says no day (%d)")
    _require_clock(has, times)


def _require_clock(has: set[str], times: set[str]) -> None:
    if not times:
        return
    if ("I" in has) != ("p" in has) or {"H", "I"} <= has or not has & {"H", "I"} or "M" not in has:
        raise UnknownFormat("says half a time: it needs %H and %M, or %I, %M and %p")
    if ".f" in has and "S" not in has:
        raise UnknownFormat("says a fraction without seconds (%S)")
