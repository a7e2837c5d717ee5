"""The consumers that a domain's contracts and models call for; light, because parsing a DAG file reads it."""

from collections.abc import Iterable

from common.contracts.catalogue import contract_of, contracts, domains
from common.contracts.contract import Contract, LoadSpec
from common.core.assets import Zone, asset_name
from common.core.nouns import Consumer, Dataset
from common.models.model import Model, models, warehouse_models

UNROUTED = "unrouted"  # the dataset of files whose folder no contract names


def datasets(domain: str) -> list[Dataset]:
    """Return the datasets of a domain."""
    return [contract.dataset for contract in contracts(domain).values()]


def declared(dataset: Dataset) -> Contract | Model:
    """Return the model or else the contract of this name; raises ConfigError where there is neither."""
    known = {**models(dataset.domain), **warehouse_models(dataset.domain)}
    return known.get(dataset.name) or contract_of(dataset)


def zone_of(dataset: Dataset) -> Zone:
    """Return whether a table of the lake is silver or gold."""
    return Zone.GOLD if dataset.name in models(dataset.domain) else Zone.SILVER


def loaded_tables(domain: str) -> list[tuple[Dataset, LoadSpec]]:
    """Return the loads of a domain."""
    tables: Iterable[Contract | Model] = (*contracts(domain).values(), *models(domain).values())
    return [(table.dataset, spec) for table in tables for spec in table.loads]


def load_name(dataset: Dataset, spec: LoadSpec) -> str:
    """Return the name of the consumer that loads a dataset as declared."""
    return f"{spec.table or dataset}@{spec.to}"


def landing(domain: str) -> list[Consumer]:
    """Return those that take files from raw: one a dataset, and one for folders that no contract names."""
    known = [_consumer("landing", c.dataset, (Zone.RAW,), Zone.BRONZE, c.hash) for c in contracts(domain).values()]
    return [*known, _consumer("landing", Dataset(domain, UNROUTED), (Zone.RAW,), Zone.QUARANTINE, "")]


def ingests(domain: str) -> list[Consumer]:
    """Return those that fetch from a source what they owe raw: one a dataset whose contract names a source."""
    fetched = [contract for contract in contracts(domain).values() if contract.source]
    return [_consumer("ingest", c.dataset, (Zone.SOURCE,), Zone.RAW, c.hash) for c in fetched]


def _consumer(kind: str, dataset: Dataset, reads: tuple[Zone, ...], writes: Zone, contract: str) -> Consumer:
    name = asset_name(dataset, writes)
    inputs = tuple(asset_name(dataset, zone) for zone in reads)
    return Consumer(name, kind, inputs, name, contract, ordered=False, dataset=dataset)


def silver(domain: str) -> list[Consumer]:
    """Return those that refine bronze: one a dataset."""
    return [_consumer("silver", c.dataset, (Zone.BRONZE,), Zone.SILVER, c.hash) for c in contracts(domain).values()]


def models_of(domain: str) -> list[Consumer]:
    """Return those that keep a gold table: one a model."""
    return [
        Consumer(
            name=asset_name(model.dataset, Zone.GOLD),
            kind="model",
            inputs=tuple(asset_name(dataset, Zone.SILVER) for dataset in model.inputs),
            output=asset_name(model.dataset, Zone.GOLD),
            contract=model.hash,
            ordered=True,
            dataset=model.dataset,
        )
        for model in models(domain).values()
    ]


def loads(domain: str) -> list[Consumer]:
    """Return those that load a warehouse table: one a load that a contract or model declares."""
    return [_load(dataset, spec) for dataset, spec in loaded_tables(domain)]


def _load(dataset: Dataset, spec: LoadSpec) -> Consumer:
    name = load_name(dataset, spec)
    return Consumer(
        name=name,
        kind="load",
        inputs=(asset_name(dataset, zone_of(dataset)),),
        output=name,
        contract=declared(dataset).hash,
        ordered=True,
        dataset=dataset,
        to=spec.to,
    )


def loads_into(to: str) -> dict[str, Consumer]:
    """Return those that load tables of a warehouse, by the table, of all domains."""
    return {load.name.rpartition("@")[0]: load for domain in domains() for load in loads(domain) if load.to == to}


def transforms(domain: str) -> list[Consumer]:
    """Return those that keep a table which a warehouse computes: one a model that is on one."""
    return [_transform(model) for model in warehouse_models(domain).values()]


def _transform(model: Model) -> Consumer:
    name = f"{model.dataset}@{model.on}"
    return Consumer(
        name=name,
        kind="transform",
        inputs=tuple(f"{table}@{model.on}" for table in model.inputs),
        output=name,
        contract=model.hash,
        ordered=True,
        dataset=model.dataset,
        to=model.on,
    )


def deliveries(domain: str) -> list[Consumer]:
    """Return those that deliver forms: one a study of each dataset that says so, so that no study waits for another."""
    return [
        Consumer(
            name=f"{contract.dataset}@{study}",
            kind="deliver",
            inputs=(asset_name(contract.dataset, Zone.SILVER),),
            output=f"{contract.dataset}@{study}",
            contract=contract.hash,
            ordered=True,
            dataset=contract.dataset,
            part=str(study),
        )
        for contract in contracts(domain).values()
        if contract.deliver
        for study in contract.column(contract.deliver.study).accepted
    ]
