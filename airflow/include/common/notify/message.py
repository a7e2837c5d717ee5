"""What is to be said, before any channel renders it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """An alert: a title, facts in order, the error's text, and where to read more."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    error: str = ""
    link: str = ""

    @property
    def plain(self) -> str:
        """Return the message as one line, for notifications and clients without blocks."""
        return f"{self.title}: {self.error.splitlines()[0]}" if self.error else self.title
