"""From the name of a hop to the step that does it."""

from common.contracts.catalogue import contract_of, domains
from common.contracts.contract import LoadSpec
from common.core.errors import ConfigError
from common.core.nouns import Batch
from common.models.model import Model, model_of
from common.pipelines.domain import STAGES, UNROUTED, Hop, declared, hops, loads_of
from common.pipelines.gold import ModelStep
from common.pipelines.hop import Step
from common.pipelines.landing import LandingStep
from common.pipelines.silver import SilverStep
from common.refine.clean import silver_schema
from common.zones.zone import Zone


def step_of(hop: Hop) -> Step:
    """Make the step of a hop; raises ConfigError where contracts and models do not know it."""
    match hop.stage:
        case "bronze":
            return LandingStep(hop.dataset, None if hop.dataset.name == UNROUTED else contract_of(hop.dataset))
        case "silver":
            return SilverStep(contract_of(hop.dataset))
        case "gold":
            return ModelStep(model_of(hop.dataset))
        case _:
            return _load_step(hop)


def _load_step(hop: Hop) -> Step:
    from common.pipelines.loading import LakeSource, LoadStep  # drivers and sqlglot: half a second for loads alone

    said, spec = declared(hop.dataset), _spec(hop)
    if isinstance(said, Model):
        return LoadStep(LakeSource(hop.dataset, Zone.GOLD, ModelStep(said).schema(), said.key, said.hash), spec)
    return LoadStep(LakeSource(hop.dataset, Zone.SILVER, silver_schema(said), said.identity, said.hash), spec)


def _spec(hop: Hop) -> LoadSpec:
    return next(spec for spec in loads_of(hop.dataset) if spec.to == hop.to)


def all_steps(domain: str) -> list[Step]:
    """Make every step of a domain, in the order of its stages."""
    return [step_of(hop) for stage in STAGES for hop in hops(domain, stage)]


def all_hops() -> list[Hop]:
    """Name every hop of every domain, in the order of the stages."""
    return [hop for domain in domains() for stage in STAGES for hop in hops(domain, stage)]


def step_named(consumer: str) -> Step:
    """Make the step of a consumer; raises ConfigError naming the known ones."""
    known = {hop.consumer: hop for hop in all_hops()}
    if consumer not in known:
        raise ConfigError(f"No consumer '{consumer}'. Known: {', '.join(known)}.")
    return step_of(known[consumer])


def consumer_of(batch: Batch) -> str:
    """Name the consumer that a batch which does things again is for; raises ConfigError where nothing reads it."""
    if asked := batch.place.get("replay", {}).get("for"):
        return str(asked)
    readers = [hop.consumer for hop in all_hops() if batch.asset in step_of(hop).consumer.inputs]
    if not readers:
        raise ConfigError(f"Nothing reads {batch.asset}.")
    return readers[0]
