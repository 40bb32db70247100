"""Where a bucket is and who may use it, as the operator says it: by URL, files, and the usual variables of proxies."""

import base64
import configparser
import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from xpstore_server.store.errors import InvalidStoreURL

FORM = "s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=NAME"
ENCODING = "in KEY and SECRET write / as %2F, # as %23, ? as %3F, @ as %40, [ as %5B and % as %25"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Keys:
    """Who asks."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Proxy:
    """What stands between this machine and all others."""

    host: str
    port: int
    headers: dict[str, str] = field(repr=False)
    variable: str


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket on a server; `keys` reads who asks, anew where that is in a file that changed."""

    host: str
    bucket: str
    region: str
    is_secure: bool
    keys: Callable[[], Keys] = field(repr=False)
    ca_file: Path | None = None

    def tls(self) -> ssl.SSLContext | None:
        """How to know the server, if it is spoken to through TLS."""
        return ssl.create_default_context(cafile=self.ca_file) if self.is_secure else None

    def proxy(self) -> Proxy | None:
        """The proxy that HTTP_PROXY or HTTPS_PROXY names, unless NO_PROXY names the host or it is this machine."""
        name = urlsplit(f"//{self.host}").hostname or ""
        proxies = getproxies_environment()
        scheme = "https" if self.is_secure else "http"
        url = proxies.get(scheme) or proxies.get("all")
        if not url or _is_loopback(name) or proxy_bypass(name, proxies):
            return None
        variable = f"{scheme.upper()}_PROXY" if proxies.get(scheme) else "ALL_PROXY"
        return _parse_proxy(variable, url)


def read_place(url: str, *, credentials_file: Path | None = None, ca_file: Path | None = None) -> Place:
    """Reads `XPSTORE_BLOB_URL` and what goes with it. Errors name the setting and never show what it holds."""
    # Before anything is parsed: a character that was not encoded ends the secret somewhere in the middle.
    user = url.partition("://")[2].rpartition("@")[0]
    if re.search(r"[/#?@\[\]]|%(?![0-9A-Fa-f]{2})", user):
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: {ENCODING}: {FORM}")
    if re.search(r"[\x00-\x20\x7f-\x9f]", url):
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: has spaces or control characters: {FORM}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: write {FORM}; {ENCODING}") from None
    host, bucket = parts.netloc.rpartition("@")[2], parts.path.removeprefix("/").removesuffix("/")
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    secure, region = options.pop("secure", "true").lower(), options.pop("region", "us-east-1")
    if (unknown := sorted(options)) or parts.fragment:
        names = ", ".join(f"{name[:40]!r}" for name in unknown) or "a #"
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: does not know {names}: {FORM}; {ENCODING}")
    if not _HOST.fullmatch(host) or not _is_port(host) or not bucket:
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: write {FORM}; {ENCODING}")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: {bucket[:80]!r} is no name of a bucket: {FORM}")
    if secure not in ("true", "false"):
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: secure={secure[:20]!r} is neither true nor false: {FORM}")
    if not _REGION.fullmatch(region):
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: region={region[:80]!r} is no name of a region")
    if ca_file is not None:
        _check_ca(ca_file, secure)
    return Place(host, bucket, region, secure == "true", _keys(user, credentials_file), ca_file)


def _is_port(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").port != 0
    except ValueError:
        return False


def _keys(user: str, credentials_file: Path | None) -> Callable[[], Keys]:
    if credentials_file is not None:
        if user:
            raise InvalidStoreURL(
                "XPSTORE_BLOB_CREDENTIALS_FILE: take KEY:SECRET@ out of XPSTORE_BLOB_URL, or unset it"
            )
        return _KeyFile(credentials_file).keys
    access_key, _, secret_key = user.partition(":")
    if not access_key or not secret_key:
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: write {FORM}, or set XPSTORE_BLOB_CREDENTIALS_FILE; {ENCODING}")
    keys = Keys(unquote(access_key), unquote(secret_key))
    return lambda: keys


class _KeyFile:
    """Keys in a file of the form that AWS's own tools use, read again when it changes: session tokens do not last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None
        self._keys: Keys | None = None
        self.keys()

    def keys(self) -> Keys:
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_ino)
            if version != self._known or self._keys is None:
                self._keys, self._known = self._parse(self._path.read_text("utf-8")), version
        except (OSError, UnicodeDecodeError, InvalidStoreURL) as error:
            if self._keys is None:
                raise self._failure(error) from None
            # It is being replaced just now: the old ones until it is whole again.
        return self._keys

    def _parse(self, text: str) -> Keys:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            raise InvalidStoreURL("is no such file") from None
        section = "default" if parser.has_section("default") else next(iter(parser.sections()), "")
        known = dict(parser.items(section)) if section else {}
        access_key, secret_key = known.get("aws_access_key_id", ""), known.get("aws_secret_access_key", "")
        if not access_key or not secret_key:
            raise InvalidStoreURL("lacks a key")
        return Keys(access_key, secret_key, known.get("aws_session_token", ""))

    def _failure(self, error: Exception) -> InvalidStoreURL:
        reason = error.strerror if isinstance(error, OSError) else "cannot be read as one"
        return InvalidStoreURL(
            f"XPSTORE_BLOB_CREDENTIALS_FILE={self._path}: {reason}; write [default], aws_access_key_id = KEY, "
            "aws_secret_access_key = SECRET and, if there is one, aws_session_token = TOKEN, a line each"
        )


def _check_ca(path: Path, secure: str) -> None:
    if secure == "false":
        raise InvalidStoreURL("XPSTORE_BLOB_CA_FILE: there is no TLS with secure=false in XPSTORE_BLOB_URL")
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise InvalidStoreURL(f"XPSTORE_BLOB_CA_FILE={path}: {reason}; write certificates in PEM") from None


def _parse_proxy(variable: str, url: str) -> Proxy:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        raise InvalidStoreURL(f"{variable}: only proxies of the form http://HOST:PORT can be used for XPSTORE_BLOB_URL")
    headers = {}
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    return Proxy(parts.hostname, port, headers, variable)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
