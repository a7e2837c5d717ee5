"""The statements of every warehouse, as expressions that its dialect renders: tables, tokens, staging, the guard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from sqlglot import exp

from common.core.ids import short_hash
from common.warehouses.dialect import Dialect

HOME = "watershed"  # the schema of what is the platform's own
TOKENS = f"{HOME}.load_token"
STAGE = "stage_"  # how the names of staging tables begin
TAKEN = "another attempt has it"  # what a cast fails on where the token is elsewhere
GONE = "the staged rows are not all there"


@dataclass(frozen=True)
class Token:
    """What a commit carries: hop and attempt of a consumer; it succeeds only where the head is the hop before."""

    consumer: str
    hop: int
    attempt: int

    @property
    def staging(self) -> str:
        """Name the staging table of this attempt."""
        return f"{HOME}.{staging_prefix(self.consumer)}{self.hop}_{self.attempt:x}"


def staging_prefix(consumer: str) -> str:
    """Return how the names of a consumer's staging tables begin; the hop follows."""
    return f"{STAGE}{short_hash(consumer)}_"


def name(text: str) -> exp.Identifier:
    """Quote a name."""
    return exp.to_identifier(text, quoted=True)


def table(text: str) -> exp.Table:
    """Quote `schema.table`."""
    schema, _, last = text.rpartition(".")
    return exp.Table(this=name(last), db=name(schema) if schema else None)


def column(text: str, of: str = "") -> exp.Column:
    """Quote a column, of a table where there is more than one."""
    return exp.column(text, table=of.rpartition(".")[2] or None, quoted=True)


def text(value: str) -> exp.Literal:
    """Quote a string."""
    return exp.Literal.string(value)


def count(of: str) -> exp.Select:
    """Count the rows of a table."""
    return exp.select(exp.Count(this=exp.Star())).from_(table(of))


def _definitions(dialect: Dialect, schema: Mapping[str, pl.DataType]) -> list[exp.Expr]:
    return [exp.ColumnDef(this=name(column), kind=dialect.column_type(dtype)) for column, dtype in schema.items()]


def create_schema(of: str) -> exp.Create:
    """Make the schema of a table where it is missing."""
    return exp.Create(this=exp.Table(db=name(of.rpartition(".")[0])), kind="SCHEMA", exists=True)


def create_table(dialect: Dialect, of: str, schema: Mapping[str, pl.DataType], key: Sequence[str]) -> exp.Create:
    """Make a table where it is missing."""
    columns = _definitions(dialect, schema)
    if key and dialect.keys:
        columns.append(exp.PrimaryKey(expressions=[name(column) for column in key]))
    return exp.Create(this=exp.Schema(this=table(of), expressions=columns), kind="TABLE", exists=True)


def add_column(dialect: Dialect, of: str, column: str, dtype: pl.DataType) -> exp.Alter:
    """Add a column to a table; one that is there is left alone where the dialect can say so."""
    new = exp.ColumnDef(this=name(column), kind=dialect.column_type(dtype), exists=dialect.adds_missing)
    return exp.Alter(this=table(of), kind="TABLE", actions=[new])


def widen_column(dialect: Dialect, of: str, column: str, dtype: pl.DataType) -> exp.Alter:
    """Give a column a wider type."""
    wider = exp.AlterColumn(this=name(column), dtype=dialect.column_type(dtype))
    return exp.Alter(this=table(of), kind="TABLE", actions=[wider])


def columns_of(dialect: Dialect, of: str) -> exp.Select:
    """Ask for the columns of a table: name, type, and of numbers the precision and scale."""
    facts = ("column_name", "data_type", "numeric_precision", "numeric_scale")
    return exp.select(*facts).from_("information_schema.columns").where(*_about(dialect, of))


def key_of(dialect: Dialect, of: str) -> exp.Select:
    """Ask for the columns of a table's declared key, in their order."""
    declared = exp.select("constraint_name").from_("information_schema.table_constraints")
    declared = declared.where(*_about(dialect, of), exp.column("constraint_type").eq(text("PRIMARY KEY")))
    columns = exp.select("column_name").from_("information_schema.key_column_usage")
    named = exp.In(this=exp.column("constraint_name"), query=declared.subquery())
    return columns.where(*_about(dialect, of), named).order_by("ordinal_position")


def _about(dialect: Dialect, of: str) -> tuple[exp.Expr, exp.Expr]:
    schema, _, last = dialect.spelling(of).rpartition(".")
    return exp.column("table_schema").eq(text(schema)), exp.column("table_name").eq(text(last))


def create_staging(dialect: Dialect, of: str, schema: Mapping[str, pl.DataType]) -> exp.Create:
    """Make a staging table."""
    properties = exp.Properties(expressions=[dialect.staging()]) if dialect.staging else None
    shape = exp.Schema(this=table(of), expressions=_definitions(dialect, schema))
    return exp.Create(this=shape, kind="TABLE", properties=properties)


