"""Files by PUT: one file becomes a version, in one request or in parts, as a stream of UploadFile.

Its state is UploadFile's own, so a part may go to another replica, or come by gRPC.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl, quote

import grpc
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from xpstore.format.messages import varint
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import project_pb2
from xpstore_server.core.errors import Conflict, InvalidArgument
from xpstore_server.web.conditions import Part, etag_of, names, part_of
from xpstore_server.web.outcomes import Headers, Outcome, failed
from xpstore_server.web.requests import JSON, Request
from xpstore_server.web.targets import Target

GET_PROJECT = "/xpstore.v1.ProjectService/GetProject"
GET_UPLOAD = "/xpstore.v1.ArtifactService/GetUpload"
GET_VERSION = "/xpstore.v1.ArtifactService/GetArtifactVersion"
READ_FILE = "/xpstore.v1.ArtifactService/ReadFile"
UPLOAD_FILE = "/xpstore.v1.ArtifactService/UploadFile"
CONDITIONS = ("if-match", "if-none-match")
DATA_TAG = bytes([pb.UploadFileRequest.DATA_FIELD_NUMBER << 3 | 2])
TYPE = "artifact"
_SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/=]{1,60}):")

Messages = Sequence[bytes] | Callable[[], Awaitable[bytes | None]]
Call = Callable[[Request, str, Messages, Callable[[bytes], Awaitable[None]]], Awaitable[Outcome]]


class _Failed(Exception):
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class FileUploads:
    """Answers requests that bring files.

    Args:
        call: calls a method.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    async def put(self, request: Request, target: Target) -> None:
        """Answers one: 201 for a new version, 200 for one that has this content, 308 where more must come.

        412 where the file is not, or no longer, what the request says of it.

        Raises:
            InvalidArgument: it makes no sense.
        """
        part, header = _part(request), _header(request, target)
        try:
            if part is not None and part.is_question:
                await self._tell(request, header.upload_id)
                return
            found = await self._one(request, GET_PROJECT, project_pb2.GetProjectRequest(project_id=target.project))
            header.project_uid = project_pb2.GetProjectResponse.FromString(found).project.uid
            if any(request.header(name) for name in CONDITIONS) and not await self._admits(request, target, header):
                return
            if part is not None:
                header.size_bytes, header.offset = part.total, part.offset
            elif length := request.header("content-length"):
                header.size_bytes = int(length)
            stream = _Stream(request, header, is_last=part is None or part.end == part.total)
            answer = pb.UploadFileResponse.FromString(await self._one(request, UPLOAD_FILE, stream.next))
        except _Failed as failed_:
            await _fail(request, failed_.outcome, header.upload_id, part)
            return
        await _answer(request, header, answer)

    async def _tell(self, request: Request, upload_id: str) -> None:
        """Says how far an upload got."""
        found = await self._one(request, GET_UPLOAD, pb.GetUploadRequest(upload_id=upload_id))
        upload = pb.GetUploadResponse.FromString(found)
        if upload.HasField("version"):
            header = pb.UploadFileHeader(upload_id=upload_id)
            await _answer(request, header, pb.UploadFileResponse(version=upload.version))
        else:
            await request.respond(308, _offset(upload_id, upload.offset))

    async def _admits(self, request: Request, target: Target, header: pb.UploadFileHeader) -> bool:
        """Whether the file is what the request says of it, and notes that it must stay so; else answers the request."""
        if request.header("upload-id") and await self._is_done(request, header):
            return True  # said once more: what it made is the newest itself
        newest = await self._if_found(
            request, GET_VERSION, pb.GetArtifactVersionRequest(artifact_name=target.request().artifact_name)
        )
        etag = ""
        header.draft.newest_version_id = ""
        if newest is not None:
            id_ = pb.GetArtifactVersionResponse.FromString(newest).version.id
            header.draft.newest_version_id = id_
            ask = pb.ReadFileRequest(version_id=id_, path=target.path, length=0)
            file = await self._if_found(request, READ_FILE, ask)
            if file is not None:
                etag = etag_of(pb.ReadFileResponse.FromString(file).header.digest)
        wanted, unwanted = map(request.header, CONDITIONS)
        if wanted and not (etag and names(wanted, etag, is_weak=False)):
            field, value = CONDITIONS[0], wanted
        elif unwanted and etag and names(unwanted, etag, is_weak=True):
            field, value = CONDITIONS[1], unwanted
        else:
            return True
        failure = Conflict(f"The file is {etag} now." if etag else "There is no such file.", field=field, value=value)
        await request.fail(failed(failure, request.request_id), 412, [(b"etag", etag.encode())] if etag else [])
        return False

    async def _is_done(self, request: Request, header: pb.UploadFileHeader) -> bool:
        found = await self._if_found(request, GET_UPLOAD, pb.GetUploadRequest(upload_id=header.upload_id))
        return found is not None and pb.GetUploadResponse.FromString(found).HasField("version")

    async def _if_found(self, request: Request, path: str, ask: Message) -> bytes | None:
        """The answer of a method; None where what it asks for is not there."""
        try:
            return await self._one(request, path, ask)
        except _Failed as failed_:
            if failed_.outcome.code is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    async def _one(self, request: Request, path: str, ask: Message | Callable[[], Awaitable[bytes | None]]) -> bytes:
        """The answer of a method with one; `ask` is its request, or gives those of a stream."""
        found: list[bytes] = []

        async def write(message: bytes) -> None:
            found.append(message)

        messages: Messages = [ask.SerializeToString()] if isinstance(ask, Message) else ask
        outcome = await self._call(request, path, messages, write)
        if not outcome.is_ok:
            raise _Failed(outcome)
        return found[0]


