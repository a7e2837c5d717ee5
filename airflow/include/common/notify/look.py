"""How a message looks at a glance: a sign and a colour for its state and severity."""

from dataclasses import dataclass

from common.notify.message import Message, Severity, State, cut


@dataclass(frozen=True)
class Look:
    """A sign, a colour, and the word that Adaptive Cards have for that colour."""

    sign: str
    colour: str
    style: str


# Signs differ in shape, too: not everybody sees their colours.
BY_SEVERITY = {
    Severity.INFO: Look("ℹ️", "#2563eb", "accent"),  # noqa: RUF001 - the letter is the sign
    Severity.WARNING: Look("⚠️", "#d97706", "warning"),
    Severity.ERROR: Look("❌", "#dc2626", "attention"),
    Severity.CRITICAL: Look("🚨", "#991b1b", "attention"),
}
RESOLVED = Look("✅", "#16a34a", "good")


def look(message: Message) -> Look:
    """Return how a message looks."""
    return RESOLVED if message.state is State.RESOLVED else BY_SEVERITY[message.severity]


def heading(message: Message) -> str:
    """Return the title, which says first that a matter is resolved, or still open."""
    word = message.state.value.capitalize()
    if message.state in (State.OPENED, State.REPORT) or message.title.lower().startswith(message.state.value):
        return message.title
    return f"{word}: {message.title}"


def small_print(message: Message) -> str:
    """Return what only matters where something went wrong: who speaks, how bad it is, and which delivery this is."""
    words = ("Watershed", message.severity.value, message.state.value, cut(message.delivery, 64))
    return " · ".join(word for word in words if word)
