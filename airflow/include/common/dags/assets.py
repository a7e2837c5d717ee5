"""Airflow Assets of datasets in zones, and the schedule that they wake."""

from collections.abc import Sequence
from typing import Any

from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from airflow.sdk import Asset, AssetAny, AssetWatcher

from common.contracts.catalogue import contract_of
from common.core.assets import Asset as LakeAsset
from common.core.assets import Zone, asset_name
from common.core.errors import ConfigError
from common.core.nouns import Consumer, Dataset
from common.core.settings import Settings, settings
from common.core.targets import target
from common.models.model import Model
from common.pipelines.consumers import declared, ingests
from common.pipelines.kinds import consumer_named
from common.zones.zone import folder, place


def zone_asset(dataset: Dataset, zone: Zone) -> Asset:
    """Return the asset of a dataset in a zone."""
    where = folder(dataset)
    uri = place(zone, settings(), where).uri(where)
    return Asset(name=asset_name(dataset, zone), uri=uri, group=str(zone), extra=_about(dataset))


def _about(dataset: Dataset) -> dict[str, Any]:
    """Return what a person sees of an asset in Airflow: what it is, whose, and its columns or how it is computed."""
    try:
        found = declared(dataset)
    except ConfigError:
        return {}  # files whose folder no contract names
    if isinstance(found, Model):
        made_of = ", ".join(map(str, found.inputs))
        return {"description": found.description, "key": list(found.key), "slice": found.slice, "made of": made_of}
    columns = {column.name: column.type for column in found.columns}
    return {"description": found.description, "owner": found.owner, "key": list(found.key), "columns": columns}


def landing_asset(domain: str) -> Asset:
    """Return the asset that rings when an object lands in a domain's raw prefix.

    Where a queue is configured a watcher rings it. Messages only say "look now": the list of the prefix is
    the truth, so they may be deleted on reception.
    """
    config = settings()
    uri = place(Zone.RAW, config, f"{domain}/").uri(f"{domain}/").rstrip("/")
    return Asset(name=f"{domain}.{Zone.RAW}", uri=uri, group=str(Zone.RAW), watchers=_watchers(domain, config))


def _watchers(domain: str, config: Settings) -> list[AssetWatcher]:
    if not config.watches_queue:
        return []
    trigger = SqsSensorTrigger(  # MessageQueueTrigger makes one too, once it has imported every provider of queues
        sqs_queue=config.queue_url(domain),
        aws_conn_id="aws_default",
        max_messages=10,
        wait_time_seconds=20,  # the most that SQS allows: a message is answered at once, silence costs the least
        waiter_delay=0,
    )
    return [AssetWatcher(name=config.queue_name(domain), trigger=trigger)]


def bells(those: Sequence[Consumer]) -> list[Asset]:
    """Return the assets that wake consumers: their inputs; for those that read raw, all that puts files there."""
    found = {asset.name: asset for consumer in those for name in consumer.inputs for asset in _bells(name)}
    return list(found.values())


def _bells(name: str) -> list[Asset]:
    """Return the assets that ring when an input has something new: a zone's, or a table's that is loaded.

    For raw it is the one of the whole domain, and those of the domain's sources.
    """
    if "@" in name:
        return [output_asset(consumer_named(name))]
    asset = LakeAsset.parse(name)
    if asset.zone is not Zone.RAW:
        return [zone_asset(asset.dataset, asset.zone)]
    domain = asset.dataset.domain
    return [landing_asset(domain), *(zone_asset(consumer.dataset, Zone.RAW) for consumer in ingests(domain))]


def output_asset(consumer: Consumer) -> Asset:
    """Return the asset that a consumer writes: a dataset in a zone, a warehouse table, or the forms of a study."""
    if consumer.part and (spec := contract_of(consumer.dataset).deliver):
        uri = f"veeva://{spec.conn}/{consumer.part}/{spec.form}"
        return Asset(name=consumer.name, uri=uri, group="veeva", extra=_about(consumer.dataset))
    if not consumer.to:
        written = LakeAsset.parse(consumer.output)
        return zone_asset(written.dataset, written.zone)
    uri = target(consumer.to).address(consumer.output.rpartition("@")[0])
    return Asset(name=consumer.name, uri=uri, group=consumer.to, extra=_about(consumer.dataset))


def doorbell(assets: Sequence[Asset]) -> AssetAny | None:
    """Return the schedule that wakes a DAG when any of the assets rings; none where bells are off or nothing rings."""
    return AssetAny(*assets) if settings().bells and assets else None
