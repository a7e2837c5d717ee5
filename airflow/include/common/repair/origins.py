"""From rows of a table back to the lines of the files they were made of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
from sqlalchemy import select

from common.contracts.catalogue import contract_of, contracts, domains
from common.core.assets import Zone, asset_name
from common.core.beginnings import meant
from common.core.errors import ConfigError, WatershedError, is_panic
from common.core.nouns import Batch, Dataset
from common.core.scratch import scratch
from common.core.targets import targets
from common.lake.table import current_version, read_at, reading
from common.ledger.batches import batch_of
from common.ledger.database import transaction
from common.ledger.places import IS_RERUN, KEY
from common.ledger.tables import batch
from common.models.columns import passed_through
from common.models.model import Model, model_of, models
from common.models.run import slices, within
from common.pipelines.consumers import loaded_tables, zone_of
from common.refine.source import chunks, fetch
from common.zones.store import ZoneStore
from common.zones.zone import folder


@dataclass(frozen=True)
class Origin:
    """Where a record came from: the file as it landed, its bronze copy, and the place in it."""

    dataset: str
    file: str
    bronze: str
    record: int
    line: int | None
    offset: int | None


def table_named(name: str) -> Dataset:
    """Find the dataset of a table: `domain.name`, with or without a zone, its beginning, or a warehouse table's name.

    Raises ConfigError naming the tables that may be meant.
    """
    bare, _, target = name.partition("@")
    if target and target not in targets():
        raise ConfigError(f"No warehouse '{target}' in '{name}'. Known: {', '.join(targets())}.")
    known = {str(Dataset(d, n)): Dataset(d, n) for d in domains() for n in [*contracts(d), *models(d)]}
    loaded = {spec.table: dataset for d in domains() for dataset, spec in loaded_tables(d) if spec.table}
    for candidate in (bare, bare.rpartition(".")[0]):
        if found := loaded.get(candidate) or known.get(candidate):
            return found
    whole = meant("table", bare, [*known, *loaded])
    return loaded.get(whole) or known[whole]


def origins(table: Dataset, where: str, limit: int = 100) -> Iterator[Origin]:
    """Find the records that rows of a table were made of; `where` is SQL over the table's columns.

    Rows of a model come from the records of their slice that agree in every column which the model passes on.
    Raises ConfigError where the condition is none, or finds no row.
    """
    rows = _rows(table, where)
    for dataset, records in _records(table, rows):
        for (file,), found in records.select("_file", "_record").head(limit).group_by("_file", maintain_order=True):
            yield from located(dataset, str(file), found["_record"])


def _rows(table: Dataset, where: str) -> pl.DataFrame:
    uri = ZoneStore(zone_of(table)).uri(folder(table))
    with reading(uri):
        rows = read_at(uri, current_version(uri))
        columns = rows.collect_schema().names()
    with _condition(where, table, columns), reading(uri):
        found = pl.SQLContext(t=rows).execute(f"SELECT * FROM t WHERE {where}").collect()  # noqa: S608
    if found.is_empty():
        raise ConfigError(f"No row of {table} fulfils {where!r}.")
    return found


@contextmanager
def _condition(where: str, table: Dataset, columns: Sequence[str]) -> Iterator[None]:
    """Translate what an engine says of a condition, its panics included; raises ConfigError naming the columns."""
    try:
        yield
    except WatershedError:
        raise
    except BaseException as error:
        if not (isinstance(error, pl.exceptions.PolarsError | UnicodeError) or is_panic(error)):
            raise
        why = "the engine cannot compute it" if is_panic(error) else _first_line(error)
        known = ", ".join(columns)
        raise ConfigError(f"{where!r} is no condition over {table}: {why}. Its columns: {known}.") from error


def _first_line(error: BaseException) -> str:
    """Return what an engine says is wrong, without the plan in which it found it."""
    return str(error).strip().split("\n", 1)[0].rstrip(".;:")


def _records(table: Dataset, rows: pl.DataFrame) -> Iterator[tuple[Dataset, pl.DataFrame]]:
    if zone_of(table) is Zone.SILVER:
        yield table, rows
        return
    model = model_of(table)
    wanted = set(rows[model.slice].cast(pl.String))
    for dataset in model.inputs:
        yield dataset, _inputs(model, dataset, rows, wanted)


def _inputs(model: Model, dataset: Dataset, rows: pl.DataFrame, wanted: set[str]) -> pl.DataFrame:
    uri = ZoneStore(Zone.SILVER).uri(folder(dataset))
    with reading(uri):
        inputs = read_at(uri, current_version(uri)).collect()
    if shared := passed_through(model, inputs.columns):
        wanted_rows = rows.select(pl.col(list(shared))).unique()
        inputs = inputs.join(
            wanted_rows, left_on=list(shared.values()), right_on=list(shared), how="semi", nulls_equal=True
        )
    if inputs.is_empty() or model.inputs[dataset].slice is None:
        return inputs
    return within(model, dataset, inputs, wanted & slices(model, dataset, inputs))


def located(dataset: Dataset, file: str, records: pl.Series) -> Iterator[Origin]:
    """Find the places of records in a file of a dataset, which is named as bronze names it."""
    found = bronze_batch(dataset, file)
    with scratch() as spool:
        for chunk in chunks(fetch(contract_of(dataset), found, spool)):
            here = chunk.frame["_record"].implode()
            for spot in chunk.locate(records.filter(records.is_in(here)).to_list()).iter_rows(named=True):
                place = spot["_record"], spot["_line"], spot["_offset"]
                yield Origin(str(dataset), found.bronze.raw, ZoneStore(Zone.BRONZE).uri(file), *place)


def bronze_batch(dataset: Dataset, file: str) -> Batch:
    """Return the batch that a file in bronze is; raises ConfigError where the ledger knows of none."""
    with transaction() as connection:
        named = (batch.c.asset == asset_name(dataset, Zone.BRONZE)) & (file == KEY)
        whole = named & ~IS_RERUN  # batches that carry it again may count some records only
        row = connection.execute(select(batch).where(whole).order_by(batch.c.number).limit(1)).first()
    if row is None:
        raise ConfigError(f"The ledger knows of no file {file}. Run `watershed ledger verify`.")
    return batch_of(row)
