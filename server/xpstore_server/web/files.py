"""Files by plain GET, HEAD and PUT: read by ReadFile and written by UploadFile, through the door."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from mimetypes import MimeTypes

from xpstore.format.messages import fields
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.errors import Conflict, InvalidArgument, ServiceError
from xpstore_server.web.conditions import Range, etag_of, names, range_of
from xpstore_server.web.context import Context
from xpstore_server.web.exchanges import Calls
from xpstore_server.web.file_uploads import READ_FILE, FileUploads
from xpstore_server.web.outcomes import Headers, Outcome, failed
from xpstore_server.web.requests import Request
from xpstore_server.web.targets import Target, target_of

DATA = pb.ReadFileResponse.DATA_FIELD_NUMBER
CONDITIONS = ("range", "if-match", "if-none-match")
# Not those of the machine, which differ.
TYPES = MimeTypes(filenames=())
TYPES.add_type("image/webp", ".webp")  # Python knows it from 3.13 on
TYPES.add_type("image/avif", ".avif")
SAFE: Headers = [
    # What a stranger saved is shown as a picture or a text, and does nothing.
    (
        b"content-security-policy",
        b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:",
    ),
    (b"cross-origin-resource-policy", b"same-site"),
]


class Files:
    """Answers requests for files."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._uploads = FileUploads(self.call)

    async def serve(self, request: Request) -> None:
        """Answers one.

        Raises:
            InvalidArgument: it makes no sense.
        """
        if request.verb == "PUT":
            await self._uploads.put(request, target_of(request.path))
        elif request.verb in ("GET", "HEAD"):
            await self._get(request, target_of(request.path))
        else:
            failure = InvalidArgument("method", request.verb, "must be GET, HEAD or PUT")
            await request.fail(failed(failure, request.request_id), 405, [(b"allow", b"GET, HEAD, PUT")])

    async def call(
        self,
        request: Request,
        path: str,
        messages: Sequence[bytes] | Callable[[], Awaitable[bytes | None]],
        write: Callable[[bytes], Awaitable[None]],
    ) -> Outcome:
        """Calls a method in a task of its own: what the door notes of a call is not for the next one.

        Args:
            request: that the caller sent.
            path: of the method.
            messages: of the call, or what gives the next one.
            write: takes each message of the answer.
        """
        rest = iter(()) if callable(messages) else iter(messages)

        async def read() -> bytes | None:
            return next(rest, None)

        context = Context(request.metadata, request.peer, messages if callable(messages) else read, write)
        run = self._calls.run(path, context, request.request_id)
        return await asyncio.create_task(run, context=copy_context())

    async def _get(self, request: Request, target: Target) -> None:
        if request.query:
            raise InvalidArgument("query", request.query, "must be empty: the version stands behind an @")
        if request.header("content-range"):
            raise InvalidArgument("content-range", request.header("content-range"), "is for PUT: write Range")
        if request.header("content-length") not in ("", "0") or request.header("transfer-encoding"):
            raise InvalidArgument("body", "", f"must not be there: nobody waits for that of a {request.verb}")
        await request.body.next()  # from now on it is seen when the client leaves
        ask, wanted = target.request(), None
        if request.verb == "HEAD" or any(request.header(name) for name in CONDITIONS):
            header = await self._header(request, target)
            if header is None:
                return
            wanted = await self._decide(request, target, header)
            if wanted is None:
                return
            # By its id: an alias may move in between.
            ask = pb.ReadFileRequest(version_id=header.version_id, path=header.path)
            ask.offset, ask.length = wanted.offset, wanted.length
        await self._send(request, target, ask, is_part=wanted is not None and wanted.is_part)

    async def _header(self, request: Request, target: Target) -> pb.ReadFileHeader | None:
        """What is known of a file; None where the request is answered with an error."""
        found: list[pb.ReadFileHeader] = []

        async def write(message: bytes) -> None:
            found.append(pb.ReadFileResponse.FromString(message).header)

        ask = target.request()
        ask.length = 0
        outcome = await self.call(request, READ_FILE, [ask.SerializeToString()], write)
        if not outcome.is_ok:
            await request.fail(outcome)
            return None
        return found[0]

    async def _decide(self, request: Request, target: Target, header: pb.ReadFileHeader) -> Range | None:
        """What is to be sent of a file; None where the request is answered without any of it."""
        etag = etag_of(header.digest)
        head = _head(header, target)
        failure: ServiceError
        if (wanted := request.header("if-match")) and not names(wanted, etag, is_weak=False):
            failure = Conflict(f"The file is {etag} now.", field="if-match", value=wanted)
            await request.fail(failed(failure, request.request_id), 412, [(b"etag", etag.encode())])
            return None
        if (known := request.header("if-none-match")) and names(known, etag, is_weak=True):
            await request.respond(304, [one for one in head if one[0] != b"content-type"])
            return None
        asked = range_of(request.header("range"), header.size_bytes) if request.verb == "GET" else None
        if (same := request.header("if-range")) and same.strip() != etag:
            asked = None
        if asked is not None and not asked.length:
            failure = InvalidArgument("range", request.header("range"), f"the file has {header.size_bytes} bytes")
            size = (b"content-range", b"bytes */%d" % header.size_bytes)
            await request.fail(failed(failure, request.request_id), 416, [size, (b"etag", etag.encode())])
            return None
        if request.verb == "HEAD":
            await request.start(200, [*head, (b"content-length", b"%d" % header.size_bytes)])
            await request.finish()
            return None
        return asked or Range(0, header.size_bytes, is_part=False)

    async def _send(self, request: Request, target: Target, ask: pb.ReadFileRequest, *, is_part: bool) -> None:
        """Sends a file or a part of it."""

        async def write(message: bytes) -> None:
            if not request.is_started:
                await _start(request, target, pb.ReadFileResponse.FromString(message).header, is_part=is_part)
                return
            for number, data in fields(message):
                if number == DATA and isinstance(data, memoryview):
                    await request.send(data)

        outcome = await self.call(request, READ_FILE, [ask.SerializeToString()], write)
        if outcome.is_ok:
            await request.finish()
        elif not request.is_started:
            await request.fail(outcome)
        # Else the connection ends before all bytes are sent that its head announced, which clients take for an error.


async def _start(request: Request, target: Target, header: pb.ReadFileHeader, *, is_part: bool) -> None:
    head = [*_head(header, target), (b"content-length", b"%d" % header.length)]
    if not is_part:
        await request.start(200, head)
        return
    last = header.offset + header.length - 1
    await request.start(206, [*head, (b"content-range", b"bytes %d-%d/%d" % (header.offset, last, header.size_bytes))])


def _head(header: pb.ReadFileHeader, target: Target) -> Headers:
    kind, coding = TYPES.guess_type(header.path)
    kind = "application/octet-stream" if kind is None or coding else kind
    kind = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
    kept = b"private, max-age=31536000, immutable" if target.is_fixed else b"private, no-cache"
    return [
        (b"content-type", kind.encode()),
        (b"etag", etag_of(header.digest).encode()),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", kept),
        (b"vary", b"authorization, cookie"),
        (b"x-version-id", header.version_id.encode()),
        *SAFE,
    ]
