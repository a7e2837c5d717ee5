"""Find the contracts: one file a dataset, one folder a domain, no list anywhere."""

from pathlib import Path

from common.contracts.contract import Contract
from common.contracts.read import read_contract
from common.core.caches import per_files
from common.core.errors import ConfigError, ContractError
from common.core.nouns import Dataset
from common.core.settings import domains_dir


def domains(root: Path | None = None) -> list[str]:
    """Name the domains: the folders that hold a `contracts` folder."""
    return sorted(folder.parent.name for folder in (root or domains_dir()).glob("*/contracts"))


def contracts(domain: str, root: Path | None = None) -> dict[str, Contract]:
    """Read all contracts of a domain, by dataset name.

    Raises ConfigError for an unknown domain, ContractError for a contract that stands under another name.
    """
    top = root or domains_dir()
    if domain not in domains(top):
        raise ConfigError(f"No domain '{domain}' in {top}. Known: {', '.join(domains(top)) or 'none'}.")
    return _read_all(top, domain)


def _files(top: Path, domain: str) -> list[Path]:
    return sorted((top / domain / "contracts").glob("*.yaml"))


@per_files(_files)
def _read_all(top: Path, domain: str) -> dict[str, Contract]:
    found = {}
    for path in _files(top, domain):
        contract = read_contract(path)
        if contract.dataset != Dataset(domain, path.stem):
            raise ContractError(f"{path}: describes {contract.dataset}; its place says {domain}.{path.stem}.")
        found[path.stem] = contract
    return found


def contract_of(dataset: Dataset, root: Path | None = None) -> Contract:
    """Read the contract of one dataset; raises ConfigError naming the known ones."""
    known = contracts(dataset.domain, root)
    if dataset.name not in known:
        raise ConfigError(f"No dataset '{dataset}'. Known: {', '.join(f'{dataset.domain}.{n}' for n in known)}.")
    return known[dataset.name]
