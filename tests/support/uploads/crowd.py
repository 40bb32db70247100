"""Many streams at once over some connections, each of which sends something and then keeps silent."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import grpc

from support.services import Server
from xpstore.v1.artifact_pb2_grpc import ArtifactServiceStub

OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


class Crowd:
    """Streams of one method; leaving it breaks them all off.

    Args:
        server: whom they call, with its key.
        method: UploadFile or UploadChunks.
        connections: how many of them they share.
    """

    def __init__(self, server: Server, method: str, connections: int = 20) -> None:
        self._channels = [grpc.insecure_channel(server.address, OPTIONS) for _ in range(connections)]
        self._method = method
        self._metadata = (("authorization", f"Bearer {server.api_key}"),)
        self._end = threading.Event()
        self.calls: list[Any] = []

    def add(self, messages: Iterable[Any], pause_seconds: float = 0.0) -> Any:
        """One stream more; it stays open after its messages."""
        stub = ArtifactServiceStub(self._channels[len(self.calls) % len(self._channels)])
        call = getattr(stub, self._method).future(
            self._kept_open(messages, pause_seconds), timeout=300, metadata=self._metadata
        )
        self.calls.append(call)
        return call

    def _kept_open(self, messages: Iterable[Any], pause_seconds: float) -> Iterator[Any]:
        for message in messages:
            if self._end.wait(pause_seconds):
                return
            yield message
        self._end.wait(300)

    def statuses(self) -> list[grpc.StatusCode]:
        """Those of the calls that have ended."""
        return [call.code() for call in self.calls if call.done()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for call in self.calls:
            call.cancel()
        self._end.set()
        for channel in self._channels:
            channel.close()


def peak_bytes(server: Server) -> int:
    """The most memory that a server has had since it started, or since `forget_peak`."""
    for line in Path(f"/proc/{server.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("this system does not say")


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for something that happens by itself."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
