"""Sessions and statements: each runs in a thread of its own, in one transaction at REPEATABLE READ."""

import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.postgres import types

from devstack.standins.redshift import files
from devstack.standins.redshift.errors import Failed, Refused, wording
from devstack.standins.redshift.translation import translated

MOST_STATEMENTS, LONGEST_STATEMENT, LONGEST_SESSION = 40, 100_000, 86_400
CATALOGUE_NAMES = {"text": "varchar", "name": "varchar"}
OPTIONS = "-c default_transaction_isolation=repeatable\\ read -c timezone=UTC -c client_min_messages=warning"
ENDS = ("FINISHED", "FAILED", "ABORTED")


@dataclass
class Part:
    """One statement of a call, and what came of it."""

    text: str
    status: str = "SUBMITTED"
    error: str = ""
    rows: int = -1
    columns: list[dict[str, Any]] = field(default_factory=list)
    records: list[list[dict[str, Any]]] = field(default_factory=list)


@dataclass
class Statement:
    """A call to execute something."""

    parts: list[Part]
    batch: bool
    place: Mapping[str, Any]
    session: "Session | None"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    status: str = "SUBMITTED"
    error: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def end(self, status: str, error: str = "") -> None:
        """Note how it ended."""
        self.status, self.error, self.updated = status, error, time.time()
        self.over.set()


@dataclass
class Session:
    """A connection that keeps its temporary tables and settings between calls."""

    connection: files.Connection
    database: str
    keep: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    busy: threading.Lock = field(default_factory=threading.Lock)
    used: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether it has been idle for longer than it was to be kept."""
        return not self.busy.locked() and time.monotonic() - self.used > self.keep


class Engine:
    """Redshift over a PostgreSQL server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._statements: dict[str, Statement] = {}
        self._sessions: dict[str, Session] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def execute(self, texts: list[str], call: Mapping[str, Any], *, batch: bool) -> Statement:
        """Begin to execute; raises Refused. A call that is sent twice with one ClientToken is executed once."""
        _check(texts)
        with self._lock:
            token = str(call.get("ClientToken", ""))
            if token in self._tokens:
                return self._statements[self._tokens[token]]
            session = self._session(call)
            statement = Statement([Part(text) for text in texts], batch, call, session)
            self._statements[statement.id] = statement
            if token:
                self._tokens[token] = statement.id
        threading.Thread(target=self._run, args=[statement], daemon=True).start()
        return statement

    def statement(self, name: str) -> tuple[Statement, int]:
        """Find a statement and which of its parts is meant, from 1; 0 is the whole. Raises Refused."""
        bare, _, part = name.partition(":")
        found = self._statements.get(bare)
        if found is None or int(part or 0) > len(found.parts):
            raise Refused("ResourceNotFoundException", f"Query {name} does not exist.")
        return found, int(part or 0)

    def close(self) -> None:
        """End every session."""
        for session in self._sessions.values():
            session.connection.close()

    def _session(self, call: Mapping[str, Any]) -> Session | None:
        """Find or open the session of a call; None for one that is over with its statement."""
        places = [name for name in ("WorkgroupName", "ClusterIdentifier", "SessionId") if call.get(name)]
        if len(places) != 1:
            raise Refused(
                "ValidationException", "Exactly one of WorkgroupName, ClusterIdentifier, SessionId is wanted."
            )
        for old in [one for one in self._sessions.values() if one.over]:
            del self._sessions[old.id]
            old.connection.close()
        if places == ["SessionId"]:
            return self._known(call)
        if not call.get("Database"):
            raise Refused("ValidationException", "Database is missing.")
        keep = int(call.get("SessionKeepAliveSeconds") or 0)
        if keep > LONGEST_SESSION:
            raise Refused("ValidationException", f"SessionKeepAliveSeconds must be at most {LONGEST_SESSION}.")
        if not keep:
            return None
        session = Session(self._connect(str(call["Database"])), str(call["Database"]), keep)
        session.busy.acquire()
        self._sessions[session.id] = session
        return session

    def _known(self, call: Mapping[str, Any]) -> Session:
        if call.get("Database") and call["Database"] != self._sessions[call["SessionId"]].database:
            raise Refused("ValidationException", "Database is not the session's.")
        session = self._sessions.get(str(call["SessionId"]))
        if session is None or session.connection.closed:
            raise Refused("ResourceNotFoundException", f"Session {call['SessionId']} is not available.")
        if not session.busy.acquire(blocking=False):
            raise Refused("ValidationException", f"Session {session.id} is busy with another statement.")
        session.keep = int(call.get("SessionKeepAliveSeconds") or session.keep)
        return session

    def _connect(self, database: str) -> files.Connection:
        return psycopg.connect(f"{self._server}/{database}", options=OPTIONS)

    def _run(self, statement: Statement) -> None:
        """Execute all parts in one transaction, and say how it ended."""
        session, status, error = statement.session, "FINISHED", ""
        statement.status = "STARTED"
        try:
            if session:
                _transaction(session.connection, statement)
            else:
                with self._connect(str(statement.place["Database"])) as connection:
                    _transaction(connection, statement)
        except Failed as failure:
            status, error = "FAILED", str(failure)
        except psycopg.Error as failure:
            status, error = "FAILED", wording(failure)
        finally:
            if session:
                session.used = time.monotonic()
                session.busy.release()
            statement.end(status, error)


def _check(texts: list[str]) -> None:
    if len(texts) > MOST_STATEMENTS:
        raise Refused("ValidationException", f"Sqls has {len(texts)} statements, {MOST_STATEMENTS} are allowed.")
    if any(len(text.encode()) > LONGEST_STATEMENT for text in texts):
        raise Refused("ValidationException", "A statement is longer than 100 KB.")


def _transaction(connection: files.Connection, statement: Statement) -> None:
    try:
        for part in statement.parts:
            part.status = "STARTED"
            _execute(connection, part, alone=not statement.batch)
            part.status = "FINISHED"
        connection.commit()
    except (Failed, psycopg.Error) as error:
        if not connection.closed:
            connection.rollback()
        for part in statement.parts:
            if part.status == "STARTED":
                part.status = "FAILED"
                part.error = str(error) if isinstance(error, Failed) else wording(error)
            elif part.status == "SUBMITTED":
                part.status = "ABORTED"
        raise


def _execute(connection: files.Connection, part: Part, *, alone: bool) -> None:
    if re.match(r"\s*(VACUUM|CREATE\s+DATABASE|ALTER\s+TABLE\s.*\sAPPEND)\b", part.text, re.IGNORECASE) and not alone:
        raise Failed("ERROR: this statement cannot run inside a multiple commands statement")
    if files.copies(part.text):
        part.rows = files.run(connection, part.text)
        return
    cursor = connection.execute(translated(part.text).encode())
    part.rows = cursor.rowcount
    if cursor.description:
        names = [types[column.type_code].name for column in cursor.description]
        part.columns = [
            {"name": column.name, "label": column.name, "typeName": CATALOGUE_NAMES.get(name, name)}
            for column, name in zip(cursor.description, names, strict=True)
        ]
        part.records = [[_cell(value) for value in row] for row in cursor.fetchall()]
    if re.match(r"\s*TRUNCATE\b", part.text, re.IGNORECASE):
        connection.commit()  # it ends the transaction that it stands in


def _cell(value: Any) -> dict[str, Any]:
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        special = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        return {"doubleValue": special.get(str(value), value)}
    return {"stringValue": format(value, "f") if isinstance(value, Decimal) else str(value)}
