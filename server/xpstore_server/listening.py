"""Where a server listens: ports, sockets, and how many connections it takes."""

import contextlib
import logging
import os
import resource
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from xpstore_server import embedded
from xpstore_server.locations import UNIX, shown, url_of
from xpstore_server.settings import Settings, StartError

log = logging.getLogger("xpstore")

# What the server needs itself: connections to database and bucket, three files for each of SQLite, packs.
OWN_DESCRIPTORS = 128
FEWEST_CONNECTIONS = 32
DESCRIPTORS = Path("/proc/self/fd")


def raise_descriptor_limit() -> int:
    """Raises the soft limit of this process to the hard one. Returns how many clients may be connected."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Where it is unlimited (macOS) the kernel has a bound of its own, and refuses more.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 20
    return max(soft - OWN_DESCRIPTORS, FEWEST_CONNECTIONS)


def options(connections: int) -> list[tuple[str, int]]:
    """Has gRPC refuse connections beyond these: without descriptors it takes none and says nothing, and packs fail."""
    return [("grpc.max_allowed_incoming_connections", connections)]


class Descriptors:
    """Says once in the log when nearly all connections are taken, and again when it comes to that again."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._is_told = False

    def look(self) -> None:
        try:
            count = len(os.listdir(DESCRIPTORS))
        except OSError:  # no such folder on this system
            return
        if not self._is_told and count >= self._connections:
            log.warning(
                "nearly no connection is left: more than %d clients are refused; raise the limit of open files "
                "(ulimit -n, LimitNOFILE)",
                self._connections,
            )
            self._is_told = True
        elif self._is_told and count < self._connections * 3 // 4:
            self._is_told = False


def bind(server: grpc.aio.Server, settings: Settings, address: str) -> str:
    """Binds an address of the settings; returns it as clients write it.

    Raises:
        StartError: somebody else has it, or it cannot be had.
    """
    try:
        if address.startswith(UNIX):
            path = Path(address.removeprefix(UNIX))
            if settings.home is not None:
                embedded.make_private(path.parent)
            with _private_socket(path):
                server.add_insecure_port(url_of(UNIX, path))  # gRPC reads it as a URL
            return address
        host = address.rpartition(":")[0]
        if settings.tls_cert is not None and settings.tls_key is not None:
            chain, key = settings.tls_cert.read_bytes(), settings.tls_key.read_bytes()
            port = server.add_secure_port(address, grpc.ssl_server_credentials([(key, chain)]))
            return f"https://{host}:{port}"
        return f"http://{host}:{server.add_insecure_port(address)}"
    except (RuntimeError, OSError) as error:
        reason = "another server is there, or the host is not this machine's"
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        raise StartError(f"Cannot listen on {shown(address)}: {reason}.") from None


def bind_http(settings: Settings, address: str) -> tuple[socket.socket, str]:
    """A socket at an address of the settings, for HTTP, and the address as clients write it.

    Raises:
        StartError: somebody else has it, or it cannot be had.
    """
    try:
        if address.startswith(UNIX):
            path = Path(address.removeprefix(UNIX))
            with _private_socket(path):
                return _listening(socket.AF_UNIX, os.fsencode(path)), address
        host, _, port = address.rpartition(":")
        family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        taken = _listening(family, place)
        scheme = "http" if settings.tls_cert is None else "https"
        return taken, f"{scheme}://{host}:{taken.getsockname()[1]}"
    except OSError as error:
        raise StartError(f"Cannot listen on {shown(address)}: {error.strerror or error}.") from None


def _listening(family: int, place: Any) -> socket.socket:
    is_unix = family == socket.AF_UNIX
    # With its protocol said: where it is not, asyncio leaves Nagle's algorithm on, and each answer waits for 40 ms.
    found = socket.socket(family, socket.SOCK_STREAM, 0 if is_unix else socket.IPPROTO_TCP)
    try:
        if not is_unix:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen()
    except BaseException:
        found.close()
        raise
    return found


@contextlib.contextmanager
def _private_socket(path: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(path) and not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError("a file is there that is no socket")
    if _answers(path):
        raise OSError("a server answers there")
    path.unlink(missing_ok=True)  # left behind by a server that was killed
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


def _answers(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        connection.connect(os.fsencode(path))
        return True
    return False
