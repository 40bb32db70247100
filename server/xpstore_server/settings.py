"""All settings of the server: environment variables `XPSTORE_*`, or flags of the same names."""

import contextlib
import hashlib
import ipaddress
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from xpstore_server.locations import FILE, SQLITE, UNIX, shown, url_of
from xpstore_server.setting_names import misspelt

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
LONGEST_SOCKET_PATH = 103  # what the kernels of macOS (103) and Linux (107) take


class InvalidSettings(Exception):
    """A setting has a bad value; the message has one line for each."""


class StartError(Exception):
    """The server cannot start as it was told to; the message says why and what to do.

    It stands here and not in `app`, whose import takes a while: `main` names it for every command.
    """


class Settings(BaseSettings):
    """What a server needs to know to start."""

    # An empty variable counts as none: files of deployments have `XPSTORE_TLS_CERT=${CERT:-}`.
    model_config = SettingsConfigDict(
        env_prefix="XPSTORE_", hide_input_in_errors=True, extra="ignore", env_ignore_empty=True
    )

    home: Path | None = Field(None, description="Run embedded: data, socket, key and server.json live here.")
    data_dir: Path = Field(Path(".xpstore"), description="Where the default database and blobs are.")
    database_url: str = Field("", description="sqlite:///FILE or postgresql://USER:PASSWORD@HOST[,HOST]/DATABASE")
    database_connections: int = Field(24, ge=2, description="Connections to PostgreSQL at most; two more for checks.")
    blob_url: str = Field("", description="file:///FOLDER or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true")
    blob_credentials_file: Path | None = Field(None, description="Keys of S3, as AWS's own tools keep them.")
    blob_ca_file: Path | None = Field(None, description="Authority of the S3 server's certificate, PEM.")
    blob_public_url: str = Field("", description="Where clients reach the S3 server, as https://HOST:PORT.")
    direct: Literal["off", "reads", "all"] = Field("reads", description="What clients do past the server.")
    direct_verify: Literal["now", "later"] = Field(
        "now",
        description="When packs that clients wrote are read back: before they count, or soon after.",
    )
    listen: Annotated[list[str], NoDecode] = Field(
        ["127.0.0.1:50051"], description="HOST:PORT or unix:PATH, several separated by commas."
    )
    http_listen: Annotated[list[str], NoDecode] = Field(
        [], description="The same for HTTP (Connect, gRPC-Web, files); none: no HTTP."
    )
    http_origins: Annotated[list[str], NoDecode] = Field(
        [],
        description="Origins of pages that may call over HTTP, as https://example.org, separated by commas.",
    )
    admin_key_file: Path | None = Field(None, description="The admin's API key; made if the file is missing.")
    tls_cert: Path | None = Field(None, description="Certificate chain, PEM.")
    tls_key: Path | None = Field(None, description="Private key, PEM.")
    allow_plaintext: bool = Field(False, description="Listen without TLS beyond loopback.")
    idle_exit_seconds: float = Field(0, ge=0, description="Leave when nobody called for so long; 0: never.")
    drain_seconds: float = Field(10, ge=0, description="How long SIGTERM waits for calls under way.")
    upload_memory_mib: int = Field(192, ge=32, description="Bound of all upload buffers together.")
    max_uploads: int = Field(12, ge=1, le=256, description="Streams of one key that upload at once; others wait.")
    undo_seconds: float = Field(604_800, ge=0, description="How long what was deleted can be undeleted; 7 days.")
    sweep_seconds: float = Field(3600, ge=0, description="How often to sweep out bytes that nothing needs; 0: never.")
    disk_reserve_mib: int | None = Field(
        None, ge=0, description="How much room stays free for deletions; default 64, of a small disk an eighth."
    )
    cache_lease_seconds: float = Field(25, ge=0.5, description="Silence after which others compute a cache entry.")
    max_calls: int = Field(512, ge=16, description="Calls of one key under way at once; four times as many of all.")
    trusted_proxies: Annotated[list[str], NoDecode] = Field(
        [], description="Addresses or networks of proxies whose x-forwarded-for is believed, separated by commas."
    )
    log_level: str = Field("INFO", description="DEBUG (every call), INFO, WARNING or ERROR.")

    @field_validator("listen", "trusted_proxies", "http_listen", "http_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        try:
            for one in value:
                ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise ValueError(f"has {one!r}: write addresses or networks, as 10.0.0.0/8,fd00::1") from None
        return value

    @field_validator("http_origins")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        for one in value:
            if not _ORIGIN.fullmatch(one):
                raise ValueError(f"has {one!r}: write whole origins in small letters, as https://example.org:8443")
        return value

    @field_validator("blob_public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if value and not _ORIGIN.fullmatch(value.removesuffix("/")):
            raise ValueError("write the host alone in small letters, as https://s3.example.org:9000")
        return value.removesuffix("/")

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @property
    def networks(self) -> list[Network]:
        """The trusted proxies."""
        return [ipaddress.ip_network(one, strict=False) for one in self.trusted_proxies]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.home is not None:
            self.home = _resolved("home", self.home)
            self._embed(self.home)
        self.data_dir = _resolved("data_dir", self.data_dir)
        self.database_url = self.database_url or url_of(SQLITE, self.data_dir / "xpstore.db")
        self.blob_url = self.blob_url or url_of(FILE, self.data_dir / "blobs")
        if self.admin_key_file is not None:
            self.admin_key_file = _resolved("admin_key_file", self.admin_key_file, is_link=True)
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set XPSTORE_TLS_CERT and XPSTORE_TLS_KEY")
        if not self.listen:
            raise ValueError("listen is empty: set XPSTORE_LISTEN to HOST:PORT or unix:PATH")
        for name, addresses in (("listen", self.listen), ("http_listen", self.http_listen)):
            for address in addresses:
                self._check_address(name, address)
        self._check_tls()
        return self

    def _embed(self, home: Path) -> None:
        self.data_dir = home
        if "listen" not in self.model_fields_set:
            self.listen = [f"{UNIX}{socket_path(home)}"]
        if "idle_exit_seconds" not in self.model_fields_set:
            self.idle_exit_seconds = 600
        self.admin_key_file = self.admin_key_file or home / "admin.key"

    def _check_address(self, name: str, address: str) -> None:
        if address.startswith(UNIX):
            path = os.fsencode(address.removeprefix(UNIX))
            if not 0 < len(path) <= LONGEST_SOCKET_PATH or path.endswith(b"/"):
                raise ValueError(f"{name} has {address!r}: the path of a socket has 1 to {LONGEST_SOCKET_PATH} bytes")
            return
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{name} has {address!r}: write HOST:PORT or unix:PATH")
        if host not in LOOPBACK and self.tls_cert is None and not self.allow_plaintext:
            raise ValueError(
                f"{name} has {address!r}, reachable from elsewhere without TLS: set XPSTORE_TLS_CERT and "
                "XPSTORE_TLS_KEY, or XPSTORE_ALLOW_PLAINTEXT=true if something else encrypts"
            )

    def _check_tls(self) -> None:
        if self.tls_cert is None or self.tls_key is None:
            return
        import ssl  # only gRPC's own log would say what is wrong with them

        try:
            # An empty password fails where no password would ask at the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.tls_cert, self.tls_key, password="")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"XPSTORE_TLS_CERT={shown(self.tls_cert)}, XPSTORE_TLS_KEY={shown(self.tls_key)}: {reason}; both must "
                "be PEM files, the key without a password"
            ) from None


def _resolved(name: str, path: Path, *, is_link: bool = False) -> Path:
    """The absolute path; of what may be a link that leads elsewhere later, without following it."""
    try:
        path = path.expanduser()
        return path.absolute() if is_link else path.resolve()
    except (OSError, RuntimeError) as error:  # no such home, links in a circle, a working folder that is gone
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{name} = {shown(path)}: {reason}; give a whole path") from None


def socket_path(home: Path) -> Path:
    """The embedded service's socket: in its home, or in a short private folder when that path is too long."""
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    short = Path(f"xpstore-{os.getuid()}-{digest}", "s")
    paths = [home / "server.sock", *(Path(folder) / short for folder in _temporary_folders())]
    return next((path for path in paths if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH), paths[0])


def _temporary_folders() -> list[str]:
    with contextlib.suppress(OSError):  # there is none
        return [tempfile.gettempdir(), "/tmp"]  # TMPDIR may have a long path too
    return []


def load(**flags: object) -> Settings:
    """Reads the environment; flags that are not None win.

    `home` is a flag only: XPSTORE_HOME says where clients find the embedded service, and a server that is started by
    hand in the same shell is not meant to be that.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    lines, _ = misspelt(os.environ, _NAMES)
    try:
        settings = Settings(**{"home": None, **given})  # type: ignore[arg-type]
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"XPSTORE_{name.upper()}: {message}" if name else message)
    if lines:
        raise InvalidSettings("\n".join(lines))
    return settings


def unknown() -> list[str]:
    """A line for each variable that looks like a setting and is none."""
    return misspelt(os.environ, _NAMES)[1]


_NAMES = [name.upper() for name in Settings.model_fields]
