"""Whatever a file's shape, finding out what it is and reading it takes bounded memory: measured in a process of its own."""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from devstack.folder import INCLUDE

MOST = 1000  # megabytes: twice what is needed, and a third of what a file of each kind takes without limits
STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="a process's peak memory is read from Linux's /proc")
CHILD = """
import sys
from pathlib import Path
import polars
from common.core.errors import UnreadableFile
from common.formats import read, sniff

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

path, before, word = Path(sys.argv[1]), peak(), "read"
try:
    for chunk in read(path, sniff(path, path.name)):
        pass
except UnreadableFile as error:
    word = error.reason
print(word, peak() - before)
"""


def inspected(path: Path) -> tuple[str, int]:
    """Read a file in a new process; give the reason why it is refused, or `read`, and the megabytes that it took."""
    env = {**os.environ, "PYTHONPATH": str(INCLUDE)}
    done = subprocess.run([sys.executable, "-c", CHILD, path], env=env, capture_output=True, text=True, check=True)
    word, megabytes = done.stdout.split()
    return word, int(megabytes)


def one_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for _ in range(1000):
            file.write(b"x" * (1 << 20))


def lines_just_short_enough(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for number in range(20):
            file.write(b"%d,%s\n" % (number, b"x" * (15 << 20)))


def columns(path: Path) -> None:
    names = ",".join(f"c{number}" for number in range(100_000))
    path.write_text(f"{names}\n" + ",".join("1" * 100_000) + "\n")


def keys(path: Path) -> None:
    path.write_text("".join(f'{{"k{number}": 1}}\n' for number in range(100_000)))


def gzip_bomb(path: Path) -> None:
    member = gzip.compress(b"a,b\n" + b"1,2\n" * (4 << 20), mtime=0)
    with path.open("wb") as file:
        for _ in range(150):
            file.write(member)


def deep(path: Path) -> None:
    path.write_text('{"a": 1}\n{"a": ' + "[" * 4_000_000 + "]" * 4_000_000 + "}\n")


def deep_document(path: Path) -> None:
    path.write_text('[{"a": 1}, {"a": ' + "[" * 4_000_000 + "]" * 4_000_000 + "}]")


def page_bomb(path: Path) -> None:
    table = pa.table({"a": ["0" * (64 << 20)]})
    with pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(24):
            writer.write_table(table)


@pytest.mark.parametrize(
    ("make", "name", "word"),
    [
        (one_line, "x.csv", "too_long"),
        (lines_just_short_enough, "x.csv", "read"),
        (columns, "x.csv", "too_wide"),
        (keys, "x.ndjson", "too_wide"),
        (gzip_bomb, "x.csv.gz", "too_large"),
        (deep, "x.ndjson", "read"),
        (deep_document, "x.json", "read"),
        (page_bomb, "x.parquet", "too_large"),
    ],
)
def test_memory_is_bounded_whatever_the_shape(
    tmp_path: Path, make: Callable[[Path], None], name: str, word: str
) -> None:
    make(tmp_path / name)
    found, megabytes = inspected(tmp_path / name)
    (tmp_path / name).unlink()
    assert (found, megabytes < MOST) == (word, True), f"it took {megabytes} MB"
