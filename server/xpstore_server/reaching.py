"""Asks a server of these settings whether it serves, as a balancer would."""

import http.client
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xpstore_server.locations import UNIX, url_of
from xpstore_server.settings import Settings

ANSWER_SECONDS = 5.0
NO_ANSWER = "no answer"
# What listens everywhere is asked here.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}


def ask_health(settings: Settings, address: str) -> str:
    """SERVING, NOT_SERVING, or NO_ANSWER."""
    target, options = _target(address), [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if settings.tls_cert is None or address.startswith(UNIX):
        channel = grpc.insecure_channel(target, options)
    else:
        certificate = read_certificate(settings.tls_cert)
        # The server's own certificate is trusted, and asked for by a name that it has.
        credentials = grpc.ssl_channel_credentials(settings.tls_cert.read_bytes())
        names = names_of(certificate)
        channel = grpc.secure_channel(
            target, credentials, [*options, *(("grpc.ssl_target_name_override", name) for name in names[:1])]
        )
    with channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS)
        except grpc.RpcError:
            return NO_ANSWER
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def ask_health_over_http(settings: Settings, address: str) -> str:
    """The same of a port for HTTP."""
    connection = http.client.HTTPConnection("localhost")
    try:
        with _connected(address) as plain:
            connection.sock = plain if settings.tls_cert is None else _encrypted(plain, settings.tls_cert)
            connection.request("POST", "/grpc.health.v1.Health/Check", b"{}", {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = json.loads(answer.read(4_096)) if answer.status == http.HTTPStatus.OK else {}
    except (OSError, http.client.HTTPException, ValueError):
        return NO_ANSWER
    finally:
        connection.close()
    return str(said.get("status", NO_ANSWER)) if isinstance(said, dict) else NO_ANSWER


def _encrypted(connection: socket.socket, certificate: Path) -> socket.socket:
    import ssl  # here, as few need it

    context = ssl.create_default_context(cadata=certificate.read_text())
    names = names_of(read_certificate(certificate))
    return context.wrap_socket(connection, server_hostname=next(iter(names), None))


def _target(address: str) -> str:
    if address.startswith(UNIX):
        return url_of(UNIX, Path(address.removeprefix(UNIX)))
    host, _, port = address.rpartition(":")
    return f"{EVERYWHERE.get(host, host)}:{port}"


def is_taken(address: str) -> bool:
    """Whether a program listens there, be it a server of ours or not."""
    try:
        _connected(address).close()
    except OSError:
        return False
    return True


def _connected(address: str) -> socket.socket:
    if not address.startswith(UNIX):
        host, _, port = _target(address).rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(os.fsencode(address.removeprefix(UNIX)))
    except OSError:
        connection.close()
        raise
    return connection


def read_certificate(path: Path) -> dict[str, Any]:
    """The first certificate of a PEM file, as `ssl.SSLSocket.getpeercert` gives it."""
    import ssl  # here, as few need it

    # Without a leading underscore only a connection could read one.
    decoded: dict[str, Any] = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    return decoded


def names_of(certificate: dict[str, Any]) -> Sequence[str]:
    """The names that it is for."""
    return [name for kind, name in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
