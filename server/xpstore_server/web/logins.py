"""Logging in and out: a browser sends a key once, or a ticket, and has a cookie from then on."""

import asyncio
import hashlib
import json
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import grpc

from xpstore import __version__
from xpstore_server.auth import MISSING, SESSION, Authenticator, key, principal
from xpstore_server.core.errors import DeadlineExceeded, InvalidArgument, Unauthenticated
from xpstore_server.door.answers import as_service_error
from xpstore_server.door.interceptor import CallInterceptor
from xpstore_server.door.rules import UNKNOWN
from xpstore_server.store.errors import StoreError
from xpstore_server.web.assets import is_view
from xpstore_server.web.codings import too_large
from xpstore_server.web.context import Context
from xpstore_server.web.cookies import check_origin, cookie, forgotten, framed_cookie, token_of
from xpstore_server.web.exchanges import NO_STORE, Calls
from xpstore_server.web.outcomes import Outcome, failed
from xpstore_server.web.requests import JSON, Request

PATH = "/session"
BEGIN, LOOK, END = f"POST {PATH}", f"GET {PATH}", f"DELETE {PATH}"
REDEEM = "GET /?token"
# Of a stranger's request: a key has at most 4 KiB.
BODY_BYTES = 8 << 10
BODY_SECONDS = 5.0
TICKET_SECONDS = 60.0
TICKETS = 100
# Where a ticket may lead: to what the page shows, written as a header may have it.
_NEXT = re.compile(r"/[!-~]*")


