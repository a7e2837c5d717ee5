"""`.env.example` and the settings say the same, and each of its examples works."""

import json
import re
from pathlib import Path

import pytest
from airflow.configuration import conf
from airflow.sdk import BaseHook

from common.core.settings import Settings
from devstack.environment import chosen_by_user, environment
from devstack.folder import REPOSITORY, state_folder
from devstack.health import Probed
from devstack.keys import Keys
from devstack.ports import PREFERRED
from devstack.processes import Identity
from devstack.units import BY_NAME

LINES = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
EXAMPLES = [line.removeprefix("# ") for line in LINES if re.fullmatch(r"(# )?[A-Z][A-Z_a-z]+=.*", line)]
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


@pytest.mark.parametrize("line", EXAMPLES, ids=lambda line: line.partition("=")[0])
def test_a_stack_can_be_started_with_each_example(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(f"{line}\n")
    chosen = chosen_by_user(tmp_path)
    (name,) = {line.partition("=")[0]} & chosen.keys()
    env = environment(state_folder(tmp_path), PREFERRED, Keys(), chosen)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    Settings()  # type: ignore[call-arg]  # read from the environment
    # The stand-in is asked at its own address, whatever the connection says; nobody listens there in this test.
    probe = BY_NAME["standins"].probe
    assert probe and not probe(Probed(state_folder(tmp_path), env, Identity(0, 0.0), 0.0))
    if name.startswith("AIRFLOW_CONN_"):
        connection = BaseHook.get_connection(name.removeprefix("AIRFLOW_CONN_").lower())
        assert connection.conn_type in (
            "slack",
            "smtp",
            "msteams",
            "telegram",
            "pagerduty",
            "postgres",
            "aws",
            "snowflake",
            "mysql",
            "google_cloud_platform",
            "veeva",
        )
    if name.startswith("AIRFLOW__"):
        _, section, option = name.lower().split("__")
        assert conf.has_option(section, option)
