"""COPY and UNLOAD, between the object store and a transaction."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
import polars as pl
import psycopg
from psycopg import sql

from devstack.standins.redshift.errors import Failed
from devstack.standins.redshift.translation import translated

Connection = psycopg.Connection[tuple[Any, ...]]
TEXT = r"'((?:[^']|'')*)'"
NAME = r'((?:"(?:[^"]|"")+"|[\w$.])+)'
COPY = re.compile(rf"\s*COPY\s+{NAME}\s*(?:\(([^)]*)\))?\s*FROM\s+{TEXT}(.*)", re.IGNORECASE | re.DOTALL)
UNLOAD = re.compile(rf"\s*UNLOAD\s*\(\s*{TEXT}\s*\)\s*TO\s+{TEXT}(.*)", re.IGNORECASE | re.DOTALL)
ROLE = re.compile(r"\bIAM_ROLE\s+(?:AS\s+)?('arn:aws[\w-]*:iam::\d{12}:role/[^']+'|default)", re.IGNORECASE)
FORMAT = re.compile(r"\bFORMAT\s+(?:AS\s+)?(\w+)|\b(PARQUET|CSV)\b", re.IGNORECASE)
OF_TEXT = r"MAXERROR|ACCEPTANYDATE|DATEFORMAT|TIMEFORMAT|IGNOREHEADER|DELIMITER|NULL\s+AS"  # options of it
ROW_BASED = re.compile(rf"\b({OF_TEXT})\b", re.IGNORECASE)
# What a column takes of Parquet, which is read without any conversion.
TAKES: dict[str, tuple[type[pl.DataType], ...]] = {
    "int2": (pl.Int8, pl.Int16),
    "int4": (pl.Int32,),
    "int8": (pl.Int64,),
    "numeric": (pl.Decimal,),
    "float4": (pl.Float32,),
    "float8": (pl.Float64,),
    "bool": (pl.Boolean,),
    "date": (pl.Date,),
    "timestamp": (pl.Datetime,),
    "varchar": (pl.String,),
    "bpchar": (pl.String,),
}


def copies(text: str) -> bool:
    """Return whether a statement is one of these two."""
    return re.match(r"\s*(COPY|UNLOAD)\b", text, re.IGNORECASE) is not None


def run(connection: Connection, text: str) -> int:
    """Do a COPY or an UNLOAD; return how many rows it moved. Raises Failed."""
    if found := COPY.match(text):
        table, columns, source, options = found.groups()
        return _copy(connection, table, columns, source.replace("''", "'"), _checked(options))
    if found := UNLOAD.match(text):
        query, target, options = found.groups()
        return _unload(connection, query.replace("''", "'"), target.replace("''", "'"), _checked(options))
    raise Failed("ERROR: syntax error in COPY or UNLOAD")


def _checked(options: str) -> str:
    if not ROLE.search(options):
        raise Failed("ERROR: authorization is missing: IAM_ROLE 'arn:aws:iam::...:role/...' or IAM_ROLE default")
    return options


def _format(options: str) -> str:
    found = FORMAT.search(options)
    kind = (found.group(1) or found.group(2)).upper() if found else "TEXT"
    if kind not in ("PARQUET", "CSV"):
        raise Failed(f"ERROR: this stand-in reads and writes PARQUET and CSV, not {kind}")
    return kind


def _copy(connection: Connection, table: str, columns: str | None, source: str, options: str) -> int:
    kind = _format(options)
    if kind == "PARQUET" and (other := ROW_BASED.search(options)):
        raise Failed(f"ERROR: {other.group().upper()} argument is not supported for PARQUET based COPY")
    name = _identifier(table)
    wanted = [part.strip().strip('"').lower() for part in columns.split(",")] if columns else None
    kinds = _kinds(connection, name, wanted)
    moved = 0
    for key, body in _objects(source):
        frame = pl.read_parquet(body) if kind == "PARQUET" else None
        if frame is not None:
            _check_types(frame, kinds, key)
            moved += _insert(connection, name, list(kinds), frame.write_csv(include_header=False))
        else:
            moved += _insert(connection, name, list(kinds), body.read().decode())
    return moved


def _objects(source: str) -> Iterator[tuple[str, BytesIO]]:
    """Give the objects of a prefix in their order; raises Failed where there are none."""
    address, store = urlsplit(source), boto3.client("s3")
    try:
        pages = store.get_paginator("list_objects_v2").paginate(Bucket=address.netloc, Prefix=address.path[1:])
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    except store.exceptions.ClientError as error:
        raise Failed(f"ERROR: S3ServiceException: {error}") from error
    if not keys:
        raise Failed(f"ERROR: The specified S3 prefix '{address.path[1:]}' does not exist")
    for key in keys:
        yield key, BytesIO(store.get_object(Bucket=address.netloc, Key=key)["Body"].read())


def _identifier(table: str) -> sql.Identifier:
    parts = re.findall(r'"((?:[^"]|"")+)"|([\w$]+)', table)
    return sql.Identifier(*((quoted.replace('""', '"') or bare).lower() for quoted, bare in parts))


def _kinds(connection: Connection, table: sql.Identifier, wanted: list[str] | None) -> dict[str, str]:
    """Return the types of the columns that are filled, in their order."""
    query = """SELECT attname, typname FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
    found: dict[str, str] = dict(connection.execute(query, [table.as_string(connection)]).fetchall())
    if wanted is None:
        return found
    if missing := [name for name in wanted if name not in found]:
        raise Failed(f'ERROR: column "{missing[0]}" does not exist')
    return {name: found[name] for name in wanted}


