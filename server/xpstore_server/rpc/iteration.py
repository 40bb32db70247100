"""IterationService."""

from typing import Any

from sqlalchemy import Row

from xpstore.v1 import iteration_pb2 as pb
from xpstore.v1 import iteration_pb2_grpc
from xpstore_server.core import iteration
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.rpc.fields import a_step, a_uuid
from xpstore_server.rpc.paging import Pager
from xpstore_server.rpc.piecewise import removed
from xpstore_server.store.database import Database


class IterationService(iteration_pb2_grpc.IterationServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateIteration(self, request: pb.CreateIterationRequest, context: Any) -> pb.CreateIterationResponse:
        model_id = a_uuid("model_id", request.model_id)
        id_ = a_uuid("iteration_id", request.iteration_id)
        step = a_step("step", request.step)
        row, created = await self._database.write_async(
            lambda tx: iteration.create(tx, model_id=model_id, iteration_id=id_, step=step)
        )
        return pb.CreateIterationResponse(iteration=to_wire(row), created=created)

    async def GetIteration(self, request: pb.GetIterationRequest, context: Any) -> pb.GetIterationResponse:
        match request.WhichOneof("key"):
            case "iteration_id":
                id_ = a_uuid("iteration_id", request.iteration_id)
                row = await self._database.read_async(lambda tx: iteration.get(tx, id_))
            case "iteration_step":
                model_id = a_uuid("iteration_step.model_id", request.iteration_step.model_id)
                step = a_step("iteration_step.step", request.iteration_step.step)
                row = await self._database.read_async(
                    lambda tx: iteration.get_by_step(tx, model_id=model_id, step=step)
                )
            case _:
                raise InvalidArgument("key", "", "must be iteration_id or iteration_step")
        return pb.GetIterationResponse(iteration=to_wire(row))

    async def ListIterations(self, request: pb.ListIterationsRequest, context: Any) -> pb.ListIterationsResponse:
        model_id = a_uuid("model_id", request.model_id)
        pager = Pager("iterations", model_id)
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: iteration.list_page(tx, model_id, page))
        return pb.ListIterationsResponse(iterations=map(to_wire, rows), next_page_token=pager.token(key))

    async def DeleteIteration(self, request: pb.DeleteIterationRequest, context: Any) -> pb.DeleteIterationResponse:
        id_ = a_uuid("iteration_id", request.iteration_id)
        deleted = await self._database.write_async(lambda tx: iteration.delete(tx, id_))
        return pb.DeleteIterationResponse(deleted=deleted)

    async def ClearIterations(self, request: pb.ClearIterationsRequest, context: Any) -> pb.ClearIterationsResponse:
        model_id = a_uuid("model_id", request.model_id)
        count = await removed(self._database, lambda tx: iteration.clear_some(tx, model_id))
        return pb.ClearIterationsResponse(deleted_count=count)


def to_wire(row: Row[Any]) -> pb.Iteration:
    return pb.Iteration(id=row.id, model_id=row.model_id, step=row.step, created_at_us=row.created_at_us)
