"""Bad DAG files are refused, each by its rule and at its line; good ones pass."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dag_publisher.validation import judge as module
from dag_publisher.validation import shut_in
from dag_publisher.validation.faults import RULES
from dag_publisher.validation.judge import Judged, judge
from tests.unit.dag_publisher.dag_texts import ANTI_PATTERNS, BAD, EIGHT, GOOD, HEAD, one


def judged(files: dict[str, str]) -> Judged:
    return judge("shop", {name: text.encode() for name, text in files.items()}, limit=8, budget=1)


@pytest.fixture(scope="module")
def found() -> Judged:
    """Judge the bad files and the good ones together: what is wrong with one is nothing to another."""
    assert not BAD.keys() & GOOD.keys()
    return judged({name: text for name, (_, text) in BAD.items()} | GOOD)


@pytest.mark.parametrize("file", BAD)
def test_a_bad_file_is_refused_by_its_own_rule(found: Judged, file: str) -> None:
    rules = {fault.rule for fault in found.faults if fault.file == file}
    assert rules == set(BAD[file][0].split())


@pytest.mark.parametrize("late", [0, 1])
def test_a_file_that_one_reading_has_not_ended_is_late_and_not_called_another(
    monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    whole: dict[str, Any] = {"error": None, "dags": [], "made": []}
    dag = {"dag_id": "shop_a", "hash": "1", "owners": ["a"], "tags": ["a"], "doc": True}
    records = [whole | {"dags": [dag]}, whole | {"dags": [dag]}]
    records[late] = {"error": "it was not imported after 8 s", "timeout": True, "line": 0}
    readings = [shut_in.Reading({"shop.py": record}, "3.3.2", "namespaces") for record in records]
    monkeypatch.setattr(module, "read", lambda *_: readings)
    assert [str(fault).partition(". Allowed")[0] for fault in judged({"shop.py": ""}).faults] == [
        "shop.py:1: time-budget: it was not imported after 8 s"
    ]


def test_every_rule_has_a_bad_file() -> None:
    assert {rule for rules, _ in BAD.values() for rule in rules.split()} == set(RULES)
    assert (len(EIGHT), len(ANTI_PATTERNS)) >= (8, 5)


def test_a_fault_names_file_line_what_was_found_and_what_is_allowed(found: Judged) -> None:
    (fault,) = [fault for fault in found.faults if fault.file == "shop_foreign.py"]
    line = 1 + HEAD.count("\n")
    begin = f"shop_foreign.py:{line}: dag-id-prefix: id 'sales_daily' in package shop. Allowed: "
    assert str(fault) == f"{begin}{RULES['dag-id-prefix']}."


def test_thirty_good_files_pass_and_say_what_they_hold(found: Judged) -> None:
    assert [fault for fault in found.faults if fault.file in GOOD] == []
    assert len(GOOD) >= 30
    dags = {dag["dag_id"]: dag for dag in found.dags if dag["file"] in GOOD}
    assert len(dags) == len(GOOD) + 2
    assert dags["shop_good_3_1"]["outlet_assets"] == ["s3://bucket/gold/a"]
    assert dags["shop_good_0_1"]["schedule"] == "@daily"
    assert dags["shop_good_0_3"]["schedule_assets"] == ["s3://bucket/a"]
    assert found.airflow == ">=3.3,<4"


def test_without_namespaces_the_audit_hook_stands_in_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shut_in, "isolation", lambda: "audit hook")
    names = ("shop_hidden.py", "shop_process.py", "shop_ctypes.py", "shop_writes.py")
    found = judged({**{name: BAD[name][1] for name in names}, "shop_good.py": one("shop_good")})
    assert found.isolation == "audit hook"
    assert {fault.file: fault.rule for fault in found.faults} == {name: BAD[name][0] for name in names}


TRIES = {
    "reach a server": "import socket; socket.create_connection(('{host}', {port}), 3)",
    "write a file": "open('{folder}/written', 'w')",
    "write as a program it starts": "import subprocess; subprocess.run(['touch', '{folder}/written'], check=True)",
    "make the disk writable again": "import subprocess; subprocess.run(['mount', '-o', 'remount,bind,rw', '/'], check=True)",
    "see a process outside": "import os; os.kill({pid}, 0)",
    "read the publisher's keys": "import os; os.environ['AWS_SECRET_ACCESS_KEY']",
}


@pytest.mark.skipif(shut_in.isolation() != "namespaces", reason="this kernel allows no namespaces to a user")
@pytest.mark.parametrize("what", TRIES)
def test_the_fence_holds_where_no_hook_watches(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import socket

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        text = TRIES[what].format(host=host, port=port, folder=tmp_path, pid=os.getpid())
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        python = [sys.executable, "-I", "-c"]
        fence = [*shut_in.NAMESPACES, sys.executable, "-I", str(shut_in.HERE / "fence.py"), str(scratch)]
        env = shut_in.environment(scratch, 1)
        assert subprocess.run([*fence, *python, "print(1)"], env=env, check=False).returncode == 0
        assert subprocess.run([*fence, *python, text], env=env, check=False, capture_output=True).returncode == 1
    assert not (tmp_path / "written").exists()
