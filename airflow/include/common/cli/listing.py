"""Groups of commands, whose help shows the whole first sentence of each command: wrapped and not cut."""

from typing import Any

import typer
from typer.core import TyperGroup

UNLIMITED = 1_000


class _Listing(TyperGroup):
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        rows = [(name, command.get_short_help_str(UNLIMITED)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def group(text: str) -> typer.Typer:
    """Return a group of commands that shows its help where no command is given."""
    return typer.Typer(cls=_Listing, no_args_is_help=True, rich_markup_mode=None, help=text)
