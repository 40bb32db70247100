"""RunService."""

import re
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import run_pb2 as pb
from xpstore.v1 import run_pb2_grpc
from xpstore_server.core import console, limits, run
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.rpc.fields import a_json_object, a_text, a_time, a_uuid, an_offset, if_set
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import Database

STATUS = {
    "running": pb.RUN_STATUS_RUNNING,
    "finished": pb.RUN_STATUS_FINISHED,
    "failed": pb.RUN_STATUS_FAILED,
    "lost": pb.RUN_STATUS_LOST,
    None: pb.RUN_STATUS_UNSPECIFIED,
}
_ENDED = {pb.RUN_STATUS_FINISHED: "finished", pb.RUN_STATUS_FAILED: "failed"}
# Of console text in one answer: unless the request says, and in any case.
CONSOLE_BYTES = 64 << 10
CONSOLE_BYTES_MAX = 1 << 20
_COMMIT = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})?")  # SHA-1, or SHA-256 in newer repositories


class RunService(run_pb2_grpc.RunServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateRun(self, request: pb.CreateRunRequest, context: Any) -> pb.CreateRunResponse:
        model_id = a_uuid("model_id", request.model_id)
        id_ = a_uuid("run_id", request.run_id)
        environment = _environment(request.environment)
        started_at_us = if_set(request, "started_at_us", a_time)
        row = await self._database.write_async(
            lambda tx: run.create(
                tx, model_id=model_id, run_id=id_, environment=environment, started_at_us=started_at_us
            )
        )
        return pb.CreateRunResponse(run=to_wire(row))

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        id_ = a_uuid("run_id", request.run_id)
        row = await self._database.read_async(lambda tx: run.get(tx, id_))
        return pb.GetRunResponse(run=to_wire(row))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        model_id = a_uuid("model_id", request.model_id)
        pager = Pager("runs", model_id)
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: run.list_page(tx, model_id, page))
        return pb.ListRunsResponse(runs=map(to_wire, rows), next_page_token=pager.token(key))

    async def HeartbeatRun(self, request: pb.HeartbeatRunRequest, context: Any) -> pb.HeartbeatRunResponse:
        id_ = a_uuid("run_id", request.run_id)
        row = await self._database.write_async(lambda tx: run.beat(tx, id_))
        return pb.HeartbeatRunResponse(status=STATUS[row.status])

    async def FinishRun(self, request: pb.FinishRunRequest, context: Any) -> pb.FinishRunResponse:
        id_ = a_uuid("run_id", request.run_id)
        error = a_text("error", request.error)
        if request.status not in _ENDED:
            raise InvalidArgument("status", request.status, "must be RUN_STATUS_FINISHED or RUN_STATUS_FAILED")
        end = run.End(_ENDED[request.status], error, if_set(request, "ended_at_us", a_time))
        row = await self._database.write_async(lambda tx: run.finish(tx, id_, end))
        return pb.FinishRunResponse(run=to_wire(row))

    async def ReadConsole(self, request: pb.ReadConsoleRequest, context: Any) -> pb.ReadConsoleResponse:
        id_ = a_uuid("run_id", request.run_id)
        offset = if_set(request, "offset", an_offset)
        if request.max_bytes < 0:
            raise InvalidArgument("max_bytes", request.max_bytes, "must not be negative")
        most = min(request.max_bytes or CONSOLE_BYTES, CONSOLE_BYTES_MAX)
        found = await self._database.read_async(lambda tx: console.read(tx, id_, offset, most))
        pieces = (pb.ConsolePiece(offset=piece.offset, text=piece.text.decode()) for piece in found.pieces)
        return pb.ReadConsoleResponse(pieces=pieces, next_offset=found.next_offset, end_offset=found.end_offset)


def _environment(wire: pb.RunEnvironment) -> dict[str, Any]:
    texts = {
        field: a_text(f"environment.{field}", getattr(wire, field)) for field in ("host", "user", "command", "python")
    }
    if wire.rank < 0:
        raise InvalidArgument("environment.rank", wire.rank, "must not be negative")
    if not _COMMIT.fullmatch(wire.git_commit):
        raise InvalidArgument("environment.git_commit", wire.git_commit, "must be a full commit hash in lower case")
    return {
        **texts,
        "rank": wire.rank,
        "packages_json": a_json_object("environment.packages_json", wire.packages_json),
        "git_commit": wire.git_commit,
        "git_dirty": int(wire.git_dirty),
        "git_diff": a_text("environment.git_diff", wire.git_diff, limits.DIFF_LENGTH),
        "job_json": a_json_object("environment.job_json", wire.job_json),
    }


def to_wire(row: Row[Any]) -> pb.Run:
    return pb.Run(
        id=row.id,
        model_id=row.model_id,
        status=STATUS[row.status],
        started_at_us=row.started_at_us,
        ended_at_us=row.ended_at_us,
        heartbeat_at_us=row.heartbeat_at_us,
        environment=pb.RunEnvironment(
            rank=row.rank,
            host=row.host,
            user=row.user,
            command=row.command,
            python=row.python,
            packages_json=row.packages_json,
            git_commit=row.git_commit,
            git_dirty=bool(row.git_dirty),
            git_diff=row.git_diff,
            job_json=row.job_json,
        ),
        error=row.error,
    )
