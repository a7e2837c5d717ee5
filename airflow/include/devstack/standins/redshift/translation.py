"""From Redshift's SQL to PostgreSQL's, where the two mean different things by the same words."""

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from devstack.standins.redshift.errors import Failed
from devstack.standins.redshift.refusals import LONGEST_TEXT, refuse

SHORT = 256  # the length of a VARCHAR that says none
PLAIN = re.compile(r"\s*(LOCK|SET|RESET|ANALYZE|TRUNCATE)\b", re.IGNORECASE)  # the same in both
IDLE = re.compile(r"\s*(VACUUM)\b", re.IGNORECASE)
# Said for the sake of Redshift's storage, of which PostgreSQL has none; keys that are declared are not enforced.
STORAGE = (exp.DistKeyProperty, exp.DistStyleProperty, exp.SortKeyProperty, exp.BackupProperty)
KEYS = (exp.PrimaryKey, exp.ForeignKey, exp.UniqueColumnConstraint)
COLUMN_KEYS = (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
WIDE = (exp.DType.TEXT,)  # what sqlglot makes of VARCHAR(MAX)


def translated(text: str) -> str:
    """Return a statement as PostgreSQL reads it; raises Failed where Redshift would refuse it."""
    if PLAIN.match(text):
        refuse(text, None)
        return text.lower() if re.match(r"\s*(LOCK|TRUNCATE)", text, re.IGNORECASE) else text
    if IDLE.match(text):
        return "SELECT 1 WHERE false"
    refuse(text, None)
    try:
        tree = sqlglot.parse_one(text, read="redshift")
    except SqlglotError as error:
        raise Failed(f"ERROR: syntax error: {str(error).splitlines()[0]}") from error
    refuse(text, tree)
    return _postgres(tree).sql(dialect="postgres")


def _postgres(tree: exp.Expr) -> exp.Expr:
    _without_keys(tree)
    for name in tree.find_all(exp.Identifier):
        name.set("this", name.name.lower())  # quoted or not
    for column in tree.find_all(exp.ColumnDef):
        _measured(column)
    for cast in tree.find_all(exp.Cast):
        _sized(cast.to)
    for changed in tree.find_all(exp.AlterColumn):
        if (kind := changed.args.get("dtype")) is not None:
            _sized(kind)
    return tree


def _without_keys(tree: exp.Expr) -> None:
    for node in list(tree.find_all(*STORAGE, *KEYS)):
        node.pop()
    for constraint in list(tree.find_all(exp.ColumnConstraint)):
        if isinstance(constraint.args.get("kind"), COLUMN_KEYS):
            constraint.pop()


def _measured(column: exp.ColumnDef) -> None:
    """Let a text column hold so many bytes: PostgreSQL counts characters."""
    kind = column.args.get("kind")
    if kind is None or (size := _sized(kind)) is None:
        return
    bytes_of = exp.Anonymous(this="octet_length", expressions=[exp.column(column.name, quoted=True)])
    fits = exp.LTE(this=bytes_of, expression=exp.Literal.number(size))
    column.append("constraints", exp.ColumnConstraint(kind=exp.CheckColumnConstraint(this=fits)))


def _sized(kind: exp.DataType) -> int | None:
    """Give a text type the length that it has in Redshift, and return it; None for other types."""
    if kind.this not in (exp.DType.VARCHAR, *WIDE):
        return None
    given = kind.find(exp.DataTypeParam)
    wide = kind.this in WIDE or (given is not None and not given.name.isdigit())
    size = LONGEST_TEXT if wide else int(given.name) if given is not None else SHORT
    kind.set("this", exp.DType.VARCHAR)
    kind.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(size))])
    return size
