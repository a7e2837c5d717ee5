"""What whoever sent files is asked: which of their records and files are refused and still open, without any values."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from common.contracts.catalogue import domains
from common.core.errors import ConfigError
from common.ledger.database import transaction
from common.ledger.refusals import OPEN, WAITING, Filter, matching
from common.repair.mend import dataset_of, refused_rows
from common.repair.origins import bronze_batch, located

SCHEMA = {
    "file": pl.String(),
    "record": pl.Int64(),
    "line": pl.Int64(),
    "reason": pl.String(),
    "rule": pl.String(),
    "column": pl.String(),
    "refused": pl.String(),
    "refusal": pl.String(),
}


def queries(under: str) -> pl.DataFrame:
    """List what is refused and open of files below a folder of raw, `clinical/ONC-101/101`, by file and record.

    A file that is refused whole has neither record nor line. Rows that come from no one file are nobody's to answer.
    Raises ConfigError where the folder is of no domain.
    """
    folder = under.rstrip("/") + "/"
    domain = folder.partition("/")[0]
    if domain not in domains():
        raise ConfigError(
            f"No domain '{domain}', with which the folder '{under}' begins. Known: {', '.join(domains())}. "
            "Name a folder as it is below raw, as clinical/ONC-101/101."
        )
    with transaction() as connection:
        found = matching(connection, Filter(consumer=f"{domain}.", state=OPEN))
    rows = [
        {**place, **{name: refusal[name] for name in ("reason", "rule", "column")}, "refusal": refusal["id"],
         "refused": f"{refusal['refused']:%Y-%m-%dT%H:%M:%SZ}"}
        for refusal in found
        if refusal["rule"] != WAITING  # it is right, and waits for what is asked about
        for place in _places(refusal, folder)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA).sort("file", "record", "rule", "column")


def _places(refusal: dict[str, Any], folder: str) -> Iterator[dict[str, Any]]:
    """Give the places of a refusal that lie in files below a folder."""
    if refusal["of"] == "file":
        if str(refusal["origin"]).startswith(folder):
            yield {"file": refusal["origin"]}
        return
    dataset = dataset_of(refusal)
    rows = refused_rows(refusal).select("file", "record", "line").drop_nulls("file")
    for (file,), here in rows.group_by("file", maintain_order=True):
        landed = bronze_batch(dataset, str(file)).bronze.raw
        if not landed.startswith(folder):
            continue
        lines = dict(here.select("record", "line").iter_rows())
        unknown = [record for record, line in lines.items() if line is None]  # of rows that a target has refused
        if unknown:
            lines |= {place.record: place.line for place in located(dataset, str(file), pl.Series(unknown))}
        yield from ({"file": landed, "record": record, "line": line} for record, line in lines.items())
