"""The embedded service's page: it listens for HTTP on this machine once somebody asks, and lets them in by a ticket."""

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from xpstore_server.auth import key
from xpstore_server.listening import bind_http
from xpstore_server.settings import Settings

if TYPE_CHECKING:
    from xpstore_server.web.serve import WebServer  # for types alone: `app` says why

# Of no contract: client and server of one installation alone call it. Its request is empty, its answer a StringValue.
SERVICE, METHOD = "xpstore.embedded.Page", "GetAddress"
PATH = f"/{SERVICE}/{METHOD}"
ANY_PORT = "127.0.0.1:0"
# Connections: a browser opens six. They are beyond those that gRPC may have, of what the server keeps for itself.
MOST = 64

OpenWeb = Callable[[list[socket.socket], int], "WebServer"]


class Visits:
    """Answers who asks where the page is.

    Args:
        settings: of the server.
        open_web: what serves HTTP on sockets, with so many connections at most.
    """

    def __init__(self, settings: Settings, open_web: OpenWeb) -> None:
        self._settings = settings
        self._open_web = open_web
        self._turn = asyncio.Lock()
        self._web: WebServer | None = None
        self._address = ""

    def handler(self) -> grpc.GenericRpcHandler:
        """What answers by gRPC."""
        method: Any = grpc.stream_unary_rpc_method_handler(
            self._get_address, response_serializer=StringValue.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    async def _get_address(self, requests: Any, context: Any) -> StringValue:
        async with self._turn:
            if self._web is None:
                taken, self._address = bind_http(self._settings, ANY_PORT)
                web = self._open_web([taken], MOST)
                await web.start()
                self._web = web
        return StringValue(value=f"{self._address}/?token={self._web.ticket(key())}")

    async def stop(self, seconds: float) -> None:
        """Listens no more."""
        if self._web is not None:
            await self._web.stop(seconds)
