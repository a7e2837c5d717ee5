"""Read a file of a known shape, in bounded memory, with every record accounted for."""

from collections.abc import Iterator
from pathlib import Path

from common.core.shape import Shape
from common.formats.arrays import read_array
from common.formats.blanks import Blanks
from common.formats.chunk import Chunk
from common.formats.columnar import read_parquet
from common.formats.delimited import Delimited
from common.formats.grammar import Grammar
from common.formats.lines import read_lines
from common.formats.names import BLANKS
from common.formats.ndjson import Ndjson


def read(path: Path, shape: Shape, chunk_bytes: int = 4 << 20) -> Iterator[Chunk]:
    """Yield the records of a file in order, about `chunk_bytes` of the decompressed file at a time.

    There is at least one chunk. Columns of text formats are strings as they stand in the file; `_record`
    counts from 1 and counts malformed records too. Raises UnreadableFile where `sniff` would.
    """
    if shape.format == "parquet":
        return read_parquet(path, shape, chunk_bytes)
    if shape.format == "json":
        return read_array(path, shape, chunk_bytes)
    return read_lines(path, shape, _grammar(shape), chunk_bytes)


def _grammar(shape: Shape) -> Grammar:
    if shape.format == "ndjson":
        return Ndjson(shape)
    return Blanks(shape) if shape.delimiter == BLANKS else Delimited(shape)
