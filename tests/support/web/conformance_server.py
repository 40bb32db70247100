"""The service that Connect's conformance runner calls, served by the code that serves ours, without its door.

    python -m support.web.conformance_server IMAGE

The image is of the runner's own contract. The runner says on standard input what it wants, and is told a port.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import grpc
from google.protobuf import any_pb2, descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from xpstore_server.door.bounds import RequestBytes
from xpstore_server.web import outcomes
from xpstore_server.web.codings import Conversion, Method, methods_of
from xpstore_server.web.context import Context
from xpstore_server.web.exchanges import Calls, Handlers
from xpstore_server.web.outcomes import DETAILS
from xpstore_server.web.requests import Receive, Scope, Send
from xpstore_server.web.serve import WebServer
from xpstore_server.web.site import Site

PACKAGE = "connectrpc.conformance.v1"
MIB = 1 << 20
CODES = {code.value[0]: code for code in grpc.StatusCode}
# The query of a request by GET: a handler is not told it.
query: ContextVar[str | None] = ContextVar("query", default=None)


def message(name: str) -> Any:
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"{PACKAGE}.{name}"))


class Service:
    """Finds handlers as a door does."""

    def __init__(self, methods: dict[str, Method]) -> None:
        self._methods = methods

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        method = self._methods.get(details.method)
        if method is None or details.method.endswith("/Unimplemented"):
            return grpc.stream_unary_rpc_method_handler(_refuse)
        if method.is_response_stream:
            return grpc.stream_stream_rpc_method_handler(lambda _, context: _stream(method, context))
        return grpc.stream_unary_rpc_method_handler(lambda _, context: _single(method, context))


async def _refuse(_: Any, context: Context) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "there is no such method")


async def _requests(method: Method, context: Context) -> list[Any]:
    found = []
    while (raw := await context.read()) is not grpc.aio.EOF:
        found.append(method.request.FromString(raw))
    if not method.is_request_stream and len(found) != 1:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{len(found)} messages, and not one")
    return found


async def _single(method: Method, context: Context) -> bytes:
    requests = await _requests(method, context)
    said = requests[0].response_definition if requests and requests[0].HasField("response_definition") else None
    info = _info(context, requests)
    if said is None:
        return _answer(method, b"", info)
    await _headers(context, said)
    await asyncio.sleep(said.response_delay_ms / 1000)
    if said.WhichOneof("response") == "error":
        await _fail(context, said.error, info)
    return _answer(method, said.response_data, info)


async def _stream(method: Method, context: Context) -> None:
    requests = await _requests(method, context)
    said = requests[0].response_definition if requests and requests[0].HasField("response_definition") else None
    info = _info(context, requests)
    if said is None:
        return
    await _headers(context, said)
    for number, data in enumerate(said.response_data):
        await asyncio.sleep(said.response_delay_ms / 1000)
        await context.write(_answer(method, data, None if number else info))
    if said.HasField("error"):
        await _fail(context, said.error, None if said.response_data else info)


def _answer(method: Method, data: bytes, info: Any) -> bytes:
    return method.response(payload=message("ConformancePayload")(data=data, request_info=info)).SerializeToString()


async def _headers(context: Context, said: Any) -> None:
    await context.send_initial_metadata(_pairs(said.response_headers))
    context.set_trailing_metadata(_pairs(said.response_trailers))


def _pairs(headers: Any) -> list[tuple[str, str | bytes]]:
    return [(header.name.lower(), value) for header in headers for value in header.value]


async def _fail(context: Context, error: Any, info: Any) -> None:
    details = list(error.details)
    if info is not None:
        details.append(_packed(info))
    status = status_pb2.Status(code=error.code, message=error.message, details=details)
    await context.abort(CODES[error.code], error.message, ((DETAILS, status.SerializeToString()),))


def _packed(inside: Any) -> any_pb2.Any:
    found = any_pb2.Any()
    found.Pack(inside)
    return found


def _info(context: Context, requests: Sequence[Any]) -> Any:
    header = message("Header")
    values: dict[str, list[str]] = {}
    for name, value in context.invocation_metadata():
        values.setdefault(name, []).append(value if isinstance(value, str) else value.decode("latin-1"))
    info = message("ConformancePayload.RequestInfo")(
        request_headers=[header(name=name, value=found) for name, found in values.items()],
        requests=[_packed(request) for request in requests],
    )
    if (seconds := context.time_remaining()) is not None:
        info.timeout_ms = round(seconds * 1000)
    if (text := query.get()) is not None:
        parameters = parse_qs(text, keep_blank_values=True, encoding="latin-1").items()
        info.connect_get_info.query_params.extend(header(name=name, value=found) for name, found in parameters)
    return info


async def serve(method_bytes: int) -> None:
    service = descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.ConformanceService")
    rules: Any = {
        f"/{service.full_name}/{method.name}": SimpleNamespace(max_bytes=method_bytes, max_entries=100_000)
        for method in service.methods
    }
    methods = methods_of([service], rules)
    site = Site(Calls(Service(methods), Handlers()), methods, Conversion(RequestBytes(1024 * MIB)))

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        query.set(scope["query_string"].decode() if scope["method"] == "GET" else None)
        await site(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    server: Any = WebServer(application, [listener], None, 1_000)  # type: ignore[arg-type]
    await server.start()
    answer = message("ServerCompatResponse")(host="127.0.0.1", port=listener.getsockname()[1]).SerializeToString()
    sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    outcomes.trailer = lambda failure, request_id: ()  # type: ignore[attr-defined]  # the runner wants no details but those that it asked for
    pool = descriptor_pool.Default()
    for file in FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes()).file:
        try:
            pool.FindFileByName(file.name)  # some of google.protobuf are here
        except KeyError:
            pool.AddSerializedFile(file.SerializeToString())
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    wanted = message("ServerCompatRequest").FromString(sys.stdin.buffer.read(size))
    asyncio.run(serve(wanted.message_receive_limit or 4 * MIB))


if __name__ == "__main__":
    main()
