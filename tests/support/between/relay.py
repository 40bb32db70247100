"""A line between two programs that can go bad: a TCP relay that falls silent, slows down, or cuts."""

import collections
import contextlib
import socket
import struct
import threading
import time
from typing import Self

PIECE_BYTES = 64 << 10
_NO_LINGER = struct.pack("ii", 1, 0)
LINE_BYTES = 32 << 20  # what a fast line holds in one way at most


class Relay:
    """Passes connections to `target`: `HOST:PORT`, or the path of a unix socket (it begins with a slash).

    Attributes:
        address: where to connect to instead, `HOST:PORT`.
        port: the port of it.
        accepted: how many connections there were so far.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self.accepted = 0
        self.delay_seconds = 0.0
        self.bytes_per_second = 0.0
        self.ways = (_Way(self), _Way(self))
        self._silent = False
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []

    def swallow(self) -> None:
        """Falls silent: what is sent is acknowledged and dropped, nothing is closed, new connections get no answer.

        Connections that were there meanwhile stay dead for good, as after a firewall that forgot them.
        """
        with self._lock:
            self._silent = True
            for connection in self._connections:
                connection.is_dead = True

    def heal(self) -> None:
        """New connections work again."""
        with self._lock:
            self._silent = False

    @property
    def count(self) -> int:
        """How many connections it has taken that are not ended."""
        with self._lock:
            return len(self._connections)

    def delay(self, seconds: float) -> None:
        """Makes each way take so long, whatever its width; 0 for a line without delay."""
        self.delay_seconds = seconds

    def limit(self, bytes_per_second: float) -> None:
        """Makes each way so wide, for all connections together; 0 for no limit."""
        self.bytes_per_second = bytes_per_second

    def turn_to(self, target: str) -> None:
        """Passes new connections to another target; `cut` ends those that there are."""
        self._target = target

    def cut(self, *, reset: bool = False) -> None:
        """Closes all connections; new ones work. With `reset` both ends get an RST, and what is under way is lost."""
        with self._lock:
            ended, self._connections = self._connections, []
        for connection in ended:
            connection.close(reset=reset)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                connection = _Connection(near, self._silent)
                self._connections = [one for one in self._connections if not one.is_closed] + [connection]
            threading.Thread(target=self._join, args=(connection,), daemon=True).start()

    def _join(self, connection: "_Connection") -> None:
        near, far = connection.near, None
        try:
            if not connection.is_dead:
                far = connection.far = _connect(self._target)
        except OSError:
            connection.close()
            return
        if far is None:
            _drain(near)
            near.close()
            return
        for way, source, sink in zip(self.ways, (near, far), (far, near), strict=True):
            with contextlib.suppress(OSError):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=way.carry, args=(connection, source, sink), daemon=True).start()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


class _Connection:
    def __init__(self, near: socket.socket, is_dead: bool) -> None:
        self.near = near
        self.far: socket.socket | None = None
        self.is_dead = is_dead
        self.is_closed = False

    def close(self, *, reset: bool = False) -> None:
        self.is_closed = True
        for end in (self.near, self.far):
            if end is not None:
                with contextlib.suppress(OSError):
                    if reset:
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
                end.close()


class _Way:
    """One way of the line: all connections share its width.

    Attributes:
        carried_bytes: all that was sent so far.
        arrived_bytes: what of it has come to the other end of the line.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._lock = threading.Lock()
        self._free_at = 0.0
        self.carried_bytes = 0
        self.arrived_bytes = 0

    def carry(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        """Reads until the source ends; a second thread sends what is due."""
        line = _Line()
        threading.Thread(target=self._deliver, args=(connection, line, sink), daemon=True).start()
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if connection.is_dead:
                    _drain(source)
                    return  # neither its end nor its loss is told to the other side
                line.put(piece, self._due(len(piece)), self._room())
        line.put(b"", time.monotonic() + self._relay.delay_seconds, self._room())

    def _due(self, size: int) -> float:
        now, width = time.monotonic(), self._relay.bytes_per_second
        with self._lock:
            self.carried_bytes += size
            self._free_at = max(self._free_at, now) + (size / width if width else 0.0)
            return self._free_at + self._relay.delay_seconds

    def _room(self) -> int:
        width = self._relay.bytes_per_second
        return int(width * (self._relay.delay_seconds + 0.1)) if width else LINE_BYTES

    def _deliver(self, connection: _Connection, line: "_Line", sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := line.get():
                if connection.is_dead:
                    break
                with self._lock:
                    self.arrived_bytes += len(piece)
                sink.sendall(piece)
        line.close()
        if not connection.is_dead:  # both ways end together
            connection.close()


class _Line:
    """What is under way, each piece with the moment it arrives."""

    def __init__(self) -> None:
        self._pieces: collections.deque[tuple[float, bytes]] = collections.deque()
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, piece: bytes, due: float, room: int) -> None:
        with self._changed:
            while self._size and self._size + len(piece) > room and not self._closed:
                self._changed.wait()
            self._pieces.append((due, piece))
            self._size += len(piece)
            self._changed.notify_all()

    def get(self) -> bytes:
        with self._changed:
            while not self._pieces:
                self._changed.wait()
            due, piece = self._pieces[0]
        time.sleep(max(0.0, due - time.monotonic()))
        with self._changed:
            self._pieces.popleft()
            self._size -= len(piece)
            self._changed.notify_all()
        return piece

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _connect(target: str) -> socket.socket:
    if target.startswith("/"):
        end = socket.socket(socket.AF_UNIX)
        end.connect(target)
        return end
    host, _, port = target.rpartition(":")
    end = socket.create_connection((host, int(port)), 5)
    end.settimeout(None)
    return end


def _drain(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while end.recv(PIECE_BYTES):
            pass
