"""What a scenario needs beside clients: servers, proxies, and a server that answers by a list."""

import contextlib
import os
import random
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from support.backends import sqlite_url
from support.between.nginx import Nginx
from support.certificates import make_authority
from support.homes import Home
from support.services import Server
from xpstore.v1 import limits_pb2, limits_pb2_grpc

PROXY_SETTINGS = "client_max_body_size 0;"


class Lacking(Exception):
    """This machine lacks a program; the text says which."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client is pointed to."""

    url: str
    key: str
    authority: Path | None = None
    http_url: str = ""

    @property
    def settings(self) -> dict[str, str]:
        """The variables of README.md."""
        found = {"XPSTORE_API_URL": self.url, "XPSTORE_API_KEY": self.key}
        if self.authority is not None:
            found["XPSTORE_TLS_CA"] = str(self.authority)
        if self.http_url:
            found["XPSTORE_HTTP_URL"] = self.http_url
        return found


class World:
    """Servers and proxies, which end with it.

    Args:
        folder: for their data.
        place: a server that is there already; None: one is started when it is needed.
    """

    def __init__(self, folder: Path, place: Place | None = None) -> None:
        self._folder = folder
        self._place = place
        self._running = ExitStack()
        self._numbers = count(1)
        self._server: Server | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def is_remote(self) -> bool:
        """Whether the server is somebody else's, who would not want it stopped."""
        return self._place is not None

    def _new_folder(self, name: str) -> Path:
        folder = self._folder / f"{name}{next(self._numbers)}"
        folder.mkdir(parents=True)
        return folder

    @property
    def place(self) -> Place:
        """Where the server of all scenarios is."""
        if self._place is not None:
            return self._place
        with self._lock:
            if self._server is None:
                self._server = self._running.enter_context(self._a_server(self._new_folder("server")))
        return Place(self._server.address, self._server.api_key)

    @staticmethod
    def _a_server(folder: Path) -> Server:
        return Server(sqlite_url(folder / "xpstore.db"), (folder / "blobs").as_uri(), folder)

    def own_server(self) -> "OwnServer":
        """A server that a scenario may kill or damage; the caller ends it."""
        folder = self._new_folder("own")
        return OwnServer(self._a_server(folder), folder)

    @contextlib.contextmanager
    def with_tls(self) -> Iterator[Place]:
        """A server with a certificate of an authority that nobody else knows."""
        folder = self._new_folder("tls")
        authority, chain, key = make_authority(folder, "localhost")
        flags = ["--listen", "127.0.0.1:0", "--tls-cert", str(chain), "--tls-key", str(key)]
        with Home(folder / "home") as home, home.serving(*flags):
            url = f"https://localhost:{home.address.rpartition(':')[2]}"
            yield Place(url, (home.folder / "admin.key").read_text().strip(), authority)

    @contextlib.contextmanager
    def behind_nginx(self, place: Place, settings: str) -> Iterator[Place]:
        """The same server, by way of nginx.

        Raises:
            Lacking: nginx is not installed.
        """
        if shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise Lacking("nginx")
        folder = self._new_folder("proxy") / "nginx"
        with Nginx(place.url, folder, f"{PROXY_SETTINGS} {settings}") as nginx:
            yield Place(nginx.address, place.key)


class OwnServer:
    """A server of one scenario."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def __enter__(self) -> "OwnServer":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()

    @property
    def place(self) -> Place:
        return Place(self._server.address, self._server.api_key)

    def kill(self) -> None:
        """Kills it (SIGKILL)."""
        self._server.kill()

    def start(self) -> None:
        """Starts it again."""
        self._server.start()

    def damage(self) -> None:
        """Turns some bits of everything that it stores."""
        found = [path for path in (self._folder / "blobs").rglob("*") if path.is_file()]
        assert found, "nothing is stored"
        for path in found:
            with path.open("r+b") as file:
                for place in range(random.randrange(1024), path.stat().st_size, 64 << 10):
                    file.seek(place)
                    (byte,) = file.read(1)
                    file.seek(place)
                    file.write(bytes((byte ^ 1,)))


@contextlib.contextmanager
def fake_server(answers: list[dict[str, Any]], counted: dict[str, int]) -> Iterator[Place]:
    """A server that has only GetLimits, and answers each call with the next of a list, the last one for ever.

    Args:
        answers: of each the fields of `Limits`; or `status`, and for an error of ours `reason`, `metadata` and
            `retry_seconds`.
        counted: `calls` of it is how many there were.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    limits_pb2_grpc.add_LimitsServiceServicer_to_server(_Limits(answers, counted), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield Place(f"127.0.0.1:{port}", "any-key")
    finally:
        server.stop(0)


class _Limits(limits_pb2_grpc.LimitsServiceServicer):
    def __init__(self, answers: list[dict[str, Any]], counted: dict[str, int]) -> None:
        self._answers = answers
        self._counted = counted
        self._lock = threading.Lock()
        counted["calls"] = 0

    def GetLimits(self, request: Any, context: Any) -> limits_pb2.GetLimitsResponse:
        with self._lock:
            answer = self._answers[min(self._counted["calls"], len(self._answers) - 1)]
            self._counted["calls"] += 1
        if "status" not in answer:
            return limits_pb2.GetLimitsResponse(limits=limits_pb2.Limits(**answer))
        code, text = grpc.StatusCode[answer["status"]], "made up"
        if "reason" not in answer:
            context.abort(code, text)
        info = error_details_pb2.ErrorInfo(
            reason=answer["reason"], domain="xpstore", metadata={"request_id": "made-up", **answer.get("metadata", {})}
        )
        details: list[Any] = [info]
        if seconds := answer.get("retry_seconds"):
            delay = Duration()
            delay.FromMicroseconds(int(seconds * 1_000_000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        status = status_pb2.Status(code=code.value[0], message=text, details=[_packed(one) for one in details])
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(code, text)
        raise AssertionError("aborting raises")


def _packed(message: Any) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
