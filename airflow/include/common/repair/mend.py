"""Rows of quarantine on their way to a person and back: listed with a mask, exported, mended, imported."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from common.contracts.catalogue import contract_of
from common.contracts.contract import Contract
from common.core.assets import Asset, Zone
from common.core.errors import ConfigError
from common.core.masks import MASK
from common.core.nouns import Batch, Dataset
from common.core.scratch import scratch
from common.core.shape import Shape
from common.formats.grammar import is_utf8
from common.lake.table import reading
from common.ledger.decisions import DerivedBatch
from common.ledger.refusals import refused_rows_of
from common.load.aside import REASON, UNDELIVERED
from common.models.model import Model
from common.pipelines.consumers import declared
from common.pipelines.kinds import consumer_named
from common.refine.clean import typed_columns
from common.refine.match import matched
from common.refine.refused import rows_of
from common.refine.source import ORIGIN_RECORD, chunks, fetch
from common.repair.rerun import mended
from common.zones.store import ZoneStore
from common.zones.zone import folder

TOLD = ("refusal", "file", "record", "line", "reason", "column", "value")
TEXT = "text"
OURS = "_watershed_"  # prefix of our own columns after a file is imported
Rows = Sequence[dict[str, Any]]


def refused_rows(refusal: dict[str, Any], limit: int | None = None) -> pl.DataFrame:
    """Read the rows of one refusal with file, record, line, offset, text, reason, rule, column, value, contract."""
    named = refused_rows_of(refusal)
    with reading(named.place):
        rows = rows_of(named)
        return (rows if limit is None else rows.head(limit)).collect()


def masked(refusal: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """Read rows of a refusal for a listing: values and texts that may hold personal data are masked."""
    personal = _personal(dataset_of(refusal))
    rows = refused_rows(refusal, limit).to_dicts()
    for row in rows:
        row["value"] = MASK if row["value"] and row["column"] in personal else row["value"]
        text = (row[TEXT] or b"").decode("utf-8", "backslashreplace")
        row[TEXT] = MASK if text and personal else text
    return rows


def dataset_of(refusal: dict[str, Any]) -> Dataset:
    """Return the dataset whose rows or files a refusal is of."""
    name = refusal["consumer"]
    return consumer_named(name).dataset if refusal["reason"] in (REASON, UNDELIVERED) else Asset.parse(name).dataset


def _personal(dataset: Dataset) -> frozenset[str]:
    """Name the columns with personal data; a model's are those of its inputs' contracts."""
    table = declared(dataset)
    if not isinstance(table, Model):
        return table.personal
    return frozenset(name for found in table.inputs for name in contract_of(found).personal)


def export(refusals: Rows, derived: Iterable[DerivedBatch], to: Path) -> int:
    """Write the rows of refusals of one dataset to a CSV file to be mended; return how many there are.

    Columns: which refusal, file, record, line and why; then the contract's columns as they came, or the text of a
    line that has none. Raises ConfigError where they are of several datasets.
    """
    contract = _contract(refusals)
    frames, names = [], _names(contract)
    reasons = {row["id"]: row for row in refusals}
    for one in derived:
        with scratch() as spool:
            values = _values(contract, one.batch, spool)
        for name in one.refusals:
            reported = _told(name, refused_rows(reasons[name])).rename(names)
            frames.append(reported.join(values, left_on=names["record"], right_on=ORIGIN_RECORD, how="left"))
    frame = pl.concat(frames, how="vertical_relaxed").sort(names["file"], names["record"])
    frame.select(*(names[name] for name in TOLD), *contract.sources, names[TEXT]).write_csv(to)
    return frame.height


def _names(contract: Contract) -> dict[str, str]:
    """Name the columns that the platform adds: with an underscore where the contract has one of that name."""
    return {name: f"_{name}" if name in contract.sources else name for name in (*TOLD, TEXT)}


def _contract(refusals: Rows) -> Contract:
    if any(row["reason"] == REASON for row in refusals):
        raise ConfigError(
            f"Rows of reason '{REASON}' are right, the warehouse's table lacks room for them: mend that, then "
            "`watershed quarantine redrive` without --rows."
        )
    if any(row["reason"] == UNDELIVERED for row in refusals):
        raise ConfigError(
            f"Rows of reason '{UNDELIVERED}' are as their files have them, the target refuses them: let their source "
            "send corrected ones, or mend the target, then `watershed quarantine redrive` without --rows."
        )
    datasets = sorted({dataset_of(row) for row in refusals})
    if len(datasets) != 1:
        raise ConfigError(f"Rows of one dataset at a time; these are of {', '.join(map(str, datasets))}.")
    return contract_of(datasets[0])


def _values(contract: Contract, batch: Batch, spool: Path) -> pl.DataFrame:
    columns = contract.sources
    empty = pl.DataFrame(schema={ORIGIN_RECORD: pl.Int64, **dict.fromkeys(columns, pl.String)})
    found = [empty]
    for chunk in chunks(fetch(contract, batch, spool)):
        match = matched([name for name in chunk.frame.columns if name != "_record"], contract).files
        present = [
            pl.col(match[column.name]).cast(pl.String).alias(column.source)
            for column in contract.columns
            if column.name in match
        ]
        found.append(chunk.frame.select(pl.col("_record").alias(ORIGIN_RECORD), *present))
    return pl.concat(found, how="diagonal_relaxed")


def _told(refusal: str, rows: pl.DataFrame) -> pl.DataFrame:
    text = rows[TEXT].map_elements(lambda b: b.decode("utf-8", "backslashreplace"), return_dtype=pl.String)
    return rows.select(pl.lit(refusal).alias("refusal"), *TOLD[1:], text.alias(TEXT))


def mended_batches(refusals: Rows, derived: Sequence[DerivedBatch], path: Path) -> list[DerivedBatch]:
    """Let derived batches bring the mended rows of an exported CSV; they are kept in bronze, named after their content.

    Raises ConfigError where the file lacks a column, or rows of its refusals, or has others.
    """
    contract = _contract(refusals)
    rows = _read(path, contract)
    for refusal in refusals:
        _same_records(rows.filter(pl.col(f"{OURS}refusal") == refusal["id"]), refusal, path)
    wanted = [(one, rows.filter(pl.col(f"{OURS}refusal").is_in(one.refusals))) for one in derived]
    return [_stored(contract, one, mine) for one, mine in wanted]


def refusals_in(path: Path) -> list[str]:
    """Name the refusals that an exported CSV is about; raises ConfigError where it is none."""
    try:
        columns = pl.read_csv(path, n_rows=0, infer_schema=False).columns
        name = "_refusal" if "_refusal" in columns else "refusal"
        found = pl.read_csv(path, columns=[name], infer_schema=False)[name]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{path} is not a file of `watershed quarantine export`: {_problem(path, error)}") from error
    return sorted(set(found.drop_nulls()))


def _problem(path: Path, error: Exception) -> str:
    """Say what is wrong with a mended file in the words of whoever saved it, not in those of an engine's plan."""
    if isinstance(error, OSError):
        return f"{error.strerror or error}."
    if path.is_dir():
        return "it is a folder."
    with path.open("rb") as file:
        header = file.readline()
    if not is_utf8(header):
        return "it is not UTF-8. Save it so, with commas."
    line = header.decode().strip()
    if "," not in line and (";" in line or "\t" in line):
        split = "semicolons" if ";" in line else "tabs"
        return f"its header is split by {split}, not by commas: {line[:120]}. Save it with commas."
    return (
        f"{str(error).strip().splitlines()[0].rstrip('.')}; its header is: {line[:120]}. Save it as CSV, with commas."
    )


