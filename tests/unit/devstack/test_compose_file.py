"""docker-compose.yaml runs the same settings as the embedded stack, and keeps to what it promises."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from devstack.channels import FLOW, MAIL_LOGIN, VAULT, VAULT_USER
from devstack.environment import environment
from devstack.folder import REPOSITORY, state_folder
from devstack.keys import Keys
from devstack.ports import PREFERRED
from devstack.standins.messages.server import of_environment

TEXT = (REPOSITORY / "docker-compose.yaml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
DEFAULTS = dotenv_values(REPOSITORY / "deploy" / "docker" / "compose.env", interpolate=False)
ONE_SHOT = {"airflow-init", "demo"}
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
# What differs because containers have other addresses and folders, or makes its keys elsewhere.
OWN = re.compile(r"HOST$|PORT$|URL$|FOLDER$|CONN$|_KEY$|_SECRET$")
GIGABYTE = {"m": 1 / 1024, "g": 1}


def resolved(value: Any) -> str:
    """Give a value as Compose does where nothing is set."""
    text, before = str(value), ""
    while text != before:
        before, text = text, re.sub(r"\$\{\w+(?::?-([^${}]*))?\}", lambda match: match[1] or "", text)
    return text


def test_airflow_is_set_as_in_the_embedded_stack(tmp_path: Path) -> None:
    embedded = environment(state_folder(tmp_path), PREFERRED, Keys(), {})
    common = {**DEFAULTS, **FILE["x-airflow-common"]["environment"]}
    wanted = {name: value for name, value in embedded.items() if name.startswith("AIRFLOW__") and not OWN.search(name)}
    found = {name: resolved(common.get(name)) for name in wanted}
    assert {k: v.lower() for k, v in found.items()} == {k: v.lower() for k, v in wanted.items()}
    connections = {name for name in embedded if name.startswith("AIRFLOW_CONN_")}
    assert connections <= set(common)


def test_the_stand_ins_take_what_the_connections_say() -> None:
    setup = of_environment(SERVICES["standins"]["environment"])
    names = {"mail": "SMTP", "teams": "MSTEAMS", "telegram": "TELEGRAM", "pagerduty": "PAGERDUTY", "veeva": "VEEVA"}
    found = {name: json.loads(DEFAULTS[f"AIRFLOW_CONN_{word}_DEFAULT"] or "") for name, word in names.items()}
    teams = found.pop("teams")["password"]
    assert teams == f"{setup.address}{FLOW}?sig={setup.tokens['teams']}"
    assert {name: connection["password"] for name, connection in found.items()} | {
        "slack": str(DEFAULTS["AIRFLOW_CONN_SLACK_DEFAULT"]).partition("@")[0].removeprefix("slack://:"),
        "teams": setup.tokens["teams"],
        "google": setup.tokens["google"],  # with which it signs tokens; callers have a key of their own
    } == setup.tokens
    google = json.loads(DEFAULTS["AIRFLOW_CONN_GOOGLE_SHEETS"] or "")["extra"]
    assert google["api_endpoint"] == f"{setup.address}/google/"
    assert (found["veeva"]["host"], found["veeva"]["login"]) == (f"{setup.address}/veeva", VAULT_USER)
    assert found["veeva"]["extra"] == VAULT
    assert (found["mail"]["login"], found["mail"]["port"]) == (MAIL_LOGIN, setup.smtp_port)
    assert found["telegram"]["host"] == found["pagerduty"]["host"] == setup.address


def test_every_variable_that_it_reads_is_explained() -> None:
    found = re.findall(r"(?<!\$)\$\{(\w+)", TEXT + " ".join(map(str, DEFAULTS.values())))
    read = {*found} | {"COMPOSE_PROFILES", "AWS_SESSION_TOKEN"}
    assert not {name for name in read if not re.search(rf"^(# )?{name}=", EXAMPLE, re.MULTILINE)}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_bounded_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "always")
    assert ("healthcheck" in service) is (name not in ONE_SHOT)


def test_it_fits_a_laptop_beside_a_browser() -> None:
    limits = [s["mem_limit"] for s in SERVICES.values() if not s.get("profiles") and s.get("restart") != "no"]
    assert sum(float(limit[:-1]) * GIGABYTE[limit[-1]] for limit in limits) <= 12


def test_no_other_machine_reaches_a_port() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
