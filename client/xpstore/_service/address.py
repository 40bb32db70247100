"""Where a server is: what users write, as gRPC takes it."""

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from xpstore.errors import InvalidArgument

DEFAULT_PORT = 50051


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to speak to it."""

    target: str
    is_loopback: bool
    is_tls: bool


def parse_address(api_url: str) -> Address:
    """Reads "host:50051", "http(s)://...", "grpc(s)://..." or "unix:...".

    Without a scheme, loopback is spoken to in plaintext and everything else with TLS.

    Raises:
        InvalidArgument: the URL is malformed, or would send the key in plaintext beyond loopback.
    """
    name = "XPSTORE_API_URL" if api_url == os.environ.get("XPSTORE_API_URL") else "api_url"
    if api_url.startswith("unix:"):
        # gRPC reads it as a URL: a path with # or ? or % would be another one.
        path = quote(os.fsencode(api_url.removeprefix("unix:")))
        return Address(f"unix:{path}", is_loopback=True, is_tls=False)
    scheme, separator, rest = api_url.partition("://")
    if not separator:
        scheme, rest = "", api_url
    if scheme not in ("", "http", "https", "grpc", "grpcs"):
        raise InvalidArgument(f"{name} = {api_url!r}: use host:port, https://host, grpcs://host:port or unix:path")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
        if rest.rstrip("/") != parts.netloc or "@" in rest:
            host = ""
    except ValueError:
        host, port = "", None
    if not host or not all(character.isalnum() or character in "-._:" for character in host):
        raise InvalidArgument(f"{name} = {api_url!r}: write host:port or https://host, without a user or a path")
    is_own = is_loopback(host)
    is_tls = scheme in ("https", "grpcs") or (not scheme and not is_own)
    if not is_tls and not is_own:
        raise InvalidArgument(
            f"{name} = {api_url!r}: the API key would travel in plaintext; use https:// or grpcs:// beyond loopback"
        )
    port = port or (443 if scheme == "https" else DEFAULT_PORT)
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", is_own, is_tls)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached by nobody else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
