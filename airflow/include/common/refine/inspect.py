"""Judge a file before any of its records: can it be read, and does it have what the contract needs."""

from pathlib import Path

from common.contracts.contract import Contract
from common.core.errors import UnreadableFile
from common.core.shape import Shape
from common.formats import sniff
from common.refine.match import of_shape


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
    missing = [source for source in contract.needed if source in found.missing]
    if missing and shape.columns:
        present = [column for column in shape.columns if column not in shape.absent]
        raise UnreadableFile(
            "schema",
            f"{name} lacks {', '.join(missing)}; it has {', '.join(present)}. "
            f"{contract.dataset} {contract.version} needs {', '.join(contract.needed)}.",
        )
    return shape
