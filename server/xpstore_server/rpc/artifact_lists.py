"""The lists of what hangs on versions."""

from typing import Any

from sqlalchemy import Row

from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.versions import neighbours
from xpstore_server.rpc.fields import a_uuid
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import Database


async def list_aliases(database: Database, request: pb.ListArtifactAliasesRequest) -> pb.ListArtifactAliasesResponse:
    artifact_id = a_uuid("artifact_id", request.artifact_id)
    pager = Pager("aliases", artifact_id)
    page = pager.page(request.page_size, request.page_token)
    rows, key = await database.read_async(lambda tx: neighbours.list_aliases(tx, artifact_id, page))
    aliases = [pb.ArtifactAlias(alias=row.alias, version_id=row.version_id, version=row.version) for row in rows]
    return pb.ListArtifactAliasesResponse(aliases=aliases, next_page_token=pager.token(key))


async def list_links(database: Database, request: pb.ListArtifactLinksRequest) -> pb.ListArtifactLinksResponse:
    version_id = a_uuid("version_id", request.version_id)
    pager = Pager("links", version_id)
    page = pager.page(request.page_size, request.page_token)
    rows, key = await database.read_async(lambda tx: neighbours.list_links(tx, version_id, page))
    return pb.ListArtifactLinksResponse(links=map(link_to_wire, rows), next_page_token=pager.token(key))


async def list_lineage(database: Database, request: pb.ListArtifactLineageRequest) -> pb.ListArtifactLineageResponse:
    version_id = a_uuid("version_id", request.version_id)
    pager = Pager("lineage", version_id, request.users)
    page = pager.page(request.page_size, request.page_token)
    rows, key = await database.read_async(
        lambda tx: neighbours.list_lineage(tx, version_id, page, is_of_users=request.users)
    )
    versions = [
        pb.ArtifactVersionRef(version_id=row.id, name=row.name, type=row.type, version=row.version) for row in rows
    ]
    return pb.ListArtifactLineageResponse(versions=versions, next_page_token=pager.token(key))


def link_to_wire(row: Row[Any]) -> pb.ArtifactLink:
    return pb.ArtifactLink(model_id=row.model_id, iteration_id=row.iteration_id, step=row.step)