class _Stream:
    """The body of a request as messages of UploadFile."""

    def __init__(self, request: Request, header: pb.UploadFileHeader, *, is_last: bool) -> None:
        self._body = request.body
        self._head: pb.UploadFileRequest | None = pb.UploadFileRequest(header=header)
        self._is_last = is_last
        self._is_over = False

    async def next(self) -> bytes | None:
        if (head := self._head) is not None:
            self._head = None
            return head.SerializeToString()
        if self._is_over:
            return None
        if data := await self._body.next():
            return b"".join((DATA_TAG, varint(len(data)), data))
        self._is_over = True
        return pb.UploadFileRequest(finish=True).SerializeToString() if self._is_last else None


def _part(request: Request) -> Part | None:
    said = request.header("content-range")
    if not said:
        return None
    part = part_of(said)
    if part is None:
        raise InvalidArgument("content-range", said, "must be bytes FIRST-LAST/SIZE, or bytes */SIZE to ask")
    if not request.header("upload-id"):
        raise InvalidArgument("upload-id", "", "must be a UUID that you made: parts of one file have the same")
    if not part.is_question and request.header("content-length") != str(part.end - part.offset):
        fix = f"must be {part.end - part.offset}, by the Content-Range"
        raise InvalidArgument("content-length", request.header("content-length"), fix)
    return part


def _header(request: Request, target: Target) -> pb.UploadFileHeader:
    if request.header("content-encoding") not in ("", "identity"):
        raise InvalidArgument("content-encoding", request.header("content-encoding"), "must be identity, or not there")
    if target.version_id or target.selector:
        raise InvalidArgument("path", request.path, "must name an artifact without a version: a new one is made")
    if not target.path:
        raise InvalidArgument("path", request.path, "must name a file in the artifact, as /files/PROJECT/ARTIFACT/PATH")
    header = pb.UploadFileHeader(
        upload_id=request.header("upload-id") or str(uuid.uuid4()), path=target.path, sha256=_sha256(request)
    )
    header.draft.name, header.draft.type = target.name, TYPE
    for name, value in parse_qsl(request.query, keep_blank_values=True, encoding="utf-8", errors="strict"):
        if name == "type":
            header.draft.type = value
        elif name == "metadata":
            header.draft.metadata_json = value
        else:
            raise InvalidArgument("query", name, "must be type or metadata")
    return header


def _sha256(request: Request) -> bytes:
    said = request.header("repr-digest")
    if not said:
        return b""
    fix = "must be sha-256=:BASE64: of the whole file"
    found = _SHA256.fullmatch(said.strip())
    if found is None:
        raise InvalidArgument("repr-digest", said, fix)
    try:
        digest = base64.b64decode(found[1], validate=True)
    except binascii.Error:
        raise InvalidArgument("repr-digest", said, fix) from None
    if len(digest) != 32:
        raise InvalidArgument("repr-digest", said, fix)
    return digest


def _offset(upload_id: str, offset: int) -> Headers:
    """How far an upload got. It is said twice: some clients know `Range`, as of other stores that resume so."""
    headers: Headers = [(b"upload-id", upload_id.encode()), (b"upload-offset", b"%d" % offset)]
    return [*headers, (b"range", b"bytes=0-%d" % (offset - 1))] if offset else headers


async def _fail(request: Request, outcome: Outcome, upload_id: str, part: Part | None) -> None:
    reason, metadata = outcome.info()
    durable = metadata.get("expected", "")
    if not durable.isdecimal() or reason not in ("INVALID_ARGUMENT", "STALE"):
        # Somebody else may have published after it was looked at.
        status = 412 if metadata.get("field", "").endswith("draft.newest_version_id") else None
        await request.fail(outcome, status, more=[(b"upload-id", upload_id.encode())])
        return
    more = _offset(upload_id, int(durable))
    if reason == "INVALID_ARGUMENT" and metadata.get("field") == "finish" and part is not None:
        await request.respond(308, more)  # all is well: it is not the last part
    else:
        await request.fail(outcome, more=more)


async def _answer(request: Request, header: pb.UploadFileHeader, answer: pb.UploadFileResponse) -> None:
    headers: Headers = [JSON, (b"upload-id", header.upload_id.encode())]
    if answer.created:
        headers.append((b"location", f"/versions/{answer.version.id}/files/{quote(header.path)}".encode()))
    text = MessageToJson(answer, indent=None, ensure_ascii=False).encode()
    await request.respond(201 if answer.created else 200, headers, text)