def _read(path: Path, contract: Contract) -> pl.DataFrame:
    names = {name: column for name, column in _names(contract).items() if name in ("refusal", "file", "record")}
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{path} is no CSV file in UTF-8: {_problem(path, error)}") from error
    if missing := [name for name in (*names.values(), *contract.sources) if name not in rows.columns]:
        raise ConfigError(f"{path} lacks the columns {', '.join(missing)}; export it again and keep its header.")
    return rows.with_columns(pl.col(column).alias(OURS + name) for name, column in names.items())


def _same_records(rows: pl.DataFrame, refusal: dict[str, Any], path: Path) -> None:
    expected = refused_rows(refusal).select("file", pl.col("record").cast(pl.String))
    found = rows.select(pl.col(OURS + name).alias(name) for name in ("file", "record"))
    missing, more = (
        expected.join(found, on=["file", "record"], how="anti"),
        found.join(expected, on=["file", "record"], how="anti"),
    )
    if missing.height or more.height or found.height != expected.height:
        raise ConfigError(
            f"{path}: refusal {refusal['id']} has {expected.height} rows; the file has {found.height}, lacks "
            f"{missing.height} of them and has {more.height} others. Send each back once, mended or as it is, or "
            "discard the refusal."
        )


def _stored(contract: Contract, derived: DerivedBatch, rows: pl.DataFrame) -> DerivedBatch:
    columns = (ORIGIN_RECORD, *contract.sources)
    with scratch() as spool:
        typed = _typed(contract, derived.batch, spool)
        local = spool / "mended.parquet"
        rows.select(pl.col(f"{OURS}record").cast(pl.Int64).alias(ORIGIN_RECORD), *contract.sources).write_parquet(local)
        digest = hashlib.sha256(local.read_bytes()).hexdigest()
        key = f"{folder(contract.dataset)}/mended/{digest[:12]}-{derived.batch.id}.parquet"
        found = ZoneStore(Zone.BRONZE).upload(local, key)
    shape = Shape("parquet", "none", "utf-8", None, None, header=True, columns=columns, typed=typed)
    (file,) = set(rows[f"{OURS}file"])
    return mended(derived, replace(derived.batch.bronze, key=key, etag=found.etag, size=found.size, shape=shape), file)


def _typed(contract: Contract, origin: Batch, spool: Path) -> tuple[str, ...]:
    """Name the columns of which the rows' own file has typed values: that a CSV brought them back changes no rule."""
    source = fetch(contract, origin, spool)
    first = next(chunks(source), None)
    return typed_columns(first.frame, contract, source.shape) if first else ()
