"""The command: its words, what it prints, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dag_publisher.cli import main
from dag_publisher.cli.main import CODES, app
from dag_publisher.errors import PublisherError, Refused
from dag_publisher.publish import read_files
from tests.unit.dag_publisher.dag_texts import BAD

COMMANDS = {"generate", "validate", "publish", "list", "diff", "promote", "rollback", "gc", "verify", "sync"}
REQUIRED = {
    "generate": {"--package-name", "--dag-id", "--job-name", "--image-tag", "--output"},
    "validate": {"--package-name", "--dag-file"},
    "publish": {"--bucket", "--environment", "--package-name", "--dag-path"},
    "list": {"--bucket", "--environment", "--package-name"},
    "rollback": {"--bucket", "--environment", "--package-name"},
}
JOB = ["--package-name", "shop", "--dag-id", "shop_daily", "--job-name", "daily_seed", "--image-tag", "1.4.2"]
found: Any = typer.main.get_command(app)


def run(*words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run the command as a shell does."""
    monkeypatch.setattr("sys.argv", ["airflow-dag-publisher", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    out, errors = capsys.readouterr()
    return int(ended.value.code or 0), out, errors


def test_it_has_these_commands_and_each_says_what_it_does() -> None:
    assert found.commands.keys() == COMMANDS
    assert all(command.short_help.endswith(".") and command.help for command in found.commands.values())


@pytest.mark.parametrize("name", REQUIRED)
def test_these_options_are_asked_for_and_no_other(name: str) -> None:
    params = found.commands[name].params
    assert {option for param in params if param.required for option in param.opts} == REQUIRED[name]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_explains_every_option_and_the_exit_codes(name: str) -> None:
    text = CliRunner().invoke(app, [name, "--help"]).output
    assert "6 the store does not answer" in " ".join(text.split())
    assert all(
        option in text for param in found.commands[name].params for option in param.opts if param.opts[0][0] == "-"
    )


def test_every_error_has_an_exit_code_of_its_own() -> None:
    assert {*CODES} == {*PublisherError.__subclasses__()}
    assert len({*CODES.values(), 2}) == len(CODES) + 1


def test_generate_writes_a_file_named_after_its_dag(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["generate", *JOB, "--output", str(tmp_path), "--json"])
    assert json.loads(result.output) == {
        "file": str(tmp_path / "shop_daily.py"), "dag_id": "shop_daily", "image": "shop:1.4.2", "written": True,
    }  # fmt: skip
    assert "name='daily-seed'" in (tmp_path / "shop_daily.py").read_text()


def test_generate_shows_on_a_dry_run_what_it_would_write(tmp_path: Path) -> None:
    output = tmp_path / "dags" / "x.py"
    dry = CliRunner().invoke(app, ["generate", *JOB, "--output", str(output), "--dry-run"]).output
    assert not output.parent.exists()
    CliRunner().invoke(app, ["generate", *JOB, "--output", str(output)])
    assert output.read_text() == dry.removesuffix("\n")


def test_validate_tells_each_fault_as_a_line_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "shop_syntax.py").write_text(BAD["shop_syntax.py"][1])
    words = ["validate", "--package-name", "shop", "--dag-file", str(tmp_path)]
    plain, machine = (CliRunner().invoke(app, [*words, *more]) for more in ([], ["--json"]))
    assert (plain.exit_code, machine.exit_code) == (1, 1)
    assert "shop_syntax.py:8: syntax:" in plain.output
    (fault,) = json.loads(machine.stdout)["faults"]
    assert (fault["file"], fault["line"], fault["rule"]) == ("shop_syntax.py", 8, "syntax")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["validate", "--package-name", "shop", "--dag-file", "nowhere"], 4, "Missing: nowhere: there is no DAG file"),
        (["generate", *JOB[:6], "--image-tag", "a b", "--output", "x"], 1, "Refused: --image-tag 'a b'"),
        (["list", "--bucket", "b", "--environment", "x", "--package-name", "shop"], 1, "Known: dev, staging, prod"),
        (["sync", "x"], 1, "sync needs DAG_BUCKET and ENVIRONMENT"),
        (["publish"], 2, "Missing option"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(
    words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DAG_BUCKET", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    ended, out, errors = run(*words, monkeypatch=monkeypatch, capsys=capsys)
    assert ended == code
    assert said in errors
    assert out == ""


def test_a_store_that_does_not_answer_ends_with_6(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    words = ["rollback", "--bucket", "b", "--environment", "dev", "--package-name", "shop"]
    ended, _, errors = run(*words, monkeypatch=monkeypatch, capsys=capsys)
    assert (ended, errors.partition(":")[0]) == (6, "StoreUnavailable")


def test_no_file_is_left_out_in_silence(tmp_path: Path) -> None:
    for name in ("a/shop_x.py", "b/shop_x.py", "c/deep/shop_y.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    with pytest.raises(Refused, match="have one name"):
        read_files(tmp_path / "a", tmp_path / "b")
    with pytest.raises(Refused, match="Releases have no folders"):
        read_files(tmp_path / "c")
    assert read_files(tmp_path / "a", tmp_path / "a" / "shop_x.py") == {"shop_x.py": b"a/shop_x.py"}
