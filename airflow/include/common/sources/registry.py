"""The kinds of sources: a literal table, read top to bottom."""

from collections.abc import Callable
from pkgutil import resolve_name

from common.contracts.contract import Contract
from common.contracts.sources import SourceSpec
from common.core.errors import ConfigError
from common.sources.source import Source

# Each is loaded when it is used: a worker that reads a table does not load Google's libraries.
SOURCES = {
    "sheet": "common.sources.sheets:Sheet",
    "table": "common.sources.watermark:WatermarkTable",
    "table a day": "common.sources.daytables:DayTables",
    "folder": "common.sources.folders:Folder",
}


def source_of(contract: Contract) -> Source:
    """Load and make the source of a dataset; raises ConfigError where its contract names none."""
    if contract.source is None:
        raise ConfigError(f"{contract.dataset} has no source: its contract does not say `source`.")
    kind = "table a day" if contract.source.daily else contract.source.kind
    make: Callable[[SourceSpec, Contract], Source] = resolve_name(SOURCES[kind])
    return make(contract.source, contract)
