"""The beginning of a file as text, and what is known of the file so far."""

from dataclasses import dataclass
from pathlib import Path

from common.core.shape import Compression


@dataclass(frozen=True)
class Sample:
    """The beginning of a file; `whole` if that is all of it, `suffix` is a hint from its name."""

    path: Path
    suffix: str
    compression: Compression
    encoding: str
    text: str
    whole: bool
