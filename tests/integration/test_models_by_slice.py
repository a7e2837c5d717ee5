"""A gold table that was computed hop by hop, slice by slice, is what its model gives over everything at once."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.contracts.catalogue import contract_of
from common.core.errors import ModelError
from common.core.nouns import Dataset
from common.lake.source import silver_source
from common.lake.table import current_version
from common.models.model import models, placed_model
from common.models.run import run
from common.pipelines.trial import require_slices
from tests.contracts import write_contract
from tests.world import World, forget, new_world

EXAMPLES = int(os.environ.get("INTERLEAVINGS", "3"))
FLIGHTS = (
    "name: id, logicalType: integer, primaryKey: true",
    "name: revision, logicalType: integer, required: true",
    "name: day, logicalType: date, required: true",
    "name: origin, logicalType: string",
    "name: dest, logicalType: string",
    "name: delay, logicalType: integer",
)
AIRPORTS = (
    "name: faa, logicalType: string, primaryKey: true",
    "name: revision, logicalType: integer, required: true",
    "name: city, logicalType: string",
    "name: op, logicalType: string",
)
LATEST = {"latest": "[revision, arrival]"}
MONTH = "strftime(day, '%Y-%m')"
FOLLOWED = "{all: true, by: {faa: [origin, dest]}}"
MODELS = {
    "legs": (
        "[id]",
        FOLLOWED,
        f"""SELECT f.id, f.delay, o.city AS origin, d.city AS dest, {MONTH} AS month
        FROM air.flights f LEFT JOIN air.airports o ON f.origin = o.faa LEFT JOIN air.airports d ON f.dest = d.faa""",
    ),
    "cities": (
        "[month, city]",
        "all",
        f"""SELECT {MONTH} AS month, coalesce(city, '?') AS city, count(*) AS flights, count(DISTINCT id % 2) AS kinds
        FROM air.flights f LEFT JOIN air.airports a ON f.dest = a.faa GROUP BY ALL""",
    ),
    "ranked": (
        "[id]",
        FOLLOWED,
        f"""SELECT id, {MONTH} AS month, city, rank() OVER (PARTITION BY {MONTH} ORDER BY delay, id) AS place
        FROM air.flights f JOIN air.airports a ON f.origin = a.faa""",
    ),
    "unvisited": (
        "[month, faa]",
        "all",
        f"""SELECT m.month, a.faa FROM (SELECT DISTINCT {MONTH} AS month FROM air.flights) m
        CROSS JOIN air.airports a ANTI JOIN air.flights f ON f.dest = a.faa AND {MONTH} = m.month""",
    ),
}


def header(key: str, airports: str) -> str:
    return (
        f"description: For the test.\nkey: {key}\nslice: month\ninputs:\n"
        f'  air.flights: "{MONTH}"\n  air.airports: {airports}\n'
    )


def write(folder: Path, chosen: Mapping[str, tuple[str, str, str]]) -> Path:
    domain = folder / "domains" / "air"
    (domain / "gold").mkdir(parents=True, exist_ok=True)
    write_contract(domain, "flights", FLIGHTS, LATEST)
    write_contract(domain, "airports", AIRPORTS, {**LATEST, "deleted": "{column: op, values: [D]}"})
    for name, (key, airports, sql) in chosen.items():
        (domain / "gold" / f"{name}.sql").write_text(f"/*\n{header(key, airports)}*/\n{sql}\n")
    return domain.parent


@pytest.fixture
def air(stack: Mapping[str, str], tmp_path: Path) -> Iterator[World]:
    """Flights and airports, with models that join them."""
    with new_world(stack, tmp_path, "air", write(tmp_path, MODELS)) as made:
        yield made


airports = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 2), st.sampled_from(["Rome", "Oslo"]), st.sampled_from(["", "", "D"])),
    max_size=3,
)  # fmt: skip
flights = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 2),
        st.sampled_from(["2024-01-01", "2024-01-02", "2024-02-01"]),
        st.sampled_from("ABX"),
        st.sampled_from(["A", "C", ""]),
        st.integers(0, 2),
    ),
    max_size=3,
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=st.lists(st.tuples(flights, airports), min_size=2, max_size=3))
def test_hop_by_hop_is_as_at_once(
    stack: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory, rounds: list[tuple[list[object], list[object]]]
) -> None:
    folder = tmp_path_factory.mktemp("air")
    with new_world(stack, folder, "air", write(folder, MODELS)) as air:
        for number, (flown, known) in enumerate(rounds):
            land(air, f"flights/{number}.csv", "id,revision,day,origin,dest,delay", flown)
            land(air, f"airports/{number}.csv", "faa,revision,city,op", known)
            air.flow()
        for name in MODELS:
            assert found(air, name) == at_once(name), name


def land(world: World, key: str, names: str, rows: list[object]) -> None:
    if rows:
        lines = "".join(",".join(map(str, row)) + "\n" for row in rows)  # type: ignore[call-overload]
        world.land(key, f"{names}\n{lines}".encode())


def found(world: World, name: str) -> list[tuple[object, ...]]:
    table = world.lake("gold", name)
    return sorted(table.select(sorted(table.columns)).rows(), key=str)


def at_once(name: str) -> list[tuple[object, ...]]:
    model = models("air")[name]
    sources = {d: silver_source(contract_of(d)) for d in model.inputs}
    rows = run(model, {d: source.at(current_version(source.uri)).collect() for d, source in sources.items()})
    return sorted(rows.select(sorted(rows.columns)).rows(), key=str)


def test_a_change_of_what_is_joined_touches_only_the_slices_that_join_it(air: World) -> None:
    land(air, "airports/1.csv", "faa,revision,city,op", [("A", 1, "Rome", ""), ("B", 1, "Oslo", "")])
    land(air, "flights/1.csv", "id,revision,day,origin,dest,delay",
         [(1, 1, "2024-01-01", "A", "A", 0), (2, 1, "2024-02-01", "B", "B", 0)])  # fmt: skip
    air.flow()
    land(air, "airports/2.csv", "faa,revision,city,op", [("B", 2, "Bergen", "")])
    air.flow()
    assert {row[2] for row in air.lake("gold", "legs").select("id", "month", "origin").rows()} == {"Rome", "Bergen"}
    ledger = air.rows("SELECT place->'partitions' FROM batch WHERE asset = 'air.legs.gold' ORDER BY number", "ledger")
    assert [row[0] for row in ledger][-1] == ["2024-02"]


def test_a_change_is_looked_up_in_every_column_that_joins_it(air: World) -> None:
    known = [("A", 1, "Rome", ""), ("B", 1, "Oslo", ""), ("C", 1, "Kyiv", "")]
    land(air, "airports/1.csv", "faa,revision,city,op", list(known))
    land(air, "flights/1.csv", "id,revision,day,origin,dest,delay",
         [(1, 1, "2024-01-01", "A", "C", 0), (2, 1, "2024-02-01", "C", "B", 0), (3, 1, "2024-03-01", "B", "A", 0),
          (4, 1, "2024-04-01", "C", "C", 0)])  # fmt: skip
    air.flow()
    land(air, "airports/2.csv", "faa,revision,city,op", [("B", 2, "Bergen", ""), ("A", 2, "Bari", "")])
    air.flow()
    places = air.lake("gold", "legs").select("month", "origin", "dest").sort("month").rows()
    assert places == [
        ("2024-01", "Bari", "Kyiv"),
        ("2024-02", "Kyiv", "Bergen"),
        ("2024-03", "Bergen", "Bari"),
        ("2024-04", "Kyiv", "Kyiv"),
    ]
    ledger = air.rows("SELECT place->'partitions' FROM batch WHERE asset = 'air.legs.gold' ORDER BY number", "ledger")
    assert ledger[-1][0] == ["2024-01", "2024-02", "2024-03"]


WRONG = {
    "cut": (("[id]", "faa", MODELS["legs"][2]), "slice by slice it gives other rows than at once"),
    "last": (("[month, id]", "all", f"SELECT id, {MONTH} AS month FROM air.flights LIMIT 2"), "LIMIT 2"),
    "numbered": (
        ("[id]", "all", f"SELECT id, {MONTH} AS month, row_number() OVER (ORDER BY id) AS n FROM air.flights"),
        "looks at the rows of all slices",
    ),
    "share": (
        ("[id]", "all", f"SELECT id, {MONTH} AS month, delay / (SELECT sum(delay) FROM air.flights) AS s FROM air.flights"),
        "slice by slice it gives other rows than at once",
    ),
    "first_day": (
        ("[id]", "all", f"SELECT id, {MONTH} AS month, min(day) OVER (PARTITION BY origin) AS d FROM air.flights"),
        "slice by slice it gives other rows than at once",
    ),
    "once": (
        ("[origin]", "all", f"SELECT origin, min({MONTH}) AS month FROM air.flights WHERE origin IS NOT NULL GROUP BY 1"),
        "slice by slice it gives other rows than at once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_model_whose_rows_depend_on_other_slices_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (model, why) = WRONG[name]
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(write(tmp_path, {name: model})))
    forget()
    with pytest.raises(ModelError, match=why):
        require_slices(models("air")[name])
    forget()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_whose_rows_depend_on_their_own_slice_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("WATERSHED_DOMAINS_DIR", str(write(tmp_path, MODELS)))
    forget()
    require_slices(models("air")[name])
    forget()


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ("all", "all are read whole"),
        ("{all: true, by: {faa: origin}}", "faa: found 'origin'; expected a list"),
        ("{slice: x, all: true}", "either read by slice or whole"),
        ("{colour: red}", "no word 'colour' here. Known: all, by, history, slice"),
        ("{slice: x, history: maybe}", "history: found 'maybe'; expected true or false"),
        ("{slice: x, by: {a: [b]}}", "say all: true too"),
    ],
)
def test_inputs_say_how_they_are_read(tmp_path: Path, inputs: str, why: str) -> None:
    folder = write(tmp_path, {})
    text = f"/*\ndescription: x\nkey: [id]\nslice: month\ninputs: {{air.flights: {inputs}}}\n*/\nSELECT 1\n"
    (folder / "air" / "gold" / "m.sql").write_text(text)
    with pytest.raises(ModelError, match=why):
        placed_model(folder / "air" / "gold" / "m.sql")


def test_a_control_over_an_input_that_is_read_whole_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {})
    controls = "controls: [{result: count(*), input: air.airports, equals: count(*)}]"
    text = f"/*\n{header('[id]', 'all')}{controls}\n*/\nSELECT 1\n"
    (folder / "air" / "gold" / "m.sql").write_text(text)
    with pytest.raises(ModelError, match="its totals are those of no slice"):
        placed_model(folder / "air" / "gold" / "m.sql")


def test_a_join_that_is_followed_names_columns_that_exist(stack: Mapping[str, str], tmp_path: Path) -> None:
    key, _, sql = MODELS["legs"]
    folder = write(tmp_path, {"legs": (key, "{all: true, by: {faa: [origin, destination]}}", sql)})
    with pytest.raises(ModelError, match="there is no column destination"), new_world(stack, tmp_path, "air", folder):
        pass
    assert Dataset("air", "legs")
