"""Rules for a batch as a whole: what it must be like, or it is held back until a person decides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from statistics import median

from common.contracts.contract import BatchRules
from common.core.errors import QualityError


@dataclass(frozen=True)
class BatchFacts:
    """What is known of one batch once its records were read.

    `newest` is the latest value of the rules' age column, `landed` when the file arrived; `unknown_columns` are columns
    of the file that the contract lacks, `missing_columns` columns of the contract that the file lacks.
    """

    batch: str
    name: str
    records: int
    refused: int
    newest: date | datetime | None = None
    landed: datetime | None = None
    unknown_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()


def require(found: Sequence[BatchFacts], rules: BatchRules, recent: Sequence[float] = ()) -> None:
    """Hold back the batches that break a rule; `recent` are the records of a batch in recent hops.

    Raises QualityError naming them, with what was found and what is allowed.
    """
    faults = {facts.batch: list(_faults(facts, rules, recent)) for facts in found}
    if guilty := {batch: texts for batch, texts in faults.items() if texts}:
        reasons = "; ".join(dict.fromkeys(text for texts in guilty.values() for text in texts))
        raise QualityError(f"{reasons}. Release or refuse it: `watershed parked`.", tuple(guilty))


def _faults(facts: BatchFacts, rules: BatchRules, recent: Sequence[float]) -> Iterator[str]:
    share = facts.refused / facts.records if facts.records else 0.0
    if rules.max_refused_share is not None and share > rules.max_refused_share:
        yield (
            f"{facts.name}: {facts.refused} of {facts.records} records ({share:.1%}) were refused; "
            f"at most {rules.max_refused_share:.1%} is allowed"
        )
    if _outside(facts.records, rules.rows):
        yield f"{facts.name}: has {facts.records} records; allowed are {_written(rules.rows)}"
    if recent and _outside(facts.records / max(median(recent), 1), rules.of_median):
        yield (
            f"{facts.name}: has {facts.records} records where the median of recent batches is {median(recent):.0f}; "
            f"allowed is {_written(rules.of_median)} of it"
        )
    yield from _stale(facts, rules)
    if rules.known_columns and (facts.unknown_columns or facts.missing_columns):
        yield (
            f"{facts.name}: its columns drifted from the contract: new {', '.join(facts.unknown_columns) or 'none'}, "
            f"missing {', '.join(facts.missing_columns) or 'none'}"
        )


def _stale(facts: BatchFacts, rules: BatchRules) -> Iterator[str]:
    if rules.max_age_hours is None or facts.newest is None or facts.landed is None:
        return
    newest = facts.newest if isinstance(facts.newest, datetime) else datetime.combine(facts.newest, time.max, UTC)
    hours = (facts.landed - newest).total_seconds() / 3600
    if hours > rules.max_age_hours:
        yield (
            f"{facts.name}: its newest {rules.age_column} is {hours:.1f} hours older than its landing; "
            f"at most {rules.max_age_hours:g} are allowed"
        )


def _outside(value: float, limits: tuple[float | None, float | None]) -> bool:
    least, most = limits
    return (least is not None and value < least) or (most is not None and value > most)


def _written(limits: tuple[float | None, float | None]) -> str:
    least, most = limits
    return f"{'any' if least is None else f'{least:g}'} to {'any' if most is None else f'{most:g}'}"
