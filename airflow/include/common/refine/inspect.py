"""Judge a file before any of its records: can it be read, and does it have what the contract needs."""

from pathlib import Path

from common.contracts.contract import Contract
from common.core.errors import UnreadableFile
from common.core.shape import Shape
from common.formats import sniff
from common.formats.names import RECORD
from common.formats.streams import opened
from common.refine.match import of_shape

HEADER_BYTES = 1 << 20


def inspect_file(path: Path, name: str, contract: Contract) -> Shape:
    """Find out what a file is; raises UnreadableFile where it is refused whole, with reason and message."""
    shape = sniff(path, name, contract.dialect, contract.sources)
    found = of_shape(shape, contract)
    if found.unclear:
        unclear = "; ".join(f"{' and '.join(names)} could each be {one}" for one, names in found.unclear.items())
        raise UnreadableFile(
            "schema",
            f"{name}: {unclear} of {contract.dataset} {contract.version}: only case or Unicode form differ. Name the "
            "column in the contract (physicalName) exactly as the file does.",
        )
    if twice := _twice(path, shape, contract):
        raise UnreadableFile(
            "schema",
            f"{name} has {', '.join(twice)} more than once, and {contract.dataset} {contract.version} reads it: which "
            "one is meant cannot be known. Send the file with a name for each column.",
        )
    missing = [source for source in contract.needed if source in found.missing]
    if missing and shape.columns:
        present = [column for column in shape.columns if column not in shape.absent]
        raise UnreadableFile(
            "schema",
            f"{name} lacks {', '.join(missing)}; it has {', '.join(present)}. "
            f"{contract.dataset} {contract.version} needs {', '.join(contract.needed)}.",
        )
    return shape


def _twice(path: Path, shape: Shape, contract: Contract) -> list[str]:
    """Name the columns that the contract reads and that the header has twice: reading calls the second `name_2`."""
    known = contract.sources
    copies = {f"{source}_2": source for source in known if source != RECORD and f"{source}_2" not in known}
    doubtful = [copy for copy in copies if copy in shape.columns]
    if not doubtful or shape.format != "csv" or not shape.header:
        return []
    with opened(path, shape.compression) as file:
        text = file.read(HEADER_BYTES).decode(shape.encoding, "replace")
    header = "\n".join(text.splitlines()[: shape.skip])
    return [copies[copy] for copy in doubtful if copy not in header]
