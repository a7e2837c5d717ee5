"""A Google sheet as a source, by Airflow's hook, from a stand-in that answers as Google does."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.core.errors import ConfigError, SourceError, SourceUnavailable
from tests.origins import fetching
from tests.world import World

AGENTS = {
    "kind": "sheet",
    "conn": "google_sheets",
    "schedule": "0 * * * *",
    "spreadsheet": "s1",
    "range": "Agents!A1:F",
}
COLUMNS = (
    "name: id, logicalType: string, required: true, primaryKey: true",
    "name: name, logicalType: string",
    "name: score, logicalType: number, physicalType: 'decimal(30,12)'",
    "name: active, logicalType: boolean",
    "name: since, logicalType: date, logicalTypeOptions: {format: 'dd/MM/yyyy'}",
)
HEAD = ["id", "name", "score", "active", "since"]
INGEST = "lab.agents.raw"
Put = Callable[..., None]


@pytest.fixture(scope="module")
def google(stack: Mapping[str, str]) -> str:
    return stack["STANDINS_URL"]


@pytest.fixture(autouse=True)
def sound(google: str) -> Iterator[None]:
    yield
    httpx.delete(f"{google}/faults")


@pytest.fixture
def put(google: str) -> Put:
    def put(*rows: list[Any], shared: bool = True, sheet: str = "Agents") -> None:
        content = {"sheets": {sheet: [list(row) for row in rows]}, "shared": shared}
        httpx.put(f"{google}/google/sheets/s1", json=content).raise_for_status()

    return put


@pytest.fixture
def agents(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    words = {"columns": COLUMNS, "latest": ["arrival"], "source": AGENTS}
    with fetching(stack, tmp_path, {"agents": words}) as world:
        yield world


def fault(google: str, kind: str, **more: Any) -> None:
    httpx.post(f"{google}/faults", json={"channel": "google", "fault": kind, **more}).raise_for_status()


def bronze(world: World) -> list[Any]:
    from common.core.assets import Zone
    from common.zones.store import ZoneStore

    store = ZoneStore(Zone.BRONZE)
    found = [store.read(item.key) or b"" for item in store.list("lab/agents/")]
    return [json.loads(line) for content in found for line in content.splitlines()]


def test_cells_arrive_as_the_sheet_stores_them_and_dates_as_it_shows_them(agents: World, put: Put) -> None:
    date = {"number": 46027, "shown": "05/01/2026"}
    put(HEAD, ["007", "Ann \u00fc", 0.1, True, date], [12345678901234567000, "", 1e-7, False], [], ["x", None, 2])
    agents.flow("ingest", "bronze", "silver")
    assert bronze(agents) == [
        {"id": "007", "name": "Ann \u00fc", "score": 0.1, "active": True, "since": "05/01/2026"},
        {"id": 12345678901234567000, "name": None, "score": 1e-7, "active": False, "since": None},
        {"id": "x", "name": None, "score": 2, "active": None, "since": None},
    ]
    assert sorted(agents.silver("agents")["id"]) == ["007", "12345678901234567000", "x"]


def test_a_revision_is_fetched_once_and_one_that_returns_is_the_latest_again(agents: World, put: Put) -> None:
    for name in ("X", "Y", "X"):
        put(HEAD, ["1", name])
        for _ in range(2):
            agents.flow("ingest", "bronze", "silver")
        assert agents.silver("agents")["name"].to_list() == [name]
    assert agents.rows("SELECT count(*) FROM batch WHERE asset = 'lab.agents.source'", "ledger") == [(3,)]


def test_a_sheet_that_changes_while_it_is_read_comes_as_what_it_is_then(
    agents: World, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.sources.sheets import Sheet

    put(HEAD, ["1", "X"])
    fetch = Sheet.fetch

    def changed(self: Sheet, *args: Any) -> int:
        monkeypatch.setattr(Sheet, "fetch", fetch)
        put(HEAD, ["1", "Y"])
        return fetch(self, *args)

    monkeypatch.setattr(Sheet, "fetch", changed)
    agents.flow("ingest", "bronze")
    assert bronze(agents) == []
    put(HEAD, ["1", "X"])  # what was pinned, and gone, is there again
    agents.flow("ingest", "bronze", "silver")
    assert agents.silver("agents")["name"].to_list() == ["X"]


def test_quota_and_expired_tokens_are_waited_for(agents: World, put: Put, google: str) -> None:
    put(HEAD, ["1", "X"])
    fault(google, "refused", times=1)
    fault(google, "busy", times=1, retry_after=0)
    fault(google, "broken", times=1)
    agents.flow("ingest", "bronze", "silver")
    assert agents.silver("agents")["name"].to_list() == ["X"]
    fault(google, "busy", retry_after=3600)
    with pytest.raises(SourceUnavailable, match="asks to wait 3600 s"):
        agents.do(INGEST)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["id", "id"], ["1"]], "columns A and B are both called 'id'"),
        ([["id", "", "name"], ["1"]], "column B has no heading"),
        ([["id"], ["1"], ["2", "", "z"]], "row 3 has a value in column C, which has no heading"),
        ([["", ""], ["1"]], "its first row is empty"),
    ],
)
def test_headings_that_cannot_be_columns_are_named(rows: list[Any], message: str, agents: World, put: Put) -> None:
    put(*rows)
    with pytest.raises(SourceError, match=message):
        agents.do(INGEST)


def test_a_sheet_that_is_empty_missing_or_denied_says_so_and_rings_nothing(
    agents: World, put: Put, google: str
) -> None:
    from common.pipelines.kinds import consumer_named
    from common.pipelines.work import work

    put(HEAD)
    done, ring = work(consumer_named(INGEST), "test", "run")
    assert (ring, done.why) == (None, "Sheet Agents!A1:F of spreadsheet s1 has no rows below its header")
    put(HEAD, ["1"], shared=False)
    with pytest.raises(ConfigError, match="share the spreadsheet with the service account"):
        agents.do(INGEST)
    put(HEAD, ["1"], sheet="Others")
    with pytest.raises(ConfigError, match="there is no such sheet or range"):
        agents.do(INGEST)
    fault(google, "refused")
    with pytest.raises(ConfigError, match="key is not valid any more"):
        agents.do(INGEST)
