"""Unicode forms as Unicode's own test says that they are (Debian's package unicode-data)."""

import bz2
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from common.contracts.contract import Column, Kind
from common.refine.match import folded
from common.refine.texts import INVISIBLE, rewritten

CASES = Path("/usr/share/unicode/NormalizationTest.txt.bz2")
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="Unicode's data is not installed: `make packages`")


def cases() -> Iterator[list[str]]:
    """Read the cases: source, NFC, NFD, NFKC and NFKD of it."""
    for line in bz2.decompress(CASES.read_bytes()).decode().splitlines():
        if line[:1] not in ("", "#", "@"):
            yield ["".join(chr(int(point, 16)) for point in form.split()) for form in line.split(";")[:5]]


def known(text: str) -> bool:
    """Return whether this Python knows all characters: it may be older than the test."""
    return all(unicodedata.category(character) != "Cn" for character in text)


def test_a_text_of_any_form_becomes_the_composed_one() -> None:
    texts, wanted = [], []
    for source, composed, decomposed, compatible, k_decomposed in cases():
        texts += [source, composed, decomposed, compatible, k_decomposed]
        wanted += [composed, composed, composed, compatible, compatible]
    frame = pl.DataFrame({"text": texts, "wanted": wanted})
    column = Column("text", Kind.STRING, "text", normalise=("unicode",))
    rest = pl.col("wanted").str.replace_all(INVISIBLE, "").str.strip_chars()  # which is more than the form
    wrong = frame.with_columns(rewritten(column, pl.col("text")).alias("found"), rest).filter(
        pl.col("found") != pl.col("wanted")
    )
    assert frame.height > 90_000
    assert wrong.rows()[:5] == []


def test_names_of_columns_are_the_same_in_any_form() -> None:
    some = [case for case in cases() if all(map(known, case))]
    assert len(some) > 18_000
    different = [case for case in some if len({folded(text) for text in case[:3]}) != 1]
    assert different == []
