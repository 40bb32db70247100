"""Builds what serves HTTP out of what serves gRPC."""

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.protobuf import descriptor_pool

from xpstore_server.door.interceptor import CallInterceptor
from xpstore_server.settings import LOOPBACK, Settings
from xpstore_server.web.assets import Assets
from xpstore_server.web.codings import Conversion, methods_of
from xpstore_server.web.exchanges import Calls, Handlers
from xpstore_server.web.logins import Logins
from xpstore_server.web.serve import WebServer
from xpstore_server.web.site import Site

# What is built from `server/web`.
PAGE = Path(__file__).with_name("page")


def open_web(
    settings: Settings,
    door: CallInterceptor,
    names: Iterable[str],
    adds: Iterable[Callable[[Any], None]],
    sockets: Sequence[socket.socket],
    connections: int,
) -> WebServer:
    """What serves the same services.

    Args:
        settings: of the server.
        door: that stands before them.
        names: of the services.
        adds: each adds the handlers of a service to a server.
        sockets: bound ones.
        connections: at most.
    """
    handlers = Handlers()
    for add in adds:
        add(handlers)
    pool = descriptor_pool.Default()
    calls = Calls(door, handlers)
    logins = Logins(door, calls, door.authenticator, settings.http_origins)
    site = Site(
        calls,
        methods_of(map(pool.FindServiceByName, names), door.rules),
        Conversion(door.request_bytes),
        origins=settings.http_origins,
        hosts=hosts_of(settings),
        openapi=files("xpstore_server.web").joinpath("openapi.json").read_bytes(),
        page=Assets(PAGE),
        logins=logins,
    )
    return WebServer(site, sockets, _tls(settings), connections, logins.ticket)


def hosts_of(settings: Settings) -> frozenset[str] | None:
    """The names that requests may be for; None where any will do.

    A page may give its own name the address of this machine, and would then be of this server's origin. Beyond this
    machine a certificate, or whoever encrypts, looks at names.
    """
    is_here = all(address.rpartition(":")[0] in LOOPBACK for address in settings.http_listen)
    if not is_here or settings.tls_cert is not None:
        return None
    return frozenset({*LOOPBACK, *(_host_of(origin) for origin in settings.http_origins)})


def _host_of(origin: str) -> str:
    host = urlsplit(origin).hostname or ""
    return f"[{host}]" if ":" in host else host


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    context.set_alpn_protocols(["http/1.1"])
    return context
