"""The line between a client and a server: narrow, cut again and again, or one that changes what it carries."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

from conformance.content import content
from support.between.relay import Relay, _Connection, _Way

LOOK_SECONDS = 0.005
MARK_BYTES = 32
MARKS = 64  # some lie across two frames of HTTP/2, and are not seen


class Line(Relay):
    """A relay that does what a step of a scenario says.

    The fields of a step: `bytes_per_second` each way; `cut_every_seconds`; `cut_after_bytes` that went up, or down with
    `way` "down", since the last cut, at most `times`; `spoil`, a content, some bits of which are turned on the way
    down. Without any of them it is a good line.
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._spoiled = _SpoiledWay(self)
        self.ways = (self.ways[0], self._spoiled)
        self._ended = threading.Event()
        self._changes = 0
        self._counted = (0, 0)
        self.cuts = 0

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def __exit__(self, *reasons: object) -> None:
        self._ended.set()
        super().__exit__(*reasons)

    def become(self, step: Mapping[str, Any]) -> None:
        """Is from now on as a step says."""
        self._changes += 1
        self.limit(step.get("bytes_per_second", 0))
        self._spoiled.marks = marks_of(content(step["spoil"])) if "spoil" in step else []
        changes = self._changes
        if seconds := step.get("cut_every_seconds"):
            began_at, cuts = time.monotonic(), self.cuts
            self._cut_when(lambda: time.monotonic() - began_at >= seconds * (1 + self.cuts - cuts), changes, step)
        elif size := step.get("cut_after_bytes"):
            way = self.ways[step.get("way") == "down"]
            began, cut = way.carried_bytes, self.cuts
            self._cut_when(lambda: way.carried_bytes - began >= size * (1 + self.cuts - cut), changes, step)

    def _cut_when(self, is_due: Callable[[], bool], changes: int, step: Mapping[str, Any]) -> None:
        last = self.cuts + step.get("times", 1 << 30)

        def watch() -> None:
            while not self._ended.wait(LOOK_SECONDS) and self._changes == changes and self.cuts < last:
                if is_due():
                    self.cut(reset=True)
                    self.cuts += 1

        threading.Thread(target=watch, daemon=True).start()

    def traffic(self) -> dict[str, int]:
        """Bytes of each way since this was asked last, and cuts in all."""
        before, now = self._counted, (self.ways[0].carried_bytes, self.ways[1].carried_bytes)
        self._counted = now
        return {"up": now[0] - before[0], "down": now[1] - before[1], "cuts": self.cuts}


def marks_of(data: bytes) -> list[bytes]:
    """Pieces of a content, by which it is known on the line."""
    step = max(len(data) // MARKS, MARK_BYTES)
    return [data[start : start + MARK_BYTES] for start in range(step // 2, len(data) - MARK_BYTES, step)]


class _SpoiledWay(_Way):
    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self.marks: list[bytes] = []

    def carry(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        super().carry(connection, cast(socket.socket, _Spoiled(source, self)), sink)


class _Spoiled:
    """A socket that is read with some bits turned."""

    def __init__(self, source: socket.socket, way: _SpoiledWay) -> None:
        self._source = source
        self._way = way

    def recv(self, size: int) -> bytes:
        data = self._source.recv(size)
        for mark in self._way.marks:
            if mark in data:
                data = data.replace(mark, bytes((mark[0] ^ 1,)) + mark[1:])
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)
