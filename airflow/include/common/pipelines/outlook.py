"""What the loads of a contract or model would do to their warehouses' tables as these are now."""

from collections.abc import Iterator
from dataclasses import dataclass

from common.contracts.contract import Contract, LoadSpec
from common.core.errors import TransientError, WatershedError
from common.load.evolution import Policy
from common.models.model import Model
from common.pipelines.consumers import load_name
from common.pipelines.loading import shape
from common.warehouses.differences import differences
from common.warehouses.registry import require_connection, warehouse


@dataclass(frozen=True)
class Outlook:
    """What a load does about one difference; `holds` where nothing is loaded until it is mended."""

    load: str
    what: str
    holds: bool = False


def outlooks(table: Contract | Model) -> Iterator[Outlook]:
    """Ask each warehouse that a contract or model is loaded into; one that does not answer is asked once."""
    silent: dict[str, str] = {}
    for spec in table.loads:
        if spec.to not in silent:
            try:
                yield from _of(table, spec)
                continue
            except WatershedError as error:
                why = f"cannot be looked at: {type(error).__name__}: {error}"
                if isinstance(error, TransientError):
                    silent[spec.to] = why
                yield Outlook(load_name(table.dataset, spec), why)
        else:
            yield Outlook(load_name(table.dataset, spec), silent[spec.to])


def _of(table: Contract | Model, spec: LoadSpec) -> Iterator[Outlook]:
    target, (schema, identity), into = spec.table or str(table.dataset), shape(table, spec), warehouse(spec.to)
    require_connection(spec.to)
    policy, name = Policy(spec.evolution, into, target, identity), load_name(table.dataset, spec)
    found = differences(into, target, schema, identity)
    for one in found:
        yield Outlook(name, *policy.outlook(one))
    if not found:
        yield Outlook(name, "the table is as asked for")
