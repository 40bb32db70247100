"""What really goes over the wire: a TCP proxy that counts, seen by neither side."""

import contextlib
import socket
import threading
from typing import Self

BUFFER_BYTES = 256 << 10


class CountingProxy:
    """Passes connections on to a server, which may be killed and come back, or to another one from some moment on.

    Attributes:
        address: where clients connect to.
        sent_bytes: what clients sent.
        received_bytes: what the server sent.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent_bytes = 0
        self.received_bytes = 0
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, 5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._ends = [end for end in (*self._ends, client, server) if end.fileno() >= 0]
            for source, sink, is_up in ((client, server, True), (server, client, False)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(source, sink, is_up), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_up: bool) -> None:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        with contextlib.suppress(OSError):
            while size := source.recv_into(buffer):
                with self._lock:
                    self.sent_bytes += size if is_up else 0
                    self.received_bytes += 0 if is_up else size
                sink.sendall(buffer[:size])
        for end in (source, sink):  # both ways end together: half a connection is of no use to gRPC
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def turn_to(self, target: str) -> None:
        """Passes new connections on to another server, and cuts those that there are."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
