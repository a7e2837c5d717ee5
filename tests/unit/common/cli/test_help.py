"""The help of every command, as a terminal of 80 columns shows it."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from common.cli.main import app
from devstack.cli import app as dev

WIDTH = 80


def groups(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Find each group of commands below one."""
    yield " ".join(path), command
    for name, below in command.commands.items():
        if isinstance(below, TyperGroup):
            yield from groups(below, *path, name)


FOUND = dict([*groups(typer.main.get_command(app), "watershed"), *groups(typer.main.get_command(dev), "watershed dev")])


@pytest.mark.parametrize("name", FOUND)
def test_each_command_is_told_by_a_whole_sentence(name: str) -> None:
    command = FOUND[name]
    text = command.get_help(typer.Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH))
    listed = text.split("Commands:\n")[1]
    assert all(len(line) <= WIDTH for line in listed.splitlines())
    assert "..." not in listed
    for below in command.commands:
        assert f"  {below} " in listed
    assert listed.count(".\n") + listed.endswith(".") >= len(command.commands), listed
