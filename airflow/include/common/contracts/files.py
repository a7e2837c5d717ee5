"""What a contract may say about its files, as far as it can be judged without one."""

import codecs
import re
from collections.abc import Iterator

from common.contracts.contract import Contract, Kind
from common.contracts.document import Fault
from common.contracts.patterns import problem

FORMATS = ("csv", "json", "ndjson", "parquet")
SIGNS = (".", ",", "'", "\u2019", " ", "\u00a0", "\u202f", "_", "\u066b", "\u066c")


def file_faults(contract: Contract) -> Iterator[Fault]:
    """List what is wrong with the dialect of a contract, and with how it claims files."""
    yield from _dialect(contract)
    for position, pattern in enumerate(contract.files.names):
        if not all(part not in ("", ".", "..") for part in pattern.split("/")):
            why = "expected a name below the domain's raw prefix, such as 'call logs/*.csv' or 'calls_*.csv'."
            yield Fault(f"/customProperties/files/names/{position}", f"found {pattern!r}; {why}")
    for position, name in enumerate(contract.files.columns):
        if name not in contract.sources:
            known = ", ".join(contract.sources)
            where = f"/customProperties/files/columns/{position}"
            yield Fault(where, f"no column of the files is called '{name}' (physicalName). Known: {known}.")
    yield from _path(contract)


def _path(contract: Contract) -> Iterator[Fault]:
    """List what keeps values of a file's key from being compared with those of its rows."""
    pattern, where = contract.files.path, "/customProperties/files/path"
    if pattern is None:
        return
    if problem(pattern) or not re.compile(pattern).groupindex:
        yield Fault(where, f"'{pattern}' is not a regular expression with groups called after columns, (?P<name>...).")
        return
    columns = {column.name: column for column in contract.columns}
    for name in contract.files.told:
        if name not in columns:
            yield Fault(where, f"no column '{name}'. Known: {', '.join(columns)}.")
        elif columns[name].kind is not Kind.STRING:
            yield Fault(where, f"'{name}' is no text, so what the path says of it could be written otherwise.")


def _dialect(contract: Contract) -> Iterator[Fault]:
    dialect, where = contract.dialect, "/customProperties/dialect"
    if dialect.format is not None and dialect.format not in FORMATS:
        yield Fault(f"{where}/format", f"no '{dialect.format}'. Known: {', '.join(FORMATS)}.")
    for name in ("delimiter", "quote", "escape"):
        value = getattr(dialect, name)
        if value is not None and (len(value) != 1 or value in "\r\n\0") and (name, value) != ("quote", ""):
            yield Fault(f"{where}/{name}", f"found {value!r}; expected one character, written '\\t' with \" for a tab.")
    for name in ("skip", "below"):
        if getattr(dialect, name) < 0:
            yield Fault(f"{where}/{name}", f"found {getattr(dialect, name)}; expected a number of lines from 0 on.")
    if dialect.delimiter is not None and dialect.delimiter == dialect.quote:
        yield Fault(f"{where}/quote", f"is {dialect.quote!r}, as the delimiter is; fields could not be told apart.")
    if dialect.encoding is not None and not _is_encoding(dialect.encoding):
        yield Fault(f"{where}/encoding", f"no '{dialect.encoding}'. Known are Python's, as utf-8, cp1252, utf-16.")


def _is_encoding(name: str) -> bool:
    try:
        return bool(codecs.lookup(name)._is_text_encoding)
    except (LookupError, ValueError):
        return False
