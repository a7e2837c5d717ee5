"""A table that is not what its load asks for: every engine tells how, and each policy does what it says, whichever it is."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from common.contracts.contract import Evolution
from common.core.errors import ContractError, Drifted, NotApplied
from common.core.nouns import Head
from common.lake.changes import GONE
from common.load.aside import fitting
from common.load.evolution import Policy
from common.load.plan import LoadPlan
from common.load.strategies import strategy
from common.warehouses import sql
from common.warehouses.definition import create
from common.warehouses.dialect import Widening
from common.warehouses.differences import Difference, differences
from common.warehouses.sql import Token
from common.warehouses.warehouse import Rows, Warehouse, create_token, head
from tests.engines import CONSUMER, TABLE, contents

NARROW: dict[str, pl.DataType] = {"id": pl.String(), "n": pl.Decimal(6, 2), "v": pl.Int64()}
WIDE: dict[str, pl.DataType] = {"id": pl.String(), "n": pl.Decimal(9, 2), "v": pl.Int64(), "note": pl.String()}


@pytest.fixture
def narrow(bare: Warehouse) -> Warehouse:
    """A warehouse whose table has less room than WIDE asks for."""
    create(bare, TABLE, NARROW, ["id"])
    create_token(bare, CONSUMER)
    bare.apply([exp.insert(exp.select(sql.text("z"), "1.5", "7"), sql.table(TABLE))])
    return bare


def found(target: Warehouse, schema: dict[str, pl.DataType] = WIDE) -> list[Difference]:
    return differences(target, TABLE, schema, ["id"])


def columns(target: Warehouse) -> list[tuple[Any, ...]]:
    return sorted(target.query(sql.columns_of(target.dialect, TABLE)), key=str)


def load(target: Warehouse, rows: pl.DataFrame, hop: int = 1) -> None:
    """Load rows as a load does: those columns that they have."""
    token = Token(CONSUMER, hop, 7)
    target.stage(token, Rows(rows.height, dict(rows.schema), lambda: [rows]))
    plan = LoadPlan(TABLE, token.staging, tuple(name for name in rows.columns if name != GONE), ("id",))
    target.commit(token, rows.height, strategy("incremental")(plan))


ROWS = [
    ("fits", Decimal("9999.99"), 1, None, False),
    ("note", Decimal("1.00"), 1, "has one", False),
    ("large", Decimal("10000.00"), 1, None, False),
    ("both", Decimal("10000.00"), 1, "has one", False),
    ("z", None, None, "whatever it was", True),
]


def rows() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema={**WIDE, GONE: pl.Boolean()}, orient="row")


def test_a_table_that_is_as_asked_for_does_not_differ(narrow: Warehouse) -> None:
    assert found(narrow, NARROW) == []
    for word in Evolution:
        assert Policy(word, narrow, TABLE, ("id",)).alterations([]) == []


def test_differences_are_told_by_column_and_evolve_mends_them(narrow: Warehouse) -> None:
    narrow.apply([sql.add_column(narrow.dialect, TABLE, "strange", pl.String())])
    policy, those = Policy(Evolution.EVOLVE, narrow, TABLE, ("id",)), found(narrow)
    assert {one.column.lower(): one.extra for one in those} == {"note": False, "n": False, "strange": True}
    assert [one.column for one in policy.holding(those)] == ["note", "n"]
    if narrow.dialect.widens == Widening.NONE:
        assert isinstance(policy.error(policy.holding(those)), Drifted)
        before = columns(narrow)
        with pytest.raises(ContractError, match="cannot widen it"):
            policy.alterations(those)
        assert columns(narrow) == before
        return
    told = policy.error(policy.holding(those))
    assert isinstance(told, NotApplied)
    assert "n is DECIMAL(6, 2), asked for is DECIMAL(9, 2)" in str(told).replace("N is", "n is")
    narrow.apply(policy.alterations(those))
    assert [one.extra for one in found(narrow)] == [True]
    assert policy.holding(found(narrow)) == []
    load(narrow, rows())  # what a stranger has added is no matter
    assert len(contents(narrow)) == 4


def test_freeze_alters_nothing_and_tells_how_it_is_accepted(narrow: Warehouse) -> None:
    policy, before = Policy(Evolution.FREEZE, narrow, TABLE, ("id",)), columns(narrow)
    with pytest.raises(Drifted, match=r"(?is)note is missing.*evolution: freeze.*The statements: ALTER TABLE .*note"):
        policy.alterations(found(narrow))
    narrow.apply([sql.add_column(narrow.dialect, TABLE, "strange", pl.String())])
    assert [one.extra for one in policy.holding(found(narrow, NARROW))] == [True], "a frozen table is neither side's"
    assert len(columns(narrow)) == len(before) + 1
    mends = [statement for one in found(narrow, NARROW | {"note": pl.String()}) for statement in one.mends]
    narrow.apply(mends)  # the statements that it tells are those that mend
    assert [one.extra for one in found(narrow, NARROW | {"note": pl.String()})] == [True]


def test_quarantine_sets_aside_what_does_not_fit_and_loads_the_rest(narrow: Warehouse) -> None:
    policy, before = Policy(Evolution.QUARANTINE, narrow, TABLE, ("id",)), columns(narrow)
    assert policy.alterations(found(narrow)) == []
    assert policy.holding(found(narrow)) == []
    good, aside = fitting(rows(), policy.aside(found(narrow)))
    load(narrow, good)
    assert [row[0] for row in contents(narrow)] == ["fits"], "what only takes a row away needs no room"
    assert {(one.rule, *one.rows["id"]) for one in aside} == {("no_column", "note", "both"), ("no_room", "large")}
    assert good.height + sum(one.rows.height for one in aside) == len(ROWS)
    assert (columns(narrow), head(narrow, CONSUMER)) == (before, Head(1, 7))


def test_a_key_is_never_set_aside(narrow: Warehouse) -> None:
    other = {**NARROW, "id": pl.Int64()}
    policy = Policy(Evolution.QUARANTINE, narrow, TABLE, ("id",))
    (one,) = policy.holding(found(narrow, other))
    assert one.column == "id"
    with pytest.raises(Drifted, match="no row is without its key"):
        policy.alterations(found(narrow, other))


@pytest.mark.parametrize("word", list(Evolution))
def test_a_table_that_is_not_there_is_made_whatever_the_policy(bare: Warehouse, word: str) -> None:
    policy = Policy(word, bare, TABLE, ("id",))
    those = differences(bare, TABLE, NARROW, ["id"])
    assert isinstance(policy.error(policy.holding(those)), NotApplied)
    bare.apply(policy.alterations(those))
    assert found(bare, NARROW) == []


def test_a_whole_number_that_was_made_narrower_is_seen(narrow: Warehouse) -> None:
    if narrow.dialect.widens != Widening.ANY:
        pytest.skip("this engine changes no type in place")
    narrow.apply([sql.widen_column(narrow.dialect, TABLE, "v", pl.Int16())])
    (one,) = found(narrow, NARROW)
    assert str(one) == "v is SMALLINT, asked for is BIGINT"
    narrow.apply(Policy(Evolution.EVOLVE, narrow, TABLE, ("id",)).alterations([one]))
    assert found(narrow, NARROW) == []


DIGITS = st.tuples(st.integers(1, 12), st.integers(0, 4)).map(lambda d: pl.Decimal(sum(d), d[1]))
TYPES = st.one_of(DIGITS, st.sampled_from([pl.Int64(), pl.Int32(), pl.String(), pl.Boolean(), pl.Date()]))
SCHEMAS = st.dictionaries(st.sampled_from("abc"), TYPES, max_size=3)
ENGINES_MET = ("postgres", "duckdb")


def value(dtype: pl.DataType) -> st.SearchStrategy[Any]:
    """Draw a value that a column can hold, none often."""
    if isinstance(dtype, pl.Decimal):
        scale, most = dtype.scale, 10 ** (dtype.precision or 1) - 1
        return st.none() | st.integers(-most, most).map(lambda n: Decimal(n).scaleb(-scale))
    if dtype == pl.Int64():
        return st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-99, 99)
    if dtype == pl.Int32():
        return st.none() | st.integers(-(2**31), 2**31 - 1)
    known = {pl.String(): st.text("ab \U0001f600"), pl.Boolean(): st.booleans(), pl.Date(): st.dates()}
    return st.none() | known[dtype]


@st.composite
def filled(draw: st.DrawFn, prefix: str) -> pl.DataFrame:
    """Draw a table with its rows."""
    schema = {"id": pl.String(), **draw(SCHEMAS)}
    many = range(draw(st.integers(1, 4)))
    rows = [(f"{prefix}{n}", *(draw(value(dtype)) for dtype in list(schema.values())[1:])) for n in many]
    return pl.DataFrame(rows, schema=schema, orient="row")


def shown(target: Warehouse, names: list[str]) -> dict[Any, tuple[Any, ...]]:
    return {row[0]: row for row in target.query(exp.select(*map(sql.column, names)).from_(sql.table(TABLE)))}


def as_told(frame: pl.DataFrame, names: list[str]) -> dict[Any, tuple[Any, ...]]:
    return {row[0]: row for row in frame.select(names).rows()}


@pytest.mark.parametrize("bare", ENGINES_MET, indirect=True)
def test_whatever_differs_nothing_is_lost_and_nothing_altered_without_leave(bare: Warehouse) -> None:
    """A table of any columns, a load of any others, any policy: rows are loaded as they are, or held, or set aside."""

    @given(filled("old"), filled("new"), st.sampled_from(list(Evolution)))
    @settings(max_examples=25)
    def holds(old: pl.DataFrame, new: pl.DataFrame, word: str) -> None:
        bare.apply([sql.drop(TABLE), sql.drop(sql.TOKENS)])
        create(bare, TABLE, dict(old.schema), ["id"])
        create_token(bare, CONSUMER)
        load(bare, old.with_columns(pl.lit(value=False).alias(GONE)))
        policy, before = Policy(word, bare, TABLE, ("id",)), columns(bare)
        look = lambda: differences(bare, TABLE, dict(new.schema), ["id"])  # noqa: E731
        try:
            bare.apply(policy.alterations(look()))
        except (Drifted, ContractError):
            assert columns(bare) == before
        if word != Evolution.EVOLVE:
            assert columns(bare) == before
        kept = shown(bare, old.columns)
        assert kept == as_told(old, old.columns), "what was in the table is as it was"
        if policy.holding(look()):
            assert word != Evolution.QUARANTINE or look()[0].column == "id"
            assert word != Evolution.FREEZE or look()
            return
        good, aside = fitting(new.with_columns(pl.lit(value=False).alias(GONE)), policy.aside(look()))
        assert not aside or word == Evolution.QUARANTINE
        load(bare, good, hop=2)
        names = [name for name in good.columns if name != GONE]
        apart = pl.concat([one.rows.select("id") for one in aside]) if aside else new.select("id").clear()
        loaded = new.join(apart, on="id", how="anti")
        assert {k: row for k, row in shown(bare, names).items() if k.startswith("new")} == as_told(loaded, names)
        lacking = [name for name in new.columns if name not in names]
        assert all(loaded[name].is_null().all() for name in lacking), "no value is dropped in silence"
        assert loaded.height + apart.height == new.height

    holds()