def fill_staging(dialect: Dialect, of: str, schema: Mapping[str, pl.DataType], query: exp.Query) -> exp.Insert:
    """Insert what a query gives into a staging table, each column as the type that it has there."""
    typed = [exp.cast(column(known), dialect.column_type(dtype)) for known, dtype in schema.items()]
    rows = exp.select(*typed).from_(query.subquery("result"))
    return exp.insert(rows, table(of), columns=[name(known) for known in schema])


def drop(of: str) -> exp.Drop:
    """Drop a table, if it is there."""
    return exp.Drop(tables=[table(of)], kind="TABLE", exists=True)


def staging_tables(dialect: Dialect, consumer: str) -> exp.Select:
    """Ask for the names of a consumer's staging tables, as we spell them."""
    prefix, known = staging_prefix(consumer), exp.func("LOWER", exp.column("table_name"))
    begins = exp.func("LEFT", known, exp.Literal.number(len(prefix))).eq(text(prefix))
    tables = exp.select(known).from_("information_schema.tables")
    return tables.where(exp.column("table_schema").eq(text(dialect.spelling(HOME))), begins)


def stale(token: Token, known: Sequence[str]) -> list[exp.Expr]:
    """Drop the staging tables of hops that are closed; another attempt at this one may still win."""
    prefix = staging_prefix(token.consumer)
    hops = {found: int(found.removeprefix(prefix).partition("_")[0]) for found in known}
    return [drop(f"{HOME}.{found}") for found, hop in hops.items() if hop < token.hop]


def token_table(dialect: Dialect) -> list[exp.Expr]:
    """Make the table of tokens where it is missing."""
    not_null = [exp.ColumnConstraint(kind=exp.NotNullColumnConstraint())]
    primary = [exp.ColumnConstraint(kind=exp.PrimaryKeyColumnConstraint())]
    columns = [
        exp.ColumnDef(this=name("consumer"), kind=dialect.column_type(pl.String()), constraints=primary),
        exp.ColumnDef(this=name("hop"), kind=exp.DataType.build("BIGINT"), constraints=not_null),
        exp.ColumnDef(this=name("attempt"), kind=exp.DataType.build("BIGINT"), constraints=not_null),
    ]
    made = exp.Create(this=exp.Schema(this=table(TOKENS), expressions=columns), kind="TABLE", exists=True)
    return [create_schema(TOKENS), made]


def _of(consumer: str) -> exp.EQ:
    return column("consumer").eq(text(consumer))


def new_token(consumer: str) -> exp.Insert:
    """Make a consumer's token, at hop 0, where there is none."""
    known = exp.select("1").from_(table(TOKENS)).where(_of(consumer))
    row = exp.select(text(consumer), "0", "0").where(exp.Not(this=exp.Exists(this=known)))
    return exp.insert(row, table(TOKENS))


def read_token(consumer: str) -> exp.Select:
    """Ask for hop and attempt of a consumer."""
    return exp.select(column("hop"), column("attempt")).from_(table(TOKENS)).where(_of(consumer))


def move_token(token: Token) -> exp.Update:
    """Move a token from the hop before; it touches one row, or none where the token is elsewhere."""
    moved = exp.update(table(TOKENS), where=_of(token.consumer).and_(column("hop").eq(token.hop - 1)))
    return _set(moved, {"hop": exp.Literal.number(token.hop), "attempt": exp.Literal.number(token.attempt)})


def _set(update: exp.Update, values: Mapping[str, exp.Expr]) -> exp.Update:
    update.set("expressions", [exp.EQ(this=column(known), expression=value) for known, value in values.items()])
    return update


def _require(condition: exp.Expr, then: int, otherwise: str) -> exp.Cast:
    """Return a number, or fail: the text of the other case cannot be cast to one."""
    value = exp.case().when(condition, text(str(then))).else_(text(otherwise))
    return exp.cast(value, "BIGINT")


def take(token: Token) -> list[exp.Expr]:
    """Take the token in SQL alone, where nobody can look at a row count between two statements.

    The first fails where the token is at another hop, this attempt's own included, so that a commit which is sent
    twice is refused; the second where there is no token.
    """
    hop = _require(column("hop").eq(token.hop - 1), token.hop, TAKEN)
    moved = _set(
        exp.update(table(TOKENS), where=_of(token.consumer)),
        {"hop": hop, "attempt": exp.Literal.number(token.attempt)},
    )
    mine = exp.select(exp.Count(this=exp.Star())).from_(table(TOKENS))
    mine = mine.where(_of(token.consumer), column("attempt").eq(token.attempt))
    return [moved, exp.select(_require(exp.EQ(this=mine.subquery(), expression=exp.Literal.number(1)), 1, TAKEN))]


def guard(token: Token, staged: int) -> exp.Select:
    """Fail where the staging table does not hold as many rows as the manifest says."""
    complete = exp.EQ(this=count(token.staging).subquery(), expression=exp.Literal.number(staged))
    return exp.select(_require(complete, 1, GONE))
