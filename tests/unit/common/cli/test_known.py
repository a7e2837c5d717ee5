"""A misspelt word of a command is answered with the known ones; those that refuse are the documented ones."""

import re
from pathlib import Path

import pytest

from common.cli.known import LINES_AND_FILES, require_known
from common.core.errors import ConfigError

DOCS = Path(__file__).parents[4] / "docs" / "formats.md"


def test_the_words_of_refusals_are_the_documented_ones() -> None:
    refused = DOCS.read_text().split("## What is refused")[1].split("## ")[0]
    cells = [line.split("|")[1] for line in refused.splitlines() if line.startswith("| `")]
    assert {word for cell in cells for word in re.findall("`([a-z_]+)`", cell)} == set(LINES_AND_FILES)


def test_a_word_that_is_near_is_proposed() -> None:
    with pytest.raises(ConfigError, match=r"No state 'opn'\. Is 'open' meant\? Known: open, published\."):
        require_known("state", "opn", ("open", "published"))
    require_known("state", "", ("open", "published"))
    require_known("state", "open", ("open", "published"))
