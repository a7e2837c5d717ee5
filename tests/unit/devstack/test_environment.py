"""What reaches a stack, and what of the outside does not."""

import json
import os
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from common.core.settings import Settings
from devstack.environment import adopt, chosen_by_user, environment, exports, for_children, for_tools
from devstack.folder import state_folder, write_json
from devstack.keys import Keys
from devstack.ports import PREFERRED
from devstack.processes import identity
from devstack.record import Record, write_record

KEYS = Keys(postgres="secret", fernet="f", jwt="j", api="a", slack="xoxb-1")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return environment(state_folder(tmp_path), PREFERRED, KEYS, {})


def test_the_environment_is_a_complete_configuration(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    settings = Settings()  # type: ignore[call-arg]  # read from the environment
    assert settings.bucket == "watershed"
    assert settings.queue_url("ecommerce") == "http://127.0.0.1:4566/000000000000/watershed-ecommerce-raw"
    assert settings.ledger_url == "postgresql+psycopg://postgres:secret@127.0.0.1:5433/watershed"


def test_it_spells_out_every_setting(env: dict[str, str]) -> None:
    assert {f"WATERSHED_{name.upper()}" for name in Settings.model_fields} <= env.keys()


def test_what_the_user_chose_wins_but_never_over_addresses(tmp_path: Path) -> None:
    chosen = {
        "WATERSHED_SWEEP_CRON": "off",
        "WATERSHED_LEDGER_URL": "postgresql://elsewhere/x",
        "AIRFLOW__CORE__PARALLELISM": "2",
    }
    env = environment(state_folder(tmp_path), PREFERRED, KEYS, chosen)
    assert env["WATERSHED_SWEEP_CRON"] == "off"
    assert env["AIRFLOW__CORE__PARALLELISM"] == "2"
    assert "127.0.0.1" in env["WATERSHED_LEDGER_URL"]


def test_the_process_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WATERSHED_BELLS=false\nWATERSHED_BUCKET=mine\n")
    monkeypatch.setenv("WATERSHED_BUCKET", "ours")
    chosen = chosen_by_user(tmp_path)
    assert (chosen["WATERSHED_BELLS"], chosen["WATERSHED_BUCKET"]) == ("false", "ours")


def test_children_inherit_nothing_of_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AIRFLOW__CORE__EXECUTOR", "PYTHONDONTWRITEBYTECODE", "PGSERVICE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    env = for_children({"AWS_REGION": "us-east-1"})
    assert env.keys().isdisjoint({"AWS_PROFILE", "AIRFLOW__CORE__EXECUTOR", "PYTHONDONTWRITEBYTECODE"})
    assert env["LANG"] == "C.UTF-8"
    assert env["AWS_REGION"] == "us-east-1"


def test_a_proxy_is_kept_out_of_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet")
    env = environment(state_folder(tmp_path), PREFERRED, KEYS, {})
    assert env["no_proxy"] == env["NO_PROXY"] == "127.0.0.1,intranet,localhost"


def test_the_connections_are_what_airflow_reads(env: dict[str, str]) -> None:
    slack = json.loads(env["AIRFLOW_CONN_SLACK_DEFAULT"])
    assert slack["password"] == "xoxb-1"
    assert slack["extra"]["base_url"] == "http://127.0.0.1:8090/api/"
    assert json.loads(env["AIRFLOW_CONN_WAREHOUSE_DUCKDB"])["host"].endswith("warehouse.duckdb")


def shell(script: str, env: dict[str, str]) -> str:
    return subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=True).stdout


def test_a_shell_reads_back_what_was_exported_and_can_take_it_back() -> None:
    awkward = {"A": "it's $HOME `x`", "B": 'two\nlines "quoted"'}
    own = {"A": "my 'own'", "PATH": "/bin"}
    shown = 'printf "%s|%s|%s\\n" "$A" "${B-unset}" "$PATH"'
    script = "\n".join(
        [exports(awkward, own, "/tools"), shown, "watershed_off", shown, "command -v watershed_off || true"]
    )
    assert shell(script, own) == f"{awkward['A']}|{awkward['B']}|/tools:/bin\n{own['A']}|unset|/bin\n"


def test_a_shell_that_asks_twice_still_knows_the_way_back() -> None:
    first = exports({"A": "1"}, {"PATH": "/bin"}, "/tools")
    second = exports({"A": "1"}, {"A": "1", "PATH": "/tools:/bin"}, "/tools")
    script = f'{first}\n{second}\nwatershed_off\nprintf "%s|%s" "${{A-unset}}" "$PATH"'
    assert shell(script, {"PATH": "/bin"}) == "unset|/bin"


def test_tools_get_no_keys_of_airflows_services(env: dict[str, str]) -> None:
    given = for_tools(env)
    assert not {"f", "j", "a"} & set(given.values())
    assert {"AWS_ENDPOINT_URL", "PGPORT", "AIRFLOW_CONN_WAREHOUSE", "WATERSHED_LEDGER_URL"} <= given.keys()


def test_a_command_finds_the_stack_that_runs(
    tmp_path: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = state_folder(tmp_path / "stack")
    monkeypatch.setattr("devstack.environment.state_folder", lambda _path=None: folder)
    write_json(folder.plan, {"env": env})
    monkeypatch.setattr(os, "environ", {"WATERSHED_BELLS": "false"})
    adopt()
    assert os.environ == {"WATERSHED_BELLS": "false"}, "it runs no more"
    own = identity(os.getpid())
    write_record(folder, Record(own.pid, own.started))
    adopt()
    assert os.environ == {**for_tools(env), "WATERSHED_BELLS": "false"}


def test_a_command_that_has_a_ledger_looks_for_none(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"WATERSHED_LEDGER_URL": "postgresql://mine"})
    adopt()
    assert os.environ == {"WATERSHED_LEDGER_URL": "postgresql://mine"}


def test_the_command_finds_the_stack_through_its_entry_point() -> None:
    assert [point.load() for point in entry_points(group="watershed.environment")] == [adopt]
