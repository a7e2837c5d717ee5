"""Hand a frame to DuckDB as an Arrow stream: given polars itself it would ask for pyarrow."""

from dataclasses import dataclass
from typing import Protocol


class HasArrowStream(Protocol):
    """Anything that speaks the Arrow PyCapsule interface, such as a polars DataFrame."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export as a stream of record batches."""
        ...


@dataclass(frozen=True)
class ArrowStream:
    """Only the stream of a frame, none of its other ways out."""

    frame: HasArrowStream

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the frame anew at every call."""
        return self.frame.__arrow_c_stream__(requested_schema)
