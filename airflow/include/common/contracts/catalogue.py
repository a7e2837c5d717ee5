"""Find the contracts: one file a dataset, one folder a domain, no list anywhere."""

from pathlib import Path

from common.contracts.contract import Contract
from common.contracts.read import read_contract
from common.core.caches import per_files
from common.core.errors import ConfigError, ContractError
from common.core.nouns import Dataset
from common.core.settings import domains_dir

ENDINGS = (".yaml", ".yml")


def domains(root: Path | None = None) -> list[str]:
    """Name the domains: the folders that hold a `contracts` folder."""
    return sorted(folder.parent.name for folder in (root or domains_dir()).glob("*/contracts"))


def contracts(domain: str, root: Path | None = None) -> dict[str, Contract]:
    """Read the contracts of a domain that have no fault, by dataset name: a faulty one holds up no other.

    Raises ConfigError for an unknown domain.
    """
    return dict(_known(root or domains_dir(), domain)[0])


def contract_faults(domain: str, root: Path | None = None) -> dict[Path, str]:
    """Return what is wrong with the other contracts of a domain, by file; raises ConfigError for an unknown domain."""
    return dict(_known(root or domains_dir(), domain)[1])


def _known(top: Path, domain: str) -> tuple[dict[str, Contract], dict[Path, str]]:
    if domain not in domains(top):
        raise ConfigError(f"No domain '{domain}' in {top}. Known: {', '.join(domains(top)) or 'none'}.")
    return _read_all(top, domain)


def contract_files(root: Path | None = None) -> list[Path]:
    """Return the files of all contracts."""
    top = root or domains_dir()
    return [path for domain in domains(top) for path in _files(top, domain)]


def _files(top: Path, domain: str) -> list[Path]:
    return sorted(path for path in (top / domain / "contracts").iterdir() if path.suffix in ENDINGS)


@per_files(_files)
def _read_all(top: Path, domain: str) -> tuple[dict[str, Contract], dict[Path, str]]:
    """Return the contracts of a domain that can be read, and what is wrong with the others."""
    good: dict[str, Contract] = {}
    faults: dict[Path, str] = {}
    files = _files(top, domain)
    for path in files:
        twins = [other.name for other in files if other.stem == path.stem]
        if len(twins) > 1:
            faults[path] = f"{path}: {' and '.join(twins)} are contracts of one dataset; keep one."
            continue
        try:
            good[path.stem] = placed_contract(path)
        except ContractError as error:
            faults[path] = str(error)
    return good, faults


def placed_contract(path: Path) -> Contract:
    """Read the contract of a file in its domain's folder; raises ContractError also where it is another dataset's."""
    contract, place = read_contract(path), placed_dataset(path)
    if contract.dataset != place:
        raise ContractError(f"{path}: describes {contract.dataset}; its place says {place}.")
    return contract


def placed_dataset(path: Path) -> Dataset:
    """Return the dataset that the place of a contract says."""
    return Dataset(path.parent.parent.name, path.stem)


def equal_files(root: Path | None = None) -> list[str]:
    """Return what is wrong where two contracts of a domain claim files by one pattern or the same columns."""
    found = []
    for domain in domains(root):
        claims: dict[object, list[str]] = {}
        for name, contract in contracts(domain, root).items():
            columns = (frozenset(contract.files.columns),) if contract.files.columns else ()
            for claim in (*contract.files.names, *columns):
                claims.setdefault(claim, []).append(name)
        for claim, names in claims.items():
            if len(names) > 1:
                what = f"'{claim}'" if isinstance(claim, str) else f"the columns {', '.join(sorted(claim))}"  # type: ignore[call-overload]
                found.append(f"{domain}: {' and '.join(names)} both claim files by {what}; nobody would get them.")
    return found


def contract_of(dataset: Dataset, root: Path | None = None) -> Contract:
    """Read the contract of one dataset, whatever is wrong with others; raises ConfigError naming the known ones."""
    good, faults = _known(root or domains_dir(), dataset.domain)
    if dataset.name in good:
        return good[dataset.name]
    if own := [fault for path, fault in faults.items() if path.stem == dataset.name]:
        raise ContractError("\n".join(own))
    raise ConfigError(f"No dataset '{dataset}'. Known: {', '.join(f'{dataset.domain}.{name}' for name in good)}.")
