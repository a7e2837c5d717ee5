"""Count which letters stand beside each other in the languages of a code page, for `common/formats/letter_pairs.txt`.

    uv run --no-project --with django --with faker --with babel benchmarks/peers/letter_pairs.py > .../letter_pairs.txt

Words come from Django's translations, Faker's names and addresses and CLDR's names of countries, languages and months.
"""

import gettext
import importlib
import math
import pkgutil
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import babel
import django

LANGUAGES = {
    "cp1252": "af ca da de en es et eu fi fr ga gl id is it nb nl nn pt pt_BR sq sv",
    "cp1250": "bs cs hr hu pl ro sk sl sr_Latn",
    "cp1251": "be bg mk ru sr uk",
    "cp1254": "tr",
}
_LIKE = {"nb": "no", "nn": "no", "en": "en"}  # what Faker calls it
_MODERN = str.maketrans("șțȘȚ", "şţŞŢ")  # the old code pages know only the cedilla
_WORD = re.compile(r"[^\W\d_]+(?:[\u2019'][^\W\d_]+)*")


def words(language: str) -> Counter[str]:
    """Return the words of a language, and how often each was seen."""
    texts = (*_translations(language), *_cldr(language), *_names(language))
    return Counter(word for text in texts for word in _WORD.findall(text.translate(_MODERN)))


def pairs(word: str) -> Iterator[str]:
    """Yield the neighbours in a word, at least one of them beyond ASCII; a blank stands for its ends."""
    padded = f" {word.replace('İ', '1').lower().replace('1', 'İ')} "  # its small form is two characters
    return (a + b for a, b in pairwise(padded) if not (a + b).isascii())


def _translations(language: str) -> Iterator[str]:
    for path in Path(django.__file__).parent.glob(f"**/locale/{language}/LC_MESSAGES/*.mo"):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        yield from (re.sub(r"%\(\w+\)\w|&\w+;|<[^>]*>", " ", text) for text in catalogue.values())


def _cldr(language: str) -> Iterator[str]:
    locale = babel.Locale.parse(language)
    for table in (locale.territories, locale.languages):
        yield from table.values()
    for widths in (locale.months, locale.days):
        yield from (name for name in widths["format"]["wide"].values())


def _names(language: str) -> Iterator[str]:
    wanted = _LIKE.get(language, language)
    for kind in ("person", "address", "company", "job", "color"):
        home = importlib.import_module(f"faker.providers.{kind}")
        for module in pkgutil.iter_modules(home.__path__):
            if module.name == wanted or module.name.split("_")[0] == wanted:
                provider = importlib.import_module(f"{home.__name__}.{module.name}").Provider
                yield from _texts(vars(provider).values())


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list | tuple | set):
            yield from _texts(value)


def main() -> None:
    """Print a line for each code page, language and cost: -ln of the share, then the pairs."""
    for page, languages in LANGUAGES.items():
        for language in languages.split():
            counts = _counts(language, page)
            if counts.total() < 200:
                continue
            by_cost: dict[int, list[str]] = {}
            for pair, count in sorted(counts.items()):
                by_cost.setdefault(round(-math.log(count / counts.total())), []).append(pair)
            for cost, found in sorted(by_cost.items()):
                sys.stdout.write(f"{page}\t{language}\t{cost}\t{''.join(found)}\n")


def _counts(language: str, page: str) -> Counter[str]:
    """Count the pairs of a language; a frequent word counts more, but not as often as it stands there."""
    counts: Counter[str] = Counter()
    for word, seen in words(language).items():
        for pair in pairs(word):
            if _fits(pair, page):
                counts[pair] += 1 + round(math.log2(seen))
    return counts


def _fits(pair: str, page: str) -> bool:
    try:
        pair.encode(page)
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    main()