class Logins:
    """Begins and ends sessions, through the door: wrong keys are refused here as everywhere.

    Args:
        door: that stands before calls.
        calls: calls methods.
        authenticator: knows keys and sessions.
        named: origins of the settings.
    """

    def __init__(
        self, door: CallInterceptor, calls: Calls, authenticator: Authenticator, named: Collection[str]
    ) -> None:
        self._refusals = door.refusals
        self._calls = calls
        self._authenticator = authenticator
        self._named = named
        self._tickets: dict[bytes, tuple[float, bytes]] = {}
        for name, method in ((BEGIN, self._begin), (LOOK, self._look), (END, self._end)):
            handler: Any = grpc.stream_unary_rpc_method_handler(method, response_serializer=bytes)
            calls.add(name, door.guarded(replace(UNKNOWN, method=name), handler))

    async def serve(self, request: Request) -> None:
        """Answers a request for /session.

        Raises:
            ServiceError: it makes no sense, or comes from elsewhere.
        """
        if request.verb == "POST":
            await self._post(request)
        elif request.verb == "GET":
            await self._get(request)
        elif request.verb == "DELETE":
            await self._delete(request)
        else:
            failure = InvalidArgument("method", request.verb, "must be GET, POST or DELETE")
            await request.fail(failed(failure, request.request_id), 405, [(b"allow", b"GET, POST, DELETE")])

    async def _post(self, request: Request) -> None:
        check_origin(request, self._named, has_session=False)
        type_ = request.header("content-type")
        if type_.partition(";")[0].strip().lower() != "application/json":  # what no form of another page can send
            failure = InvalidArgument("content-type", type_, "must be application/json")
            await request.fail(failed(failure, request.request_id), 415)
            return
        sent = await _key_in(request)
        outcome, token = await self._call(request, BEGIN, ("authorization", f"Bearer {sent}"))
        if outcome.is_ok:
            await request.respond(204, [NO_STORE, cookie(request, token)])
        else:
            await request.fail(outcome)

    async def _get(self, request: Request) -> None:
        token = token_of(request)
        if header := request.header("authorization"):
            by = ("authorization", header)
        elif token is not None:
            check_origin(request, self._named)
            by = (SESSION, token)
        else:  # each first look at the page asks so: there is nothing that could be guessed
            raise Unauthenticated(MISSING)
        outcome, name = await self._call(request, LOOK, by)
        if outcome.is_ok:
            text = json.dumps({"name": name, "version": __version__}).encode()
            await request.respond(200, [JSON, NO_STORE], text)
        else:
            await request.fail(outcome)

    async def _delete(self, request: Request) -> None:
        token = token_of(request)
        if token is None:
            raise Unauthenticated(MISSING)
        check_origin(request, self._named)
        outcome, _ = await self._call(request, END, (SESSION, token))
        if outcome.is_ok:
            await request.respond(204, [NO_STORE, *forgotten(request)])
        else:
            is_over = outcome.code is grpc.StatusCode.UNAUTHENTICATED
            await request.fail(outcome, more=forgotten(request) if is_over else [])

    async def _call(self, request: Request, name: str, by: tuple[str, str]) -> tuple[Outcome, str]:
        """Calls one of the methods below as who it says; returns its answer too."""
        answers: list[bytes] = []

        async def write(message: bytes) -> None:
            answers.append(message)

        others = [pair for pair in request.metadata if pair[0] not in ("authorization", "cookie")]
        context = Context([*others, by], request.peer, _nothing, write)
        outcome = await self._calls.run(name, context, request.request_id)
        return outcome, b"".join(answers).decode()

    async def _begin(self, requests: Any, context: Context) -> bytes:
        return (await self._authenticator.begin_session(key())).encode()

    async def _look(self, requests: Any, context: Context) -> bytes:
        return principal().encode()

    async def _end(self, requests: Any, context: Context) -> bytes:
        token = dict(context.invocation_metadata())[SESSION]
        await self._authenticator.end_session(str(token))
        return b""

    def ticket(self, of_key: bytes) -> str:
        """What `/?token=` begins a session of this key by: once, within a minute."""
        now = time.monotonic()
        self._tickets = {one: found for one, found in self._tickets.items() if found[0] > now}
        while len(self._tickets) >= TICKETS:
            del self._tickets[next(iter(self._tickets))]
        made = secrets.token_urlsafe(32)
        self._tickets[_hash(made)] = (now + TICKET_SECONDS, of_key)
        return made

    async def redeem(self, request: Request) -> None:
        """Answers `/?token=TICKET&next=PATH`: with a session where the ticket is good, to the page in any case.

        With `&frame=1` the session is for frames of who shows this address.
        """
        asked = parse_qs(request.query)
        until, of_key = self._tickets.pop(_hash(asked.get("token", [""])[0]), (0.0, b""))
        place = asked.get("next", ["/"])[0]
        is_sound = _NEXT.fullmatch(place) and is_view(place.partition("?")[0])
        headers = [NO_STORE, (b"location", place.encode() if is_sound else b"/"), (b"referrer-policy", b"no-referrer")]
        if time.monotonic() < until:
            try:
                made = framed_cookie if asked.get("frame") else cookie
                headers.append(made(request, await self._authenticator.begin_session(of_key)))
            except StoreError as error:
                raise as_service_error(error) from None
        else:
            address = self._refusals.address(request.peer, request.metadata)
            self._refusals.refused(address, request.peer, REDEEM, "This token was used, or is too old.")
        await request.respond(303, headers)


async def _nothing() -> None:
    return None


async def _key_in(request: Request) -> str:
    """The key that the body of a request has. No error quotes it."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while data := await request.body.next():
                parts.append(data)
                size += len(data)
                if size > BODY_BYTES:
                    raise too_large(size, BODY_BYTES)
    except TimeoutError:
        message = f"The request did not come within {BODY_SECONDS:g} s."
        raise DeadlineExceeded(message, limit="max_call_us", expected=int(BODY_SECONDS * 1_000_000)) from None
    try:
        asked = json.loads(b"".join(parts))
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or asked.keys() != {"key"} or not isinstance(asked["key"], str):
        raise InvalidArgument("request", f"{size} bytes", 'must be JSON like {"key": "xps_..."}, and nothing else')
    return str(asked["key"])


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode(errors="replace")).digest()
