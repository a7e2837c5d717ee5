"""Judge a file before any of its records: can it be read, and does it have what the contract needs."""

from pathlib import Path

from common.contracts.contract import Contract
from common.core.errors import UnreadableFile
from common.core.shape import Shape
from common.formats import sniff


def inspect_file(path: Path, name: str, contract: Contract) -> Shape:
    """Find out what a file is; raises UnreadableFile where it is refused whole, with reason and message."""
    shape = sniff(path, name, contract.dialect, contract.sources)
    missing = [column for column in contract.needed if column not in shape.columns or column in shape.absent]
    if missing and shape.columns:
        present = [column for column in shape.columns if column not in shape.absent]
        raise UnreadableFile(
            "schema",
            f"{name} lacks {', '.join(missing)}; it has {', '.join(present)}. "
            f"{contract.dataset} {contract.version} needs {', '.join(contract.needed)}.",
        )
    return shape
