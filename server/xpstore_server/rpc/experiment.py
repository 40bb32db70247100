"""ExperimentService."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import experiment_pb2 as pb
from xpstore.v1 import experiment_pb2_grpc
from xpstore_server.auth import principal
from xpstore_server.core import experiment, tags
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.rpc.fields import a_name, a_tag_text, a_text, a_uuid, masked
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import Database


class ExperimentService(experiment_pb2_grpc.ExperimentServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateExperiment(self, request: pb.CreateExperimentRequest, context: Any) -> pb.CreateExperimentResponse:
        who = principal()
        values = {
            "project_uid": a_uuid("project_uid", request.project_uid),
            "experiment_id": a_uuid("experiment_id", request.experiment_id),
            "name": a_name("name", request.name),
            "description": a_text("description", request.description),
            "tags": a_tag_text(request.tags),
        }
        row, created = await self._database.write_async(
            lambda tx: experiment.create(tx, who, **values, allow_existing=request.allow_existing)
        )
        return pb.CreateExperimentResponse(experiment=to_wire(row), created=created)

    async def GetExperiment(self, request: pb.GetExperimentRequest, context: Any) -> pb.GetExperimentResponse:
        match request.WhichOneof("key"):
            case "experiment_id":
                id_ = a_uuid("experiment_id", request.experiment_id)
                row = await self._database.read_async(lambda tx: experiment.get(tx, id_))
            case "experiment_name":
                key = {
                    "project_uid": a_uuid("experiment_name.project_uid", request.experiment_name.project_uid),
                    "name": a_name("experiment_name.name", request.experiment_name.name),
                }
                row = await self._database.read_async(lambda tx: experiment.get_by_name(tx, **key))
            case _:
                raise InvalidArgument("key", "", "must be experiment_id or experiment_name")
        return pb.GetExperimentResponse(experiment=to_wire(row))

    async def ListExperiments(self, request: pb.ListExperimentsRequest, context: Any) -> pb.ListExperimentsResponse:
        uid = a_uuid("project_uid", request.project_uid)
        pager = Pager("experiments", uid, *["deleted"] * request.deleted)  # else as servers before this knew it
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(
            lambda tx: experiment.list_page(tx, uid, page, is_deleted=request.deleted)
        )
        return pb.ListExperimentsResponse(experiments=map(to_wire, rows), next_page_token=pager.token(key))

    async def UpdateExperiment(self, request: pb.UpdateExperimentRequest, context: Any) -> pb.UpdateExperimentResponse:
        who = principal()
        id_ = a_uuid("experiment_id", request.experiment_id)
        checks: dict[str, Callable[[], str]] = {
            "name": lambda: a_name("name", request.name),
            "description": lambda: a_text("description", request.description),
            "tags": lambda: a_tag_text(request.tags),
        }
        changes = {field: checks[field]() for field in masked(request.update_mask, *checks)}
        row = await self._database.write_async(
            lambda tx: experiment.change(tx, who, experiment_id=id_, changes=changes, etag=request.etag)
        )
        return pb.UpdateExperimentResponse(experiment=to_wire(row))

    async def DeleteExperiment(self, request: pb.DeleteExperimentRequest, context: Any) -> pb.DeleteExperimentResponse:
        who = principal()
        id_ = a_uuid("experiment_id", request.experiment_id)
        deleted = await self._database.write_async(lambda tx: experiment.delete(tx, who, id_))
        return pb.DeleteExperimentResponse(deleted=deleted)

    async def UndeleteExperiment(
        self, request: pb.UndeleteExperimentRequest, context: Any
    ) -> pb.UndeleteExperimentResponse:
        who = principal()
        id_ = a_uuid("experiment_id", request.experiment_id)
        row = await self._database.write_async(lambda tx: experiment.undelete(tx, who, id_))
        return pb.UndeleteExperimentResponse(experiment=to_wire(row))


def to_wire(row: Row[Any]) -> pb.Experiment:
    return pb.Experiment(
        id=row.id,
        project_uid=row.project_uid,
        name=row.name,
        created_at_us=row.created_at_us,
        created_by=row.created_by,
        updated_at_us=row.updated_at_us,
        updated_by=row.updated_by,
        etag=str(row.revision),
        description=row.description,
        tags=tags.from_text(row.tags),
        model_count=row.models,
        deleted_at_us=row._mapping.get("deleted_at_us"),
    )
