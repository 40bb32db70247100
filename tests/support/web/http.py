"""Requests over HTTP as a program without any client of ours sends them."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered.

    Attributes:
        headers: by their names in small letters; of those that are given twice the last.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def info(self) -> dict[str, Any]:
        """The ErrorInfo of an error: reason, domain and metadata."""
        details = self.json["details"]
        found: dict[str, Any] = next(one["debug"] for one in details if one["type"] == "google.rpc.ErrorInfo")
        return found

    @property
    def why(self) -> tuple[int, str, str]:
        """Status, reason and field of an error."""
        return self.status, self.info["reason"], self.info["metadata"].get("field", "")


class Http:
    """An address with a key, or none.

    Args:
        authority: a PEM file, where it is encrypted.
    """

    def __init__(self, port: int, key: str = "", authority: Path | None = None) -> None:
        self.port = port
        self.key = key
        self._context = None if authority is None else ssl.create_default_context(cafile=authority)

    def ask(
        self, verb: str, path: str, body: bytes | Iterable[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Sends a request on a connection of its own; a body in pieces comes without its length."""
        if self._context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self._context)
        own = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        is_cut = not isinstance(body, bytes | None)
        try:
            connection.request(verb, path, body, {**own, **(headers or {})}, encode_chunked=is_cut)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def call(self, method: str, request: Any, **headers: str) -> Answer:
        """Calls a method, such as "ProjectService/GetProject", by Connect with JSON."""
        text = request if isinstance(request, bytes) else json.dumps(request).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"/xpstore.v1.{method}", text, {"Content-Type": JSON, **named})

    def socket(self, timeout: float = 60) -> socket.socket:
        """A connection, for what no library sends."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)


def envelope(flags: int, data: bytes) -> bytes:
    """A message as streams have them."""
    return bytes([flags]) + len(data).to_bytes(4, "big") + data


def envelopes(body: bytes) -> list[tuple[int, bytes]]:
    """The messages of a stream."""
    found, start = [], 0
    while start < len(body):
        size = int.from_bytes(body[start + 1 : start + 5], "big")
        found.append((body[start], body[start + 5 : start + 5 + size]))
        start += 5 + size
    assert start == len(body)
    return found
