"""What a domain consists of, read from its contracts and models alone, so that parsing a DAG stays light."""

from dataclasses import dataclass

from common.contracts.catalogue import contract_of, contracts
from common.contracts.contract import Contract, LoadSpec
from common.core.assets import Zone, asset_name
from common.core.errors import ConfigError
from common.core.nouns import Dataset
from common.models.model import Model, models

STAGES = ("bronze", "silver", "gold", "load")
UNROUTED = "unrouted"


@dataclass(frozen=True)
class Hop:
    """One hop of a domain by name: the consumer it is, what it writes, and where to."""

    stage: str
    dataset: Dataset
    to: str = ""

    @property
    def task_id(self) -> str:
        """Name the task that does it."""
        return f"{self.dataset.name}_to_{self.to or self.zone}" if self.stage == "load" else self.dataset.name

    @property
    def zone(self) -> Zone:
        """Tell the zone it writes to; loads write to none."""
        if self.dataset.name == UNROUTED:
            return Zone.QUARANTINE
        return Zone(self.stage)

    @property
    def consumer(self) -> str:
        """Name the consumer."""
        if self.stage == "load":
            return f"{self.table}@{self.to}"
        return asset_name(self.dataset, self.zone)

    @property
    def table(self) -> str:
        """Name the warehouse table of a load."""
        spec = next(spec for spec in loads_of(self.dataset) if spec.to == self.to)
        return spec.table or str(self.dataset)


def datasets(domain: str) -> list[Dataset]:
    """List the datasets of a domain."""
    return [contract.dataset for contract in contracts(domain).values()]


def gold_tables(domain: str) -> list[Dataset]:
    """List the gold tables of a domain."""
    return [model.dataset for model in models(domain).values()]


def declared(dataset: Dataset) -> Contract | Model:
    """Give the model or else the contract of this name; raises ConfigError where there is neither."""
    return models(dataset.domain).get(dataset.name) or contract_of(dataset)


def loads_of(dataset: Dataset) -> tuple[LoadSpec, ...]:
    """List the loads that a contract or model declares."""
    return declared(dataset).loads


def loaded_tables(domain: str) -> list[tuple[Dataset, LoadSpec]]:
    """List the loads of a domain."""
    return [(d, spec) for d in [*datasets(domain), *gold_tables(domain)] for spec in loads_of(d)]


def zone_of(dataset: Dataset) -> Zone:
    """Tell whether a table of the lake is silver or gold."""
    return Zone.GOLD if dataset.name in models(dataset.domain) else Zone.SILVER


def hops(domain: str, stage: str) -> list[Hop]:
    """List the hops of one stage of a domain; raises ConfigError naming the known stages."""
    match stage:
        case "bronze":
            return [Hop(stage, d) for d in [*datasets(domain), Dataset(domain, UNROUTED)]]
        case "silver":
            return [Hop(stage, d) for d in datasets(domain)]
        case "gold":
            return [Hop(stage, d) for d in gold_tables(domain)]
        case "load":
            return [Hop(stage, d, spec.to) for d, spec in loaded_tables(domain)]
        case _:
            raise ConfigError(f"No stage '{stage}'. Known: {', '.join(STAGES)}.")
