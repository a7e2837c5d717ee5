"""`.env.example` and the settings say the same."""

import json
import re

from common.core.settings import Settings
from devstack.folder import REPOSITORY

LINES = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
SHOWN = {match[2]: match[3] for line in LINES if (match := re.fullmatch(r"(# )?(WATERSHED_[A-Z_]+)=(.*)", line))}


def test_it_lists_every_setting_and_no_other() -> None:
    named = {f"WATERSHED_{name.upper()}" for name in Settings.model_fields}
    assert set(SHOWN) == named | {"WATERSHED_DOMAINS_DIR"}, "where contracts are is asked before any other setting"


def test_each_setting_has_a_line_that_explains_it() -> None:
    for number, line in enumerate(LINES):
        if re.match(r"(# )?WATERSHED_[A-Z_]+=", line):
            assert re.match(r"# [A-Z]", LINES[number - 1]), line


def test_the_defaults_it_shows_are_the_defaults() -> None:
    for name, field in Settings.model_fields.items():
        if field.is_required():
            continue
        default = field.default if isinstance(field.default, str) else json.dumps(field.default)
        assert SHOWN[f"WATERSHED_{name.upper()}"] == default