def _check_types(frame: pl.DataFrame, kinds: dict[str, str], key: str) -> None:
    """Compare a file with the table, by place; raises Failed."""
    if len(frame.columns) != len(kinds):
        raise Failed(f"ERROR: Spectrum Scan Error: {key} has {len(frame.columns)} columns, the table has {len(kinds)}")
    for column, (name, kind) in zip(frame.iter_columns(), kinds.items(), strict=True):
        if not isinstance(column.dtype, TAKES.get(kind, ())):
            raise Failed(
                f"ERROR: Spectrum Scan Error: {key} has an incompatible Parquet schema for column '{name}', "
                f"column type: {kind.upper()}, Parquet schema: {column.dtype}"
            )


def _insert(connection: Connection, table: sql.Identifier, columns: list[str], text: str) -> int:
    if "\0" in text:
        raise Failed("ERROR: Load error: invalid null byte in a text, see sys_load_error_detail")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(table, names)
    with connection.cursor() as cursor:
        with cursor.copy(copy) as stream:
            stream.write(text)
        return cursor.rowcount


def _unload(connection: Connection, query: str, target: str, options: str) -> int:
    if re.search(r"\bLIMIT\s+\d+\s*;?\s*$", query, re.IGNORECASE):
        raise Failed("ERROR: Limit clause is not supported in the outer SELECT of UNLOAD")
    kind, (address, store) = _format(options), (urlsplit(target), boto3.client("s3"))
    known = store.list_objects_v2(Bucket=address.netloc, Prefix=address.path[1:], MaxKeys=1)
    if known.get("KeyCount") and not re.search(r"\b(ALLOWOVERWRITE|CLEANPATH)\b", options, re.IGNORECASE):
        raise Failed("ERROR: Specified unload destination on S3 is not empty. Consider using a different prefix")
    cursor = connection.execute(translated(query).encode())
    names = [column.name for column in cursor.description or ()]
    frame = pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)
    body = BytesIO()
    if kind == "PARQUET":
        frame.write_parquet(body, compression="snappy")
    else:
        frame.write_csv(body, include_header=False)
    key = f"{address.path[1:]}0000_part_00{'.parquet' if kind == 'PARQUET' else ''}"
    store.put_object(Bucket=address.netloc, Key=key, Body=body.getvalue())
    return frame.height
