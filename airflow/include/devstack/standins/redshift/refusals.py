"""What Redshift documents that it does not do, one row each: PostgreSQL below would do most of it.

Each row has an example that it refuses, which a test sends, and the page that says so.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from devstack.standins.redshift.errors import Failed

GUIDE = "https://docs.aws.amazon.com/redshift/latest/dg/"
FEATURES, TYPES = "c_unsupported-postgresql-features.html", "c_unsupported-postgresql-datatypes.html"
FUNCTIONS, ALTER = "c_unsupported-postgresql-functions.html", "r_ALTER_TABLE.html"
CREATE, CHARACTERS = "r_CREATE_TABLE_NEW.html", "r_Character_types.html"
LONGEST_NAME, LONGEST_TEXT, LONGEST_CHAR = 127, 65_535, 4_096
Statement = exp.Expr
Applies = Callable[[str, Statement | None], bool]


@dataclass(frozen=True)
class Refusal:
    """One thing that Redshift does not do."""

    name: str
    page: str
    example: str
    applies: Applies
    message: str

    @property
    def link(self) -> str:
        """Return the address of the page that documents it."""
        return GUIDE + self.page


def _begins(pattern: str) -> Applies:
    found = re.compile(rf"\s*{pattern}\b", re.IGNORECASE)
    return lambda text, _: found.match(text) is not None


def _has(kind: type[exp.Expr], test: Callable[[exp.Expr], object] = lambda _: True) -> Applies:
    return lambda _, tree: tree is not None and any(test(node) for node in tree.find_all(kind))


def _type(*names: str) -> Applies:
    pattern = re.compile(rf"^({'|'.join(names)})\b", re.IGNORECASE)
    return _has(exp.DataType, lambda node: pattern.match(node.sql("postgres")))


def _longer(kinds: set[exp.DType], most: int) -> Applies:
    def applies(node: exp.Expr) -> bool:
        size = node.find(exp.DataTypeParam)
        return node.this in kinds and size is not None and size.name.isdigit() and int(size.name) > most

    return _has(exp.DataType, applies)


def _function(name: str) -> Applies:
    called = re.compile(rf"\b{name}\s*\(", re.IGNORECASE)
    return lambda text, _: called.search(re.sub(r"'(?:[^']|'')*'", "''", text)) is not None


def _alters(test: Callable[[exp.Alter], object]) -> Applies:
    return lambda _, tree: isinstance(tree, exp.Alter) and bool(test(tree))


def _other_than_varchar(tree: exp.Alter) -> bool:
    changed = [one.args.get("dtype") for one in tree.args["actions"] if isinstance(one, exp.AlterColumn)]
    return any(kind is not None and kind.this != exp.DType.VARCHAR for kind in changed)


def _long_name(_: str, tree: Statement | None) -> bool:
    return tree is not None and any(len(one.name.encode()) > LONGEST_NAME for one in tree.find_all(exp.Identifier))


def _no_type(name: str, example: str, *spellings: str) -> Refusal:
    message = f'ERROR: Unsupported: column type "{name}" is not supported'
    return Refusal(f"type {name}", TYPES, f"CREATE TABLE t (a {example})", _type(*(spellings or (name,))), message)


def _no_command(name: str, example: str, pattern: str = "") -> Refusal:
    applies = _begins(pattern or name.replace(" ", r"\s+"))
    return Refusal(name, FEATURES, example, applies, f'ERROR: SQL command "{name}" is not supported')


def _no_function(name: str, example: str) -> Refusal:
    message = f"ERROR: function {name} does not exist or is not supported on Redshift tables"
    return Refusal(f"function {name}", FUNCTIONS, f"SELECT {example}", _function(name), message)


REFUSALS = (
    Refusal(
        "ON CONFLICT",
        "r_INSERT_30.html",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        _has(exp.OnConflict),
        'ERROR: syntax error at or near "ON"',
    ),
    Refusal(
        "RETURNING",
        "r_INSERT_30.html",
        "INSERT INTO t VALUES (1) RETURNING a",
        _has(exp.Returning),
        'ERROR: syntax error at or near "RETURNING"',
    ),
    Refusal(
        "arrays",
        TYPES,
        "CREATE TABLE t (a INT[])",
        _has(exp.DataType, lambda node: node.this == exp.DType.ARRAY),
        "ERROR: Unsupported: arrays are no column type",
    ),
    _no_type("bit", "BIT(8)", "bit"),
    _no_type("bytea", "BYTEA"),
    _no_type("json", "JSON", "jsonb?"),
    _no_type("uuid", "UUID"),
    _no_type("xml", "XML"),
    _no_type("money", "MONEY"),
    _no_type("serial", "SERIAL", "(small|big)?serial"),
    _no_type("inet", "INET", "inet", "cidr", "macaddr"),
    _no_type("range", "INT4RANGE", "int[48](multi)?range", "numrange", "ts(tz)?range", "daterange"),
    _no_type("hstore", "HSTORE"),
    Refusal(
        "text search",
        TYPES,
        "CREATE TABLE t (a TSVECTOR)",
        lambda text, _: re.search(r"\bts(vector|query)\b", text, re.IGNORECASE) is not None,
        'ERROR: Unsupported: column type "tsvector" is not supported',
    ),
    _no_type("name", "NAME"),
    Refusal(
        "VARCHAR beyond 65,535 bytes",
        CHARACTERS,
        "CREATE TABLE t (a VARCHAR(65536))",
        _longer({exp.DType.VARCHAR}, LONGEST_TEXT),
        "ERROR: length for type character varying cannot exceed 65535",
    ),
    Refusal(
        "CHAR beyond 4,096 bytes",
        CHARACTERS,
        "CREATE TABLE t (a CHAR(4097))",
        _longer({exp.DType.CHAR}, LONGEST_CHAR),
        "ERROR: length for type character cannot exceed 4096",
    ),
    Refusal(
        "DECIMAL beyond 38 digits",
        "r_Numeric_types201.html",
        "CREATE TABLE t (a DECIMAL(39, 0))",
        _longer({exp.DType.DECIMAL}, 38),
        "ERROR: DECIMAL precision must be between 1 and 38",
    ),
    Refusal(
        "names beyond 127 bytes",
        "r_names.html",
        f"CREATE TABLE {'n' * 128} (a INT)",
        _long_name,
        "ERROR: identifier is longer than 127 bytes",
    ),
    _no_command("CREATE INDEX", "CREATE INDEX i ON t (a)", r"CREATE\s+(UNIQUE\s+)?INDEX"),
    _no_command("CREATE SEQUENCE", "CREATE SEQUENCE s"),
    _no_command("CREATE TRIGGER", "CREATE TRIGGER g AFTER INSERT ON t EXECUTE PROCEDURE f()"),
    _no_command("CREATE RULE", "CREATE RULE r AS ON INSERT TO t DO NOTHING"),
    _no_command("CREATE TYPE", "CREATE TYPE y AS ENUM ('a')"),
    _no_command("CREATE TABLESPACE", "CREATE TABLESPACE s LOCATION '/x'"),
    Refusal(
        "table partitioning",
        FEATURES,
        "CREATE TABLE t (a INT) PARTITION BY RANGE (a)",
        _has(exp.PartitionedByProperty),
        'ERROR: syntax error at or near "PARTITION"',
    ),
    Refusal(
        "inheritance",
        FEATURES,
        "CREATE TABLE t (a INT) INHERITS (u)",
        _has(exp.InheritsProperty),
        'ERROR: syntax error at or near "INHERITS"',
    ),
    Refusal(
        "CHECK constraints",
        FEATURES,
        "CREATE TABLE t (a INT CHECK (a > 0))",
        _has(exp.CheckColumnConstraint),
        "ERROR: CHECK constraints are not supported",
    ),
    Refusal(
        "unlogged tables",
        CREATE,
        "CREATE UNLOGGED TABLE t (a INT)",
        _begins(r"CREATE\s+UNLOGGED"),
        'ERROR: syntax error at or near "UNLOGGED"',
    ),
    Refusal(
        "another type for a column",
        ALTER,
        "ALTER TABLE t ALTER COLUMN a TYPE BIGINT",
        _alters(_other_than_varchar),
        "ERROR: ALTER COLUMN TYPE is only supported for varchar columns",
    ),
    Refusal(
        "two columns in one ALTER TABLE",
        "c_redshift-sql-implementated-differently.html",
        "ALTER TABLE t ADD COLUMN a INT, ADD COLUMN b INT",
        _alters(lambda tree: len(tree.args["actions"]) > 1),
        'ERROR: syntax error at or near ","',
    ),
    Refusal(
        "ADD COLUMN IF NOT EXISTS",
        ALTER,
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT",
        lambda text, _: re.search(r"ADD\s+COLUMN\s+IF\s+NOT\s+EXISTS", text, re.IGNORECASE) is not None,
        'ERROR: syntax error at or near "NOT"',
    ),
    Refusal(
        "VALUES as a table",
        FEATURES,
        "SELECT * FROM (VALUES (1)) AS v (a)",
        lambda _, tree: isinstance(tree, exp.Query) and tree.find(exp.Values) is not None,
        'ERROR: syntax error at or near "VALUES"',
    ),
    Refusal(
        "an alias for the target of DELETE",
        "r_DELETE.html",
        "DELETE FROM t AS x WHERE x.a = 1",
        lambda _, tree: isinstance(tree, exp.Delete) and bool(tree.this and tree.this.args.get("alias")),
        'ERROR: syntax error at or near "AS"',
    ),
    Refusal(
        "BEGIN and COMMIT through the Data API",
        "r_BEGIN.html",
        "BEGIN",
        _begins(r"(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT)"),
        "ERROR: this stand-in opens and ends transactions itself: send a batch",
    ),
    _no_function("string_agg", "string_agg('a', ',')"),
    _no_function("array_agg", "array_agg(1)"),
    _no_function("every", "every(true)"),
    _no_function("generate_series", "generate_series(1, 2)"),
    _no_function("generate_subscripts", "generate_subscripts(a, 1)"),
    _no_function("pg_advisory_xact_lock", "pg_advisory_xact_lock(1)"),
    _no_function("pg_advisory_lock", "pg_advisory_lock(1)"),
    _no_function("clock_timestamp", "clock_timestamp()"),
    _no_function("pg_sleep", "pg_sleep(1)"),
    _no_function("nextval", "nextval('s')"),
    _no_function("setseed", "setseed(0)"),
    _no_function("width_bucket", "width_bucket(1, 0, 2, 2)"),
    _no_function("regexp_matches", "regexp_matches('a', 'a')"),
    _no_function("regexp_split_to_table", "regexp_split_to_table('a', 'b')"),
    _no_function("to_tsvector", "to_tsvector('a')"),
    _no_function("xmlparse", "xmlparse('a')"),
)


def refuse(text: str, tree: Statement | None) -> None:
    """Refuse a statement that Redshift would; raises Failed."""
    for row in REFUSALS:
        if row.applies(text, tree):
            raise Failed(f"{row.message} ({row.link})")
