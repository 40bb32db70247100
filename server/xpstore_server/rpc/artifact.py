"""ArtifactService."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextvars import copy_context
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import artifact_pb2_grpc
from xpstore_server.auth import principal
from xpstore_server.core import artifact, limits, project, upload
from xpstore_server.core.artifact import Name
from xpstore_server.core.errors import InvalidArgument, NotFound, renamed
from xpstore_server.core.files import Files
from xpstore_server.core.manifest import check_path
from xpstore_server.core.paging import Key
from xpstore_server.core.versions.details import details
from xpstore_server.core.versions.lists import Filters, list_versions
from xpstore_server.rpc.artifact_lists import list_aliases, list_lineage, list_links
from xpstore_server.rpc.artifact_wire import (
    a_draft,
    a_header,
    a_link,
    artifact_to_wire,
    file_to_wire,
    version_to_wire,
)
from xpstore_server.rpc.cache_wire import a_completion
from xpstore_server.rpc.fields import (
    a_digest,
    a_json_object,
    a_name,
    a_text,
    a_type,
    a_uuid,
    an_alias,
    digests_of,
    if_set,
    masked,
)
from xpstore_server.rpc.manifest import to_page_refs
from xpstore_server.rpc.paging import Pager, fitting
from xpstore_server.rpc.piecewise import removed
from xpstore_server.rpc.read import Outlet, read_chunks, read_file, read_manifest
from xpstore_server.rpc.serialized import answers_serialized, takes_serialized
from xpstore_server.rpc.uploads.intake import Intake
from xpstore_server.rpc.uploads.upload_chunks import ChunksUpload
from xpstore_server.rpc.uploads.upload_file import SETTLE_SECONDS, FileUpload
from xpstore_server.rpc.waiting import WaitingRoom
from xpstore_server.store.errors import MissingChunks
from xpstore_server.store.transaction import Transaction


def _of_upload(field: str) -> str:
    """Most of what is wrong is in the header."""
    return f"header.{field}" if field.partition(".")[0] in pb.UploadFileHeader.DESCRIPTOR.fields_by_name else field


def _of_commit(field: str) -> str:
    """What is wrong with an entry is in a page, which the request has no field for; the text says what."""
    return "manifest.pages" if field.startswith(("entries", "chunk_sizes")) else field


class ArtifactService(artifact_pb2_grpc.ArtifactServiceServicer):
    def __init__(self, intake: Intake, outlet: Outlet, files: Files, waiting: WaitingRoom) -> None:
        self._intake = intake
        self._outlet = outlet
        self._database = intake.database
        self._files = files
        self._waiting = waiting

    async def FindMissingChunks(
        self, request: pb.FindMissingChunksRequest, context: Any
    ) -> pb.FindMissingChunksResponse:
        uid = a_uuid("project_uid", request.project_uid)
        digests, who = digests_of("digests", request.digests), principal()

        def look() -> set[bytes]:
            self._database.read(lambda tx: project.get(tx, project_uid=uid))
            return self._intake.chunks.missing(uid, digests, who)

        # Not in the pool of blob I/O: it answers while all of that waits for a slow store.
        missing = await self._database.call_async(look)
        positions = [position for position, digest in enumerate(digests) if digest in missing]
        return pb.FindMissingChunksResponse(missing_positions=positions)

    @takes_serialized
    async def UploadChunks(self, request_iterator: AsyncIterator[Any], context: Any) -> pb.UploadChunksResponse:
        with self._intake.turns.turn(principal()) as turn:
            return await ChunksUpload(self._intake, turn).run(request_iterator)

    async def CommitArtifact(self, request: pb.CommitArtifactRequest, context: Any) -> pb.CommitArtifactResponse:
        uid = a_uuid("project_uid", request.project_uid)
        version_id = a_uuid("version_id", request.version_id)
        draft = a_draft(request.draft)
        size = request.manifest.ByteSize()
        if size > limits.MANIFEST_ROOT_BYTES:
            raise InvalidArgument("manifest", size, f"must have at most {limits.MANIFEST_ROOT_BYTES} bytes")
        completion = if_set(request, "cache_completion", a_completion)
        who = principal()

        def commit() -> tuple[Row[Any], bool]:
            pages = to_page_refs(request.manifest)  # in the thread too: there may be 26,000
            for page in pages:
                a_digest("manifest.pages.digest", page.digest)
            return self._intake.publisher.commit(
                who, project_uid=uid, version_id=version_id, draft=draft, pages=pages, completion=completion
            )

        try:
            with renamed(_of_commit):
                row, created = await self._work(commit)
        except MissingChunks as error:
            return pb.CommitArtifactResponse(missing_digests=error.digests[: limits.DIGESTS])
        if completion is not None:
            self._waiting.wake(completion.lease_id)
        return pb.CommitArtifactResponse(version=await self._described(row.id), created=created)

    async def UploadFile(
        self, request_iterator: AsyncIterator[pb.UploadFileRequest], context: Any
    ) -> pb.UploadFileResponse:
        with renamed(_of_upload), self._intake.turns.turn(principal()) as turn:
            await turn.take()
            first = await anext(aiter(request_iterator), None)
            if first is None or first.WhichOneof("part") != "header":
                raise InvalidArgument("part", "", "must be the header in the first message")
            incoming = FileUpload(self._intake, turn, a_header(first.header))
            version_id, created = await incoming.run(request_iterator, is_whole=first.finish)
        return pb.UploadFileResponse(version=await self._described(version_id), created=created)

    async def GetUpload(self, request: pb.GetUploadRequest, context: Any) -> pb.GetUploadResponse:
        who = principal()
        upload_id = a_uuid("upload_id", request.upload_id)
        live = self._intake.live.get((who, upload_id))
        if live is not None and live.is_ending:
            await live.wait(SETTLE_SECONDS)
        row = await self._database.read_async(lambda tx: upload.get(tx, who, upload_id))
        response = pb.GetUploadResponse(offset=row.offset, expires_at_us=row.expires_at_us)
        if row.result_version_id is not None:
            response.version.CopyFrom(await self._described(row.result_version_id))
        return response

    @answers_serialized
    async def ReadFile(self, request: pb.ReadFileRequest, context: Any) -> AsyncIterator[Any]:
        row = await self._database.read_async(_source(request))
        async for message in read_file(self._outlet, self._files, row, request):
            yield message

    @answers_serialized
    async def ReadManifest(self, request: pb.ReadManifestRequest, context: Any) -> AsyncIterator[Any]:
        version_id = a_uuid("version_id", request.version_id)
        prefix = a_prefix(request.path_prefix)
        row = await self._database.read_async(lambda tx: artifact.get(tx, version_id))
        async for message in read_manifest(self._outlet, self._files, row, prefix):
            yield message

    @answers_serialized
    async def ReadChunks(self, request: pb.ReadChunksRequest, context: Any) -> AsyncIterator[Any]:
        version_id = a_uuid("version_id", request.version_id)
        digests = digests_of("digests", request.digests)
        row = await self._database.read_async(lambda tx: artifact.get(tx, version_id))
        async for message in read_chunks(self._outlet, row.project_uid, digests):
            yield message

    async def ListArtifactFiles(
        self, request: pb.ListArtifactFilesRequest, context: Any
    ) -> pb.ListArtifactFilesResponse:
        version_id = a_uuid("version_id", request.version_id)
        prefix = a_prefix(request.path_prefix)
        pager = Pager("files", version_id, prefix)
        page = pager.page(request.page_size, request.page_token)
        row = await self._database.read_async(lambda tx: artifact.get(tx, version_id))
        after = str(page.after[0]) if page.after else ""
        entries, last = await self._work(self._files.list_page, row, prefix, after, page.size)
        files, key = fitting(
            zip(entries, map(file_to_wire, entries), strict=True), None if last is None else (last,), "path"
        )
        return pb.ListArtifactFilesResponse(files=files, next_page_token=pager.token(key))

    async def GetArtifactVersion(
        self, request: pb.GetArtifactVersionRequest, context: Any
    ) -> pb.GetArtifactVersionResponse:
        find = _source(request)
        return pb.GetArtifactVersionResponse(version=await self._read_version(find))

    async def ListArtifactVersions(
        self, request: pb.ListArtifactVersionsRequest, context: Any
    ) -> pb.ListArtifactVersionsResponse:
        uid = a_uuid("project_uid", request.project_uid)
        optional = [name for name in Filters.__slots__ if name != "is_deleted"]
        given = {name: getattr(request, name) for name in optional if request.HasField(name)}
        if request.deleted:
            given["is_deleted"] = True
        checks = {"name": a_name, "type": a_type, "model_id": a_uuid, "iteration_id": a_uuid, "alias": a_name}
        for name in checks.keys() & given.keys():
            given[name] = checks[name](name, given[name])
        pager = Pager("versions", uid, given, descending=request.descending)
        page = pager.page(request.page_size, request.page_token)

        def unit(tx: Transaction) -> tuple[list[pb.ArtifactVersion], Key | None]:
            rows, key = list_versions(tx, uid, Filters(**given), page)
            return fitting(_described(tx, rows), key, "created_at_us", "id")

        versions, key = await self._database.read_async(unit)
        return pb.ListArtifactVersionsResponse(versions=versions, next_page_token=pager.token(key))

    async def UpdateArtifactVersion(
        self, request: pb.UpdateArtifactVersionRequest, context: Any
    ) -> pb.UpdateArtifactVersionResponse:
        who = principal()
        version_id = a_uuid("version_id", request.version_id)
        changes: dict[str, Any] = {}
        for field in masked(request.update_mask, "description", "metadata_json"):
            if field == "metadata_json":
                changes[field] = a_json_object(field, request.metadata_json)
            else:
                changes[field] = a_text(field, request.description) if request.HasField("description") else None
        version = await self._write_version(
            lambda tx: artifact.change_version(tx, who, version_id=version_id, changes=changes, etag=request.etag)
        )
        return pb.UpdateArtifactVersionResponse(version=version)

    async def DeleteArtifactVersion(
        self, request: pb.DeleteArtifactVersionRequest, context: Any
    ) -> pb.DeleteArtifactVersionResponse:
        who = principal()
        version_id = a_uuid("version_id", request.version_id)
        deleted = await self._database.write_async(lambda tx: artifact.delete_version(tx, who, version_id))
        return pb.DeleteArtifactVersionResponse(deleted=deleted)

    async def UndeleteArtifactVersion(
        self, request: pb.UndeleteArtifactVersionRequest, context: Any
    ) -> pb.UndeleteArtifactVersionResponse:
        who = principal()
        version_id = a_uuid("version_id", request.version_id)
        version = await self._write_version(lambda tx: artifact.undelete_version(tx, who, version_id))
        return pb.UndeleteArtifactVersionResponse(version=version)

    async def GetArtifact(self, request: pb.GetArtifactRequest, context: Any) -> pb.GetArtifactResponse:
        match request.WhichOneof("key"):
            case "artifact_id":
                key = {"artifact_id": a_uuid("artifact_id", request.artifact_id)}
            case "artifact_name":
                name = request.artifact_name
                key = {
                    "project_id": a_name("artifact_name.project_id", name.project_id),
                    "name": a_name("artifact_name.name", name.name),
                }
            case _:
                raise InvalidArgument("key", "", "must be artifact_id or artifact_name")
        one = await self._database.read_async(lambda tx: _one_with_latest(tx, artifact.get_artifact(tx, **key)))
        return pb.GetArtifactResponse(artifact=one)

    async def ListArtifacts(self, request: pb.ListArtifactsRequest, context: Any) -> pb.ListArtifactsResponse:
        uid = a_uuid("project_uid", request.project_uid)
        type_ = a_type("type", request.type) if request.HasField("type") else None
        pager = Pager("artifacts", uid, type_)
        page = pager.page(request.page_size, request.page_token)

        def unit(tx: Transaction) -> tuple[list[pb.Artifact], Key | None]:
            rows, key = artifact.list_artifacts(tx, uid, type_, page)
            return fitting(_with_latest(tx, rows), key, "created_at_us", "id")

        found, key = await self._database.read_async(unit)
        return pb.ListArtifactsResponse(artifacts=found, next_page_token=pager.token(key))

    async def UpdateArtifact(self, request: pb.UpdateArtifactRequest, context: Any) -> pb.UpdateArtifactResponse:
        who = principal()
        artifact_id = a_uuid("artifact_id", request.artifact_id)
        masked(request.update_mask, "name")
        name = a_name("name", request.name)

        def unit(tx: Transaction) -> pb.Artifact:
            row = artifact.rename(tx, who, artifact_id=artifact_id, name=name, etag=request.etag)
            return _one_with_latest(tx, row)

        return pb.UpdateArtifactResponse(artifact=await self._database.write_async(unit))

    async def DeleteArtifact(self, request: pb.DeleteArtifactRequest, context: Any) -> pb.DeleteArtifactResponse:
        who = principal()
        artifact_id = a_uuid("artifact_id", request.artifact_id)
        count = await removed(self._database, lambda tx: artifact.delete_some(tx, who, artifact_id))
        return pb.DeleteArtifactResponse(deleted_count=count)

    async def SetArtifactAlias(self, request: pb.SetArtifactAliasRequest, context: Any) -> pb.SetArtifactAliasResponse:
        version_id = a_uuid("version_id", request.version_id)
        alias = an_alias("alias", request.alias)
        version = await self._write_version(lambda tx: artifact.set_alias(tx, version_id, alias))
        return pb.SetArtifactAliasResponse(version=version)

    async def DeleteArtifactAlias(
        self, request: pb.DeleteArtifactAliasRequest, context: Any
    ) -> pb.DeleteArtifactAliasResponse:
        uid = a_uuid("project_uid", request.project_uid)
        name, alias = a_name("name", request.name), a_name("alias", request.alias)
        deleted = await self._database.write_async(lambda tx: artifact.delete_alias(tx, uid, name, alias))
        return pb.DeleteArtifactAliasResponse(deleted=deleted)

    async def LinkArtifactVersion(
        self, request: pb.LinkArtifactVersionRequest, context: Any
    ) -> pb.LinkArtifactVersionResponse:
        version_id = a_uuid("version_id", request.version_id)
        link = a_link("link", request.link)
        version = await self._write_version(lambda tx: artifact.link(tx, version_id, link))
        return pb.LinkArtifactVersionResponse(version=version)

    async def UnlinkArtifactVersion(
        self, request: pb.UnlinkArtifactVersionRequest, context: Any
    ) -> pb.UnlinkArtifactVersionResponse:
        version_id = a_uuid("version_id", request.version_id)
        model_id = a_uuid("model_id", request.model_id)
        iteration_id = a_uuid("iteration_id", request.iteration_id) if request.HasField("iteration_id") else None
        count = await self._database.write_async(lambda tx: artifact.unlink(tx, version_id, model_id, iteration_id))
        return pb.UnlinkArtifactVersionResponse(removed_count=count)

    async def ListArtifactAliases(
        self, request: pb.ListArtifactAliasesRequest, context: Any
    ) -> pb.ListArtifactAliasesResponse:
        return await list_aliases(self._database, request)

    async def ListArtifactLinks(
        self, request: pb.ListArtifactLinksRequest, context: Any
    ) -> pb.ListArtifactLinksResponse:
        return await list_links(self._database, request)

    async def ListArtifactLineage(
        self, request: pb.ListArtifactLineageRequest, context: Any
    ) -> pb.ListArtifactLineageResponse:
        return await list_lineage(self._database, request)

    async def _described(self, version_id: str) -> pb.ArtifactVersion:
        return await self._read_version(lambda tx: artifact.get(tx, version_id))

    async def _read_version(self, find: Callable[[Transaction], Row[Any]]) -> pb.ArtifactVersion:
        return await self._database.read_async(lambda tx: next(_described(tx, [find(tx)]))[1])

    async def _write_version(self, change: Callable[[Transaction], Row[Any]]) -> pb.ArtifactVersion:
        return await self._database.write_async(lambda tx: next(_described(tx, [change(tx)]))[1])

    async def _work(self, function: Callable[..., Any], *arguments: Any) -> Any:
        call = copy_context().run  # whose call it is goes with it
        return await asyncio.get_running_loop().run_in_executor(self._intake.executor, call, function, *arguments)


def a_prefix(path_prefix: str) -> str:
    """A path, or "" for everything."""
    prefix = path_prefix.rstrip("/")
    return check_path("path_prefix", prefix) if prefix else ""


def _source(request: pb.GetArtifactVersionRequest | pb.ReadFileRequest) -> Callable[[Transaction], Row[Any]]:
    match request.WhichOneof("source"):
        case "version_id":
            version_id = a_uuid("version_id", request.version_id)
            return lambda tx: artifact.get(tx, version_id)
        case "artifact_name":
            wire = request.artifact_name
            selector = wire.WhichOneof("selector")
            name = Name(
                project_id=a_name("artifact_name.project_id", wire.project_id),
                name=a_name("artifact_name.name", wire.name),
                version=wire.version if selector == "version" else None,
                alias=a_name("artifact_name.alias", wire.alias) if selector == "alias" else None,
            )
            return lambda tx: artifact.get_by_name(tx, name)
        case _:
            raise InvalidArgument("source", "", "must be version_id or artifact_name")


def _described(tx: Transaction, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], pb.ArtifactVersion]]:
    """Rows with the messages they make, read as they are asked for."""
    return zip(rows, map(version_to_wire, rows, details(tx, [row.id for row in rows])), strict=True)


def _with_latest(tx: Transaction, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], pb.Artifact]]:
    for some in artifact.with_latest(tx, rows):
        versions = _described(tx, [latest for _, latest in some])
        yield from ((row, artifact_to_wire(row, wire)) for (row, _), (_, wire) in zip(some, versions, strict=True))


def _one_with_latest(tx: Transaction, row: Row[Any]) -> pb.Artifact:
    found = next(_with_latest(tx, [row]), None)
    if found is None:
        raise NotFound("artifact", row.name)
    return found[1]
