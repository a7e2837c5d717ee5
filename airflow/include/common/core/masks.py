"""What engines say without the values they quote: incidents and alerts go where personal data must not."""

import re

MASK = "•••"
QUOTED = re.compile(r"['\"].*", re.DOTALL)  # to the end: a value may hold quotes and line breaks itself


def without_values(message: object) -> str:
    """Cut a message where it begins to quote."""
    return QUOTED.sub(MASK, str(message))
