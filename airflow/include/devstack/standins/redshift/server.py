"""The Data API: JSON 1.1 over HTTP, as botocore speaks it."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from devstack.databases import create_databases
from devstack.folder import state_folder
from devstack.plan import read_plan
from devstack.ports import HOST
from devstack.standins.redshift.engine import Engine, Part, Statement
from devstack.standins.redshift.errors import Refused
from devstack.warehouses import REDSHIFT_DATABASE

MEDIA = "application/x-amz-json-1.1"
PAGE = 1000  # records of a page
Call = Mapping[str, Any]


def create_app(engine: Engine) -> FastAPI:
    """Build the application over an engine."""
    app = FastAPI()
    actions: dict[str, Callable[[Call], dict[str, Any]]] = {
        "ExecuteStatement": lambda call: _started(engine.execute([call["Sql"]], call, batch=False), call),
        "BatchExecuteStatement": lambda call: _started(engine.execute(call["Sqls"], call, batch=True), call),
        "DescribeStatement": lambda call: _described(engine, call),
        "GetStatementResult": lambda call: _result(engine, call),
    }

    @app.get("/health")
    def health() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/")
    async def call(request: Request) -> Response:
        action = request.headers.get("x-amz-target", "").rpartition(".")[2]
        content = json.loads(await request.body() or b"{}")
        try:
            answer, code = await run_in_threadpool(actions.get(action, _unknown), content), 200
        except Refused as refused:
            answer, code = {"__type": refused.kind, "Message": str(refused), "message": str(refused)}, 400
        return Response(json.dumps(answer), code, media_type=MEDIA)

    return app


def _unknown(_: Call) -> dict[str, Any]:
    raise Refused("UnknownOperationException", "This stand-in knows statements, batches and their results.")


def _started(statement: Statement, call: Call) -> dict[str, Any]:
    place = {name: call[name] for name in ("WorkgroupName", "ClusterIdentifier", "Database") if name in call}
    session = {"SessionId": statement.session.id} if statement.session else {}
    return {"Id": statement.id, "CreatedAt": statement.created, **place, **session}


def _described(engine: Engine, call: Call) -> dict[str, Any]:
    statement, number = engine.statement(call["Id"])
    statement.over.wait(int(call.get("WaitTimeSeconds") or 0))
    if number:
        return {"Id": call["Id"], **_part(statement.parts[number - 1])}
    whole = statement.parts[-1]
    subs = [{"Id": f"{statement.id}:{n}", **_part(part)} for n, part in enumerate(statement.parts, 1)]
    return {
        "Id": statement.id,
        "CreatedAt": statement.created,
        "UpdatedAt": statement.updated,
        "Duration": int((statement.updated - statement.created) * 1e9),
        **_part(whole),
        "Status": statement.status,
        **({"Error": statement.error} if statement.error else {}),
        **({"SubStatements": subs} if statement.batch else {}),
        **({"SessionId": statement.session.id} if statement.session else {}),
    }


def _part(part: Part) -> dict[str, Any]:
    error = {"Error": part.error} if part.error else {}
    return {
        "Status": part.status,
        "QueryString": part.text,
        "ResultRows": part.rows,
        "HasResultSet": bool(part.columns),
        **error,
    }


def _result(engine: Engine, call: Call) -> dict[str, Any]:
    statement, number = engine.statement(call["Id"])
    part = statement.parts[number - 1]
    if statement.batch and not number:
        raise Refused("ValidationException", "Name one statement of the batch, as ID:NUMBER.")
    if statement.status != "FINISHED" or not part.columns:
        raise Refused("ResourceNotFoundException", f"Query {call['Id']} has no result: {statement.status}.")
    begin = int(call.get("NextToken") or 0)
    more = {"NextToken": str(begin + PAGE)} if begin + PAGE < len(part.records) else {}
    records = part.records[begin : begin + PAGE]
    return {"Records": records, "ColumnMetadata": part.columns, "TotalNumRows": len(part.records), **more}


def app() -> FastAPI:
    """Build the application over the PostgreSQL server that PGHOST, PGPORT, PGUSER and PGPASSWORD name."""
    create_databases([REDSHIFT_DATABASE])
    host, port, user, password = (os.environ[f"PG{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD"))
    return create_app(Engine(f"postgresql://{user}:{password}@{host}:{port}"))


def main() -> None:
    """Serve the state folder named by the first argument."""
    plan = read_plan(state_folder(Path(sys.argv[1])))
    if plan:
        os.environ.pop("PGDATABASE", None)
        uvicorn.run(app(), host=HOST, port=plan.ports["redshift"], log_level="warning")


if __name__ == "__main__":
    main()
