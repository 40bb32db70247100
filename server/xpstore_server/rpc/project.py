"""ProjectService."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import project_pb2 as pb
from xpstore.v1 import project_pb2_grpc
from xpstore_server.auth import principal
from xpstore_server.core import project, statistics, tags
from xpstore_server.core.errors import InvalidArgument, renamed
from xpstore_server.rpc.fields import a_name, a_period, a_tag_text, a_text, a_uuid, if_set, masked
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import SEARCH_SECONDS, Database
from xpstore_server.store.transaction import Transaction


class ProjectService(project_pb2_grpc.ProjectServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Any) -> pb.CreateProjectResponse:
        who = principal()
        values = {
            "project_id": a_name("project_id", request.project_id),
            "name": a_name("name", request.name),
            "description": a_text("description", request.description),
            "tags": a_tag_text(request.tags),
            "creation_id": a_uuid("creation_id", request.creation_id),
        }

        def unit(tx: Transaction) -> tuple[Row[Any], bool]:
            row, created = project.create(tx, who, **values, allow_existing=request.allow_existing)
            return project.whole(tx, row.uid), created

        row, created = await self._database.write_async(unit)
        return pb.CreateProjectResponse(project=to_wire(row), created=created)

    async def GetProject(self, request: pb.GetProjectRequest, context: Any) -> pb.GetProjectResponse:
        match request.WhichOneof("key"):
            case "project_uid":
                key = {"project_uid": a_uuid("project_uid", request.project_uid)}
            case "project_id":
                key = {"project_id": a_name("project_id", request.project_id)}
            case _:
                raise InvalidArgument("key", "", "must be project_uid or project_id")
        row = await self._database.read_async(lambda tx: project.whole(tx, project.get(tx, **key).uid))
        return pb.GetProjectResponse(project=to_wire(row))

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Any) -> pb.ListProjectsResponse:
        pager = Pager("projects", *["deleted"] * request.deleted)  # else as servers before this knew it
        page = pager.page(request.page_size, request.page_token)
        rows, key = await self._database.read_async(lambda tx: project.list_page(tx, page, is_deleted=request.deleted))
        return pb.ListProjectsResponse(projects=map(to_wire, rows), next_page_token=pager.token(key))

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Any) -> pb.UpdateProjectResponse:
        who = principal()
        uid = a_uuid("project_uid", request.project_uid)
        checks = {"name": a_name, "description": a_text}
        optional = {"cache_ttl_us": a_period, "cache_max_age_us": a_period}
        changes: dict[str, Any] = {}
        for field in masked(request.update_mask, *checks, "tags", *optional):
            if field == "tags":
                changes[field] = a_tag_text(request.tags)
            elif field in checks:
                changes[field] = checks[field](field, getattr(request, field))
            else:
                changes[field] = if_set(request, field, optional[field])

        def unit(tx: Transaction) -> Row[Any]:
            project.change(tx, who, project_uid=uid, changes=changes, etag=request.etag)
            return project.whole(tx, uid)

        row = await self._database.write_async(unit)
        return pb.UpdateProjectResponse(project=to_wire(row))

    async def DeleteProject(self, request: pb.DeleteProjectRequest, context: Any) -> pb.DeleteProjectResponse:
        who = principal()
        uid = a_uuid("project_uid", request.project_uid)
        deleted = await self._database.write_async(lambda tx: project.delete(tx, who, project_uid=uid))
        return pb.DeleteProjectResponse(deleted=deleted)

    async def UndeleteProject(self, request: pb.UndeleteProjectRequest, context: Any) -> pb.UndeleteProjectResponse:
        who = principal()
        uid = a_uuid("project_uid", request.project_uid)
        with renamed(lambda _: "project_uid"):  # what is taken is its `project_id`, which the text says
            row = await self._database.write_async(
                lambda tx: project.whole(tx, project.undelete(tx, who, project_uid=uid).uid)
            )
        return pb.UndeleteProjectResponse(project=to_wire(row))

    async def GetProjectStatistics(
        self, request: pb.GetProjectStatisticsRequest, context: Any
    ) -> pb.GetProjectStatisticsResponse:
        uid = a_uuid("project_uid", request.project_uid)
        found = await self._database.read_async(lambda tx: statistics.of_project(tx, uid), SEARCH_SECONDS)
        return pb.GetProjectStatisticsResponse(**asdict(found))


def to_wire(row: Row[Any]) -> pb.Project:
    return pb.Project(
        id=row.id,
        uid=row.uid,
        name=row.name,
        description=row.description,
        created_at_us=row.created_at_us,
        created_by=row.created_by,
        updated_at_us=row.updated_at_us,
        updated_by=row.updated_by,
        etag=str(row.revision),
        cache_ttl_us=row.cache_ttl_us,
        cache_max_age_us=row.cache_max_age_us,
        tags=tags.from_text(row.tags),
        experiment_count=row.experiments,
        model_count=row.models,
        deleted_at_us=row.deleted_at_us,
    )
