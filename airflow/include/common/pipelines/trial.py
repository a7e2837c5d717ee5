"""Try a model on made-up rows: slice by slice it must give what it gives at once, or its table depends on hops."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import sqlglot
from sqlglot import exp

from common.contracts.catalogue import contract_of
from common.contracts.contract import Column, Contract, Kind
from common.core.errors import ModelError
from common.core.nouns import Dataset
from common.lake.schema import silver_schema
from common.lake.source import silver_source
from common.models.model import Model
from common.models.run import at_once_and_by_slice
from common.refine.clean import add_partition

TRIALS, ROWS = 4, 8
DAYS = [date(2024, 1, 5), date(2024, 1, 6), date(2024, 2, 6), date(2024, 3, 7)]
WORDS = "abcdefgh"
FEW = 3  # values that are no keys, so that rows meet


def require_slices(model: Model) -> None:
    """Refuse a model whose rows depend on other slices than their own; raises ModelError with such a row.

    What the SQL forbids by itself is told first: a LIMIT, or a window over all slices.
    """
    if found := next(_across_slices(model), None):
        raise ModelError(f"Model {model.dataset}: {found} {ADVICE}")
    for seed in range(TRIALS):
        rows = {dataset: _made_up(dataset, seed, history=item.history) for dataset, item in model.inputs.items()}
        whole, parts = at_once_and_by_slice(model, rows)
        if whole is None or parts is None:  # such rows break another rule of the model, so they say nothing
            continue
        if not (odd := pl.concat([_less(whole, parts), _less(parts, whole)])).is_empty():
            raise ModelError(
                f"Model {model.dataset}: computed slice by slice it gives other rows than at once; of made-up rows "
                f"{odd.height} differ, such as {odd.row(0, named=True)}. {ADVICE}"
            )


ADVICE = (
    "A row may depend only on rows of its own slice, for only the slices that changed rows touch are computed again: "
    "name an input that is needed whole `all`, put the slice into GROUP BY and PARTITION BY, and use no LIMIT."
)


def _across_slices(model: Model) -> Iterator[str]:
    try:
        tree = sqlglot.parse_one(model.sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise ModelError(f"Model {model.dataset}: {error}") from error
    for limit in tree.find_all(exp.Limit, exp.Offset, exp.Fetch):
        yield f"`{limit.sql('duckdb').strip()}` chooses among the rows of all slices."
    for window in tree.find_all(exp.Window):
        if not window.args.get("partition_by"):
            yield f"`{window.sql('duckdb')}` looks at the rows of all slices."


def _less(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    return one.join(other, on=one.columns, how="anti", nulls_equal=True)


def _made_up(dataset: Dataset, seed: int, *, history: bool) -> pl.DataFrame:
    """Make up some rows of a dataset; with few values, so that they meet, and in half of the trials with nulls."""
    contract, chance = contract_of(dataset), random.Random(f"{dataset}{seed}")  # noqa: S311 - rows for a trial
    most = {c.name: ROWS if c.name in contract.key else FEW for c in contract.columns}
    columns = {
        c.name: [_value(c, chance, most[c.name], nulls=seed % 2 == 1) for _ in range(ROWS)] for c in contract.columns
    }
    schema = silver_schema(contract)
    frame = pl.DataFrame(columns, schema={c.name: schema[c.name] for c in contract.columns}, strict=False)
    frame = add_partition(_keyed(frame, contract, history=history), contract)
    frame = frame.with_columns(
        pl.lit("a file").alias("_file"),
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_record"),
        pl.lit(datetime(2024, 1, 1, tzinfo=UTC)).alias("_arrival"),
    )
    shown = list(silver_source(contract, history=history).schema)
    return frame.with_columns(pl.lit(value=False).alias("_deleted")).select(pl.col(n).cast(schema[n]) for n in shown)


def _keyed(frame: pl.DataFrame, contract: Contract, *, history: bool) -> pl.DataFrame:
    key = [n for n in (contract.identity if history else contract.key) if n in frame.columns]
    return frame.unique(key, keep="first", maintain_order=True) if key else frame


def _value(column: Column, chance: random.Random, most: int, *, nulls: bool) -> Any:
    if nulls and not column.required and chance.random() < 0.2:
        return None
    if column.accepted and column.kind is Kind.STRING:
        return chance.choice(column.accepted)
    number, day = chance.randint(1, most), chance.choice(DAYS)
    values: dict[Kind, Any] = {
        Kind.STRING: WORDS[number - 1],
        Kind.INTEGER: number,
        Kind.DOUBLE: float(number),
        Kind.DECIMAL: Decimal(number if column.precision > column.scale else 0),
        Kind.BOOLEAN: number > 1,
        Kind.DATE: day,
        Kind.TIMESTAMP: datetime(day.year, day.month, day.day, number, tzinfo=UTC),
    }
    return values[column.kind]
