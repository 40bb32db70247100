"""Serves the site by uvicorn's protocol in the loop that is there; who is slow to ask is not waited for."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from xpstore_server.web.site import Site

# How long a client may take to say who it is, and to send the head of a request once it has begun.
HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 10.0
# Of a client that takes nothing of what it is sent. Long: the kernel takes more when a third of its megabytes is free.
STALLED_SECONDS = 300.0
IDLE_SECONDS = 120
HEAD_BYTES = 32 << 10
BACKLOG = 1_024
# After their time is over, for calls to say so.
LAST_SECONDS = 1.0


class Connection(H11Protocol):
    """One connection, ended when it takes too long.

    That is: a head of a request, the rest of a request that was refused, or a client that reads nothing.
    """

    def __init__(self, config: uvicorn.Config, state: ServerState, most: int) -> None:
        super().__init__(config, state, {})
        self._most = most
        self._limit: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self.transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._stall_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_serving():
            self._wait_no_more()
        elif self._limit is None:
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall_no_more()

    def _stall(self, before: int) -> None:
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._look, before)

    def _stall_no_more(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _look(self, before: int) -> None:
        now = self.transport.get_write_buffer_size()
        if now < before:
            self._stall(now)
        else:
            self.transport.abort()

    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._limit = self.loop.call_later(HEAD_SECONDS, self._end)

    def _wait_no_more(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _end(self) -> None:
        self._limit = None
        # One that has been served and says nothing at all may stay for as long as idle ones do.
        is_idle = self.cycle is not None and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if not self._is_serving() and not is_idle:
            self.transport.abort()


class WebServer:
    """Listens on sockets until it is stopped.

    Args:
        site: what it serves.
        sockets: bound, not yet listening.
        tls: certificate and key; None for plain HTTP.
        connections: at most at once; those beyond are closed.
        ticket: makes what `/?token=` begins a session of the key with this hash by.
    """

    def __init__(
        self,
        site: Site,
        sockets: Sequence[socket.socket],
        tls: ssl.SSLContext | None,
        connections: int,
        ticket: Callable[[bytes], str] = lambda of_key: "",
    ) -> None:
        self.ticket = ticket
        self._sockets = sockets
        self._tls = tls
        self._connections = connections
        self._state = ServerState()
        self._servers: list[asyncio.Server] = []
        self._config = uvicorn.Config(
            site,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,  # the door has a line for each call; of nonsense there is none
            access_log=False,
            proxy_headers=False,  # `door/refusals.py` knows which are believed
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            h11_max_incomplete_event_size=HEAD_BYTES,
        )
        self._config.load()

    def _connection(self) -> Connection:
        return Connection(self._config, self._state, self._connections)

    async def start(self) -> None:
        """Begins to listen."""
        loop = asyncio.get_running_loop()
        for one in self._sockets:
            how: dict[str, Any] = {"ssl_handshake_timeout": HANDSHAKE_SECONDS} if self._tls else {}
            server = await loop.create_server(self._connection, sock=one, ssl=self._tls, backlog=BACKLOG, **how)
            self._servers.append(server)

    async def stop(self, seconds: float) -> None:
        """Takes no more requests, and gives those under way so long to end."""
        for server in self._servers:
            server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        for is_last in (False, True):
            if tasks := set(self._state.tasks):
                if is_last:
                    for task in tasks:
                        task.cancel()
                await asyncio.wait(tasks, timeout=LAST_SECONDS if is_last else seconds)
        for connection in list(self._state.connections):
            connection.transport.abort()
