"""What a contract may say of its source: every fault with its place and what to do."""

from pathlib import Path
from typing import Any

import pytest

from common.contracts.catalogue import placed_contract
from common.core.errors import ContractError
from tests.contracts import write_contract

KEYED = ("name: id, logicalType: integer, required: true, primaryKey: true", "name: at, logicalType: timestamp")
PLAIN = ("name: id, logicalType: integer", "name: price, logicalType: number, physicalType: 'decimal(9,2)'")
BASE = {"conn": "c", "schedule": "0 2 * * *"}
SHEET = BASE | {"kind": "sheet", "spreadsheet": "s", "range": "A!A:F"}
TABLE = BASE | {"kind": "table", "table": "s.orders", "watermark": "at", "overlap": "10m"}
DAILY = BASE | {
    "kind": "table",
    "table": "form_%Y_%m_%d",
    "since": "2026-01-01",
    "due": "06:00",
    "zone": "Europe/Berlin",
}
FOLDER = BASE | {"kind": "folder", "url": "s3://b/in", "pattern": "*.csv"}


def read(folder: Path, source: dict[str, Any], *, keyed: bool = True, **words: str) -> Any:
    import json

    own = {"latest": "[at]", **words} if keyed else words
    write_contract(folder / "lab", "orders", KEYED if keyed else PLAIN, {**own, "source": json.dumps(source)})
    return placed_contract(folder / "lab" / "contracts" / "orders.yaml").source


@pytest.mark.parametrize("source", [SHEET, TABLE, DAILY, FOLDER, TABLE | {"watermark": "id", "overlap": 100}])
def test_each_kind_of_source_is_read(tmp_path: Path, source: dict[str, Any]) -> None:
    found = read(tmp_path, source)
    assert {word: str(value) for word, value in source.items()} == {word: str(getattr(found, word)) for word in source}
    assert found.daily == (source is DAILY)


def test_a_date_may_stand_without_quotes(tmp_path: Path) -> None:
    source = "{kind: table, conn: c, schedule: 0 2 * * *, table: form_%Y_%m_%d, since: 2026-01-01, due: '06:00'}"
    write_contract(tmp_path / "lab", "orders", PLAIN, {"source": source.replace("0 2 * * *", "'0 2 * * *'")})
    found = placed_contract(tmp_path / "lab" / "contracts" / "orders.yaml").source
    assert found is not None and (found.since, found.due) == ("2026-01-01", "06:00")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SHEET | {"kind": "kafka"}, "no 'kafka'. Known: sheet, table, folder."),
        (SHEET | {"schedule": "daily"}, "'daily' is no cron"),
        (SHEET | {"zone": "Berlin"}, "no time zone 'Berlin'"),
        (SHEET | {"conn": ""}, "source/conn: is empty"),
        (SHEET | {"range": ""}, "a sheet needs 'range'"),
        (SHEET | {"table": "x"}, "source/table: means nothing for a sheet; its words are kind, conn, schedule, zone, "),
        (SHEET | {"rnage": "x"}, "no word 'rnage' here. Is 'range' meant?"),
        (TABLE | {"overlap": ""}, "a table without strftime signs needs 'overlap'"),
        (TABLE | {"overlap": "soon"}, "found 'soon'; expected a duration as 30s, 15m, 2h or 1d"),
        (TABLE | {"overlap": 10}, "'at' is timestamp: a duration, as 15m"),
        (TABLE | {"watermark": "id"}, "'id' is integer: a whole number"),
        (TABLE | {"due": "06:00"}, "source/due: means nothing for a table without strftime signs"),
        (TABLE | {"spreadsheet": "x"}, "source/spreadsheet: means nothing"),
        (DAILY | {"watermark": "at"}, "source/watermark: means nothing for one table a day"),
        (DAILY | {"since": ""}, "one table a day (its name has strftime signs) needs 'since'"),
        (DAILY | {"since": "2026-02-30"}, "found '2026-02-30'; expected a date"),
        (DAILY | {"due": "6"}, "found '6'; expected a time of the following day as '06:00'"),
        (DAILY | {"schedule": "0 7 * * *"}, "'0 7 * * *' does not run each day between midnight and then"),
        (DAILY | {"table": "form_%m_%d"}, "the name must tell one day and no other"),
        (DAILY | {"table": "form_%Y_%m_%d_%d"}, "the name must tell one day and no other"),
        (FOLDER | {"pattern": ""}, "a folder needs 'pattern'"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, source: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError) as error:
        read(tmp_path, source)
    assert message in str(error.value)


def test_what_is_read_more_than_once_needs_an_identity(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="rows need an identity, but no column is `primaryKey`"):
        read(tmp_path, TABLE, keyed=False)
    with pytest.raises(ContractError, match="or `delivery: replace`"):
        read(tmp_path, SHEET, keyed=False)
    assert read(tmp_path, SHEET, keyed=False, delivery="replace")
    assert read(tmp_path, DAILY, keyed=False) and read(tmp_path, FOLDER, keyed=False)
