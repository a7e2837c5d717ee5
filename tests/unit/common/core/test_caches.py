"""What a process keeps is made once, forgotten at once, and read again when its files change."""

import os
from pathlib import Path

import pytest

from common.core import caches
from common.core.caches import forget, per_files, per_process


def test_a_value_is_made_once_for_each_argument_and_closed_when_forgotten() -> None:
    made: list[str] = []
    closed: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return f"value of {name}"

    kept = per_process(make, on_forget=closed.append)
    assert [kept("a"), kept("a"), kept("b")] == ["value of a", "value of a", "value of b"]
    assert made == ["a", "b"]
    forget()
    assert sorted(closed) == ["value of a", "value of b"]
    kept("a")
    assert made == ["a", "b", "a"]


def test_files_are_read_again_when_one_changes_comes_or_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    def files(folder: Path) -> list[Path]:
        return sorted(folder.glob("*.txt"))

    @per_files(files)
    def texts(folder: Path) -> list[str]:
        reads.append(1)
        return [path.read_text() for path in files(folder)]

    (tmp_path / "a.txt").write_text("one")
    assert [texts(tmp_path), texts(tmp_path)] == [["one"], ["one"]]
    (tmp_path / "a.txt").write_text("other")
    assert texts(tmp_path) == ["one"], "for a moment files are taken as unchanged"
    monkeypatch.setattr(caches, "LOOK_AGAIN", 0.0)
    assert texts(tmp_path) == ["other"]
    before = len(reads)
    assert texts(tmp_path) == ["other"]
    assert len(reads) == before, "nothing has changed"
    (tmp_path / "b.txt").write_text("new")
    assert texts(tmp_path) == ["other", "new"]
    (tmp_path / "a.txt").unlink()
    assert texts(tmp_path) == ["new"]
    os.utime(tmp_path / "b.txt", ns=(1, 1))
    assert texts(tmp_path) == ["new"]
    assert len(reads) == before + 3


def test_a_file_that_went_wrong_does_not_stay_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "LOOK_AGAIN", 0.0)

    @per_files(lambda path: [path])
    def number(path: Path) -> int:
        return int(path.read_text())

    file = tmp_path / "n"
    file.write_text("1")
    assert number(file) == 1
    file.write_text("nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        number(file)
    file.write_text("3")
    assert number(file) == 3
