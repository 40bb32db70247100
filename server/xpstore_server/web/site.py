"""The application that uvicorn serves: which request goes where, who may send one, and that none ends untold."""

import asyncio
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from urllib.parse import parse_qs

import grpc
from google.protobuf.empty_pb2 import Empty

from xpstore_server.auth import SESSION
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument, NotFound, PermissionDenied, ServiceError, Unavailable
from xpstore_server.web import assets, connect, grpc_web, logins
from xpstore_server.web.assets import Assets
from xpstore_server.web.codings import Conversion, Method, deflate
from xpstore_server.web.cookies import SHOWN, check_origin, token_of
from xpstore_server.web.exchanges import Calls, Exchange, accepts_gzip
from xpstore_server.web.files import Files
from xpstore_server.web.logins import Logins
from xpstore_server.web.outcomes import Headers, failed
from xpstore_server.web.requests import JSON, Receive, Request, Scope, Send

log = logging.getLogger("xpstore")

RPC = re.compile(r"/[A-Za-z_][\w.]*/[A-Za-z_]\w*", re.ASCII)
OPENAPI = "/openapi.json"
PREFLIGHT_SECONDS = 7_200


class Refused(Exception):
    """A request that no method is asked about: what is wrong with it is in its head."""

    def __init__(self, failure: ServiceError, status: int | None = None, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.status = status
        self.headers = headers


class Site:
    """All that is served over HTTP.

    Args:
        calls: calls methods.
        methods: by path.
        conversion: reads and writes their messages.
        origins: pages of these may call from browsers.
        hosts: names that requests may be for; None where any will do.
        openapi: the description, as JSON.
        page: its files; None where none is served.
        logins: begins sessions for it; None where there are none.
    """

    def __init__(
        self,
        calls: Calls,
        methods: Mapping[str, Method],
        conversion: Conversion,
        *,
        origins: Collection[str] = (),
        hosts: Collection[str] | None = None,
        openapi: bytes = b"{}",
        page: Assets | None = None,
        logins: Logins | None = None,
    ) -> None:
        self._calls = calls
        self._methods = methods
        self._conversion = conversion
        self._files = Files(calls)
        self._page = page
        self._logins = logins
        self._origins = frozenset(origins)
        self._hosts = hosts
        self._openapi, self._openapi_gzip = openapi, deflate(openapi)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send, self._shared(scope))
        try:
            await self._serve(request)
        except Refused as refused:
            outcome = failed(refused.failure, request.request_id)
            if refused.status is not None:  # no code of a call means the same
                outcome = replace(outcome, code=grpc.StatusCode.UNKNOWN)
            if refused.status is not None and not _reads_json(request):
                text = (b"content-type", b"text/plain; charset=utf-8")
                await request.respond(refused.status, [text, *refused.headers], f"{outcome.message}\n".encode())
            else:
                await request.fail(outcome, refused.status, refused.headers)
        except ServiceError as failure:
            await request.fail(failed(failure, request.request_id))
        except asyncio.CancelledError:
            if not request.body.is_gone and not request.is_started:
                await request.fail(failed(_stopping(), request.request_id))
        except Exception:
            log.exception("a request over HTTP failed", extra={"fields": {"request_id": request.request_id}})
            if not request.is_started:
                fault = ServiceError("The server failed. Its log has the trace under this request id.")
                await request.fail(failed(fault, request.request_id))
        finally:
            request.body.close()

    def _shared(self, scope: Scope) -> Headers:
        """What every answer to this request says of origins."""
        if not self._origins:
            return []
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        vary = (b"vary", b"origin")
        if origin.decode("latin-1") not in self._origins:
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", b"*")]

    async def _serve(self, request: Request) -> None:
        self._check_host(request.header("host"))
        if request.verb == "OPTIONS":
            await self._preflight(request)
        elif request.path == OPENAPI:
            await self._describe(request)
        elif self._logins is not None and request.path == logins.PATH:
            await self._logins.serve(request)
        elif self._page is not None and (assets.is_view(request.path) or request.path.startswith(assets.FOLDER)):
            await self._show(request, self._page)
        elif request.path.startswith(("/files/", "/versions/")):
            self._act(request)
            if SESSION in dict(request.metadata) and request.header("sec-fetch-dest") not in SHOWN:
                raise PermissionDenied("What somebody saved is no part of the page: it is shown, or read by the page.")
            await self._files.serve(request)
        elif RPC.fullmatch(request.path):
            self._act(request)
            await self._call(request)
        else:
            raise NotFound("page", request.path)

    async def _show(self, request: Request, page: Assets) -> None:
        is_start = request.verb == "GET" and request.path == "/"
        if self._logins is not None and is_start and "token" in parse_qs(request.query, keep_blank_values=True):
            await self._logins.redeem(request)
        else:
            await page.serve(request)

    def _act(self, request: Request) -> None:
        """Has a request without a key act by its session, if it comes from this server's own page."""
        if self._logins is None or request.header("authorization"):
            return
        token = token_of(request)
        if token is not None:
            check_origin(request, self._origins)
            request.metadata = (*request.metadata, (SESSION, token))

    def _check_host(self, host: str) -> None:
        """A name that leads here by somebody else's doing is none of ours: a page of theirs would be of our origin."""
        name = re.sub(r":[0-9]*$", "", host.lower())
        if self._hosts is not None and name not in self._hosts:
            fix = "is no name of this server: use its address, or set XPSTORE_HTTP_ORIGINS to the origin that it has"
            raise Refused(InvalidArgument("host", host, fix), 421)

    async def _preflight(self, request: Request) -> None:
        headers: Headers = [(b"allow", b"GET, HEAD, POST, PUT, OPTIONS")]
        if request.header("origin") in self._origins:
            headers += [
                (b"access-control-allow-methods", b"GET, HEAD, POST, PUT"),
                (b"access-control-allow-headers", request.header("access-control-request-headers").encode("latin-1")),
                (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
            ]
        elif request.header("origin"):
            fix = "may not call from a browser: name it in XPSTORE_HTTP_ORIGINS"
            raise Refused(PermissionDenied(f"The origin {request.header('origin')[:100]!r} {fix}."))
        await request.respond(204, headers)

    async def _describe(self, request: Request) -> None:
        if request.verb not in ("GET", "HEAD"):
            raise _not_allowed(request, "GET")
        headers: Headers = [JSON, (b"cache-control", b"public, max-age=300"), (b"vary", b"accept-encoding")]
        data = self._openapi
        if accepts_gzip(request.header("accept-encoding")):
            headers.append((b"content-encoding", b"gzip"))
            data = self._openapi_gzip
        await request.respond(200, headers, data)

    async def _call(self, request: Request) -> None:
        exchange = self._exchange(request)
        try:
            outcome = await self._calls.run(request.path, exchange.context, request.request_id)
        except asyncio.CancelledError:
            if request.body.is_gone:
                raise
            outcome = failed(_stopping(), request.request_id)
        await exchange.end(outcome)

    def _exchange(self, request: Request) -> Exchange:
        """How this request calls its method."""
        method, conversion = self._methods.get(request.path), self._conversion
        type_ = _type(request)
        if request.verb == "GET":
            if method is None:
                raise NotFound("page", request.path)
            if not method.is_read or method.is_stream:
                raise _not_allowed(request, "POST")
            return connect.ConnectGet(request, method, conversion)
        if request.verb != "POST":
            raise _not_allowed(request, "GET, POST" if method and method.is_read else "POST")
        if type_ in grpc_web.TYPES:
            return grpc_web.GrpcWeb(request, method or _unknown(request.path), conversion, content_type=type_)
        if type_ in connect.UNARY and (method is None or not method.is_stream):
            is_json = connect.UNARY[type_]
            return connect.ConnectUnary(request, method or _unknown(request.path), conversion, is_json=is_json)
        if type_ in connect.STREAM and (method is None or method.is_stream):
            is_json = connect.STREAM[type_]
            return connect.ConnectStream(request, method or _unknown(request.path), conversion, is_json=is_json)
        known = (*(connect.STREAM if method and method.is_stream else connect.UNARY), *grpc_web.TYPES)
        fix = f"must be one of {', '.join(known[:4])}"
        raise Refused(InvalidArgument("content-type", type_, fix), 415, (b"accept-post", ", ".join(known).encode()))


def _reads_json(request: Request) -> bool:
    """Whether a caller of a protocol that is not spoken here, or in a way that it is not, would read JSON."""
    return _type(request) in ("", *connect.UNARY, *connect.STREAM)


def _type(request: Request) -> str:
    return request.header("content-type").partition(";")[0].strip().lower()


def _not_allowed(request: Request, allowed: str) -> Refused:
    failure = InvalidArgument("method", request.verb, f"must be {allowed} for {request.path}")
    return Refused(failure, 405, (b"allow", allowed.encode()))


def _stopping() -> Unavailable:
    return Unavailable("The server stops. Try again: another may be there.", retry_seconds=1.0)


def _unknown(path: str) -> Method:
    """Of a method that is not there: nothing of the request is read."""
    return Method(path, Empty, Empty, False, False, False, limits.MESSAGE_BYTES, 0, is_known=False)
