"""Take a text file apart into blocks of whole lines, one ahead of who parses them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from common.core.shape import Shape
from common.formats.bounds import require_length
from common.formats.octets import count, octets
from common.formats.streams import Source

_HEADER = 1 << 16
_LONGEST_FIELD = 100  # lines that a field may commonly have
_AHEAD = 2
T = TypeVar("T")
R = TypeVar("R")


def after_lines(source: Source, begin: bytes, mark: int, newline: bytes, lines: int) -> tuple[bytes, int]:
    """Pass over a mark and some physical lines; return what was read after them, and how many bytes they take."""
    rest, passed = begin[mark:], mark
    for _ in range(lines):
        while not (end := _first_end(rest, newline)) and (more := source.read(_HEADER)):
            rest += more
        end = end or len(rest)
        rest, passed = rest[end:], passed + end
    return rest, passed


def blocks(source: Source, begin: bytes, shape: Shape, size: int) -> Iterator[bytes]:
    """Yield `begin` and the rest of a file, in whole lines, but for the last line of the file.

    Raises UnreadableFile (too_long) if a line does not end.
    """
    newline = shape.newline[-1].encode(shape.encoding)
    quote = (shape.quote or "").encode()
    rest = begin
    while more := source.read(size):
        if len(newline) > 1:
            more, rest = rest + more, b""
        end = _last_end(more, newline)
        if end and len(rest) > size:
            require_length(len(rest) + more.find(newline))
        if end:
            block = b"".join((rest, memoryview(more)[:end]))
            outside = _outside(block, quote, newline) if quote else len(block)
            yield block if outside == len(block) else block[:outside]
            rest = block[outside:] + more[end:]
        else:
            rest += more
        require_length(len(rest))
    if rest:
        yield rest


def _outside(block: bytes, quote: bytes, newline: bytes) -> int:
    """Return where the last line begins that is not inside a field, if all quotes are in order."""
    end = len(block)
    if quote not in block or count(octets(block) == ord(quote)) % 2 == 0:
        return end
    for _ in range(_LONGEST_FIELD):
        last = block.rfind(newline, 0, end - 1) + 1
        inside = block.count(quote, last, end) % 2
        end = last
        if inside or not end:
            break
    return end or len(block)


def ahead(items: Iterator[T], work: Callable[[T], R]) -> Iterator[tuple[T, R]]:
    """Yield items and what was worked out from each, in order.

    One thread makes items, two others work on them, while the caller uses those that are ready.
    """
    with ThreadPoolExecutor(1) as maker, ThreadPoolExecutor(_AHEAD) as workers:
        coming: deque[Future[tuple[T, R] | None]] = deque()

        def finish(item: Future[T | None]) -> tuple[T, R] | None:
            made = item.result()
            return None if made is None else (made, work(made))

        def begin() -> None:
            coming.append(workers.submit(finish, maker.submit(next, items, None)))

        for _ in range(_AHEAD):
            begin()
        while (ready := coming.popleft().result()) is not None:
            begin()
            yield ready


def _first_end(raw: bytes, newline: bytes) -> int:
    at = raw.find(newline)
    while at > 0 and at % len(newline):
        at = raw.find(newline, at + 1)
    return at + len(newline) if at >= 0 else 0


def _last_end(raw: bytes, newline: bytes) -> int:
    """Return where the last whole line ends; a newline of several bytes stands at a multiple of them."""
    at = raw.rfind(newline)
    while at > 0 and at % len(newline):
        at = raw.rfind(newline, 0, at + len(newline) - 1)
    return at + len(newline) if at >= 0 else 0
