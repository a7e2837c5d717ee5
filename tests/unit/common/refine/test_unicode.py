"""Unicode's composed form is that of Python's own tables: for every character they know, and for marks in any order."""

import random
import sys
import unicodedata

import polars as pl

from common.contracts.contract import Column, Kind
from common.refine.match import folded
from common.refine.texts import INVISIBLE, normalised

KNOWN = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")]
COLUMN = Column("x", Kind.STRING, "x", normalise=("unicode",))


def composed(texts: list[str]) -> list[str | None]:
    """Normalise texts between two letters, so that no blank is cut off."""
    frame = pl.DataFrame({"x": [f"a.{text}.z" for text in texts]})
    return frame.select(normalised(COLUMN, pl.col("x"))).to_series().to_list()


def expected(texts: list[str]) -> list[str]:
    whole = [unicodedata.normalize("NFC", f"a.{text}.z") for text in texts]
    return pl.Series(whole).str.replace_all(INVISIBLE, "").to_list()


def test_every_known_character_and_its_parts_are_composed_as_python_does() -> None:
    for form in ("NFC", "NFD", "NFKD"):
        texts = [unicodedata.normalize(form, character) for character in KNOWN]
        assert composed(texts) == expected(texts)


def test_marks_in_any_order_are_composed_as_python_does() -> None:
    chance = random.Random(16)
    marks = [character for character in KNOWN if unicodedata.combining(character)]
    bases = [c for c in KNOWN if unicodedata.decomposition(c)] + list("aeiounAEIOU\u1100\u1161\u11a8\uac00")
    texts = [chance.choice(bases) + "".join(chance.choices(marks, k=chance.randint(1, 4))) for _ in range(20_000)]
    assert composed(texts) == expected(texts)
    assert composed([text.removeprefix("a.").removesuffix(".z") for text in map(str, composed(texts))]) == composed(
        texts
    )


def test_names_are_equal_whatever_their_form_and_case() -> None:
    chance = random.Random(16)
    letters = [c for c in KNOWN if c.isalpha() and unicodedata.decomposition(c)]
    for _ in range(5000):
        name = "".join(chance.choices(letters, k=3))
        forms = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
        assert len({folded(text) for text in (*forms, *(text.casefold() for text in forms))}) == 1, ascii(name)
