"""Between a client and the world: an HTTP proxy on the way out, and pings."""

import contextlib
import os
import socket
import threading
import time
from typing import Self

import grpc
import pytest

import xpstore
from support.services import Server
from wild.conftest import Start
from xpstore.errors import Unavailable
from xpstore.v1 import limits_pb2
from xpstore.v1.limits_pb2_grpc import LimitsServiceStub

pytestmark = pytest.mark.client

IS_SLOW = bool(os.environ.get("XPSTORE_TEST_SLOW"))


class Tunnels:
    """An HTTP proxy that makes tunnels (CONNECT), all to one place.

    Attributes:
        url: what `https_proxy` is set to.
        asked: the first line of each request.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            request = b""
            while b"\r\n\r\n" not in request:
                request += client.recv(4096)
            self.asked.append(request.partition(b"\r\n")[0].decode())
            server = socket.create_connection(self._target, 5)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_carry, args=(source, sink), daemon=True).start()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def test_client_goes_through_the_http_proxy_of_the_environment(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is one that this machine does not know: the proxy looks it up."""
    behind = start("nginx").url.removeprefix("https://").replace("localhost", "127.0.0.1")
    with Tunnels(behind) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        client = xpstore.Client(server.api_key, "https://xpstore.test:443")
        assert client.project("through a proxy").open().uid
        client.close()
        assert set(proxy.asked) == {"CONNECT xpstore.test:443 HTTP/1.1"}
        monkeypatch.setenv("no_proxy", "xpstore.test")
        with pytest.raises(Unavailable):
            xpstore.Client(server.api_key, "https://xpstore.test:443", timeout_seconds=1)


@pytest.mark.skipif(not IS_SLOW, reason="takes 35 s: XPSTORE_TEST_SLOW=1 runs it")
def test_client_that_pings_as_often_as_it_may_stays_connected(server: Server) -> None:
    states: list[grpc.ChannelConnectivity] = []
    options = [
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_http_proxy", 0),
    ]
    with grpc.insecure_channel(server.address, options) as channel:
        metadata = (("authorization", f"Bearer {server.api_key}"),)
        stub = LimitsServiceStub(channel)
        limits = stub.GetLimits(limits_pb2.GetLimitsRequest(), metadata=metadata).limits
        assert limits.min_ping_interval_us == 10_000_000
        channel.subscribe(states.append)
        time.sleep(35)
        stub.GetLimits(limits_pb2.GetLimitsRequest(), metadata=metadata)
        assert states == [grpc.ChannelConnectivity.READY]
