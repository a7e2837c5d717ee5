"""Tell code pages apart by which letters stand beside each other in the languages that they are for."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.core.caches import per_process

# The rivals of Windows-1252, each with the page whose table it shares: it has the same letters at other places.
_RIVALS = {
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "cp1254": "cp1254",
    "cp850": "cp1252",
    "iso8859-2": "cp1250",
    "cp852": "cp1250",
    "cp866": "cp1251",
    "koi8-r": "cp1251",
    "mac-roman": "cp1252",
}
_WESTERN = "cp1252"
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_ENOUGH = 300  # different words
_UNSEEN = 13.0  # the cost of a pair that no language of the page has; those of the tables are 1 to 10
_FOREIGN = 4.0  # more for a word of another language than most
_SIGN = 8.0  # beside a sign that is no letter, where one may stand
_BETWEEN_LETTERS = frozenset("\u2019\u00b7-")  # an apostrophe, and the dot of Catalan
_CLEARLY = 6.0  # in all: e^6 times as likely
_ON_AVERAGE = 10.0  # of a pair: above this it is no language of the page


def words_of(text: bytes) -> Sequence[bytes]:
    """Return the different words that have a byte beyond ASCII, in order."""
    return tuple(dict.fromkeys(_WORD.findall(text)))[:_ENOUGH]


def is_western(words: Sequence[bytes]) -> bool:
    """Return whether words are Windows-1252: likely so, and clearly more so than in pages that read them otherwise."""
    texts = _decoded(words, _WESTERN)
    if texts is None or _cost(texts, _WESTERN) > _ON_AVERAGE * sum(map(_beyond_ascii, texts)):
        return False
    return all(_clearly(texts, _decoded(words, page), table) for page, table in _RIVALS.items())


def likely(words: Sequence[bytes]) -> tuple[str, ...]:
    """Return the code pages that words may be in, the likeliest first."""
    found = ((page, _decoded(words, page), table) for page, table in {_WESTERN: _WESTERN, **_RIVALS}.items())
    costs = {page: _cost(texts, table) for page, texts, table in found if texts is not None}
    best = min(costs.values(), default=0.0)
    near = [page for page in costs if costs[page] < 1.3 * best + _CLEARLY]
    return tuple(sorted(near, key=lambda page: costs[page]))


def _clearly(own: Sequence[str], other: Sequence[str] | None, table: str) -> bool:
    """Return whether a rival reads the same, or something clearly less likely."""
    return other is None or other == own or _cost(other, table) - _cost(own, _WESTERN) >= _CLEARLY


def _decoded(words: Sequence[bytes], page: str) -> list[str] | None:
    try:
        return [word.decode(page) for word in words]
    except UnicodeDecodeError:
        return None


def _beyond_ascii(word: str) -> int:
    padded = f" {word} "
    return sum(not padded[at : at + 2].isascii() for at in range(len(padded) - 1))


def _cost(words: Sequence[str], page: str) -> float:
    """Return -ln of the likelihood of the letters that stand beside one beyond ASCII.

    All words are of one language of the page, but for some of another one.
    """
    padded = [f" {word} " for word in words]
    costs = [[_cost_of_word(word, table) for word in padded] for table in _tables()[page]]
    foreign = [min(of_word) + _FOREIGN for of_word in zip(*costs, strict=True)]
    totals: list[float] = [sum(map(min, of_language, foreign)) for of_language in costs]
    return min(totals)


def _cost_of_word(padded: str, table: Mapping[str, float]) -> float:
    total = 0.0
    for at in range(len(padded) - 1):
        pair = padded[at : at + 2]
        if pair.isascii():
            continue
        signs = [place for place in (at, at + 1) if not padded[place].isascii() and not padded[place].isalpha()]
        if signs:
            total += max(_cost_of_sign(padded, place) for place in signs)
        elif pair[0].islower() and pair[1].isupper():
            total += _UNSEEN
        else:
            total += table.get(pair.replace("İ", "\0").lower().replace("\0", "İ"), _UNSEEN)
    return total


def _cost_of_sign(padded: str, at: int) -> float:
    before, sign, after = padded[at - 1], padded[at], padded[at + 1]
    lonely = before.isascii() and after.isascii()
    between = before.isalpha() and after.isalpha()
    return _SIGN if sign in _BETWEEN_LETTERS or (lonely and not between) else _UNSEEN


@per_process
def _tables() -> dict[str, list[dict[str, float]]]:
    """Read what benchmarks/peers/letter_pairs.py counted: for each page, the pairs of each of its languages."""
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for line in Path(__file__).with_name("letter_pairs.txt").read_text(encoding="utf-8").splitlines():
        page, language, cost, pairs = line.split("\t")
        table = tables.setdefault(page, {}).setdefault(language, {})
        table |= {pairs[at : at + 2]: float(cost) for at in range(0, len(pairs), 2)}
    return {page: list(of_page.values()) for page, of_page in tables.items()}
