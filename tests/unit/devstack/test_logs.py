"""Logs are shown whole lines at a time."""

import itertools
import threading
import time
from pathlib import Path

import pytest

from common.core.errors import ConfigError
from devstack.folder import state_folder
from devstack.logs import follow, log_of


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "s3.log").write_text("one\ntwo\n")
    (tmp_path / "logs" / "standins.log").write_text("three\n")
    return tmp_path


def test_one_log_is_shown_as_it_is(logs: Path) -> None:
    assert list(follow(log_of(state_folder(logs), "s3"), wait=False)) == ["one", "two"]


def test_lines_of_several_logs_are_named(logs: Path) -> None:
    shown = list(follow(log_of(state_folder(logs)), wait=False))
    assert shown == ["s3 | one", "s3 | two", "standins | three"]


def test_an_unknown_log_is_answered_with_the_known_ones(logs: Path) -> None:
    with pytest.raises(ConfigError, match=r"No log named 'x' in .* Known: s3, standins\."):
        log_of(state_folder(logs), "x")


def test_new_lines_come_when_they_are_complete(logs: Path) -> None:
    path = logs / "logs" / "standins.log"

    def write() -> None:
        for part in ("fo", "ur\nfi", "ve\n"):
            time.sleep(0.4)
            with path.open("a") as file:
                file.write(part)

    writer = threading.Thread(target=write)
    writer.start()
    assert list(itertools.islice(follow([path], wait=True), 3)) == ["three", "four", "five"]
    writer.join()
