"""All settings of the server: environment variables `XPSTORE_*`, or flags of the same names."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LONGEST_SOCKET_PATH = 103  # what the kernels of macOS (103) and Linux (107) take


class InvalidSettings(Exception):
    """A setting has a bad value; the message has one line for each."""


class StartError(Exception):
    """The server cannot start as it was told to; the message says why and what to do.

    It stands here and not in `app`, whose import takes a while: `main` names it for every command.
    """


class Settings(BaseSettings):
    """What a server needs to know to start."""

    model_config = SettingsConfigDict(env_prefix="XPSTORE_", hide_input_in_errors=True, extra="ignore")

    home: Path | None = Field(None, description="Run embedded: data, socket, key and server.json live here.")
    data_dir: Path = Field(Path(".xpstore"), description="Where the default database and blobs are.")
    database_url: str = Field("", description="sqlite:///FILE or postgresql://USER:PASSWORD@HOST[,HOST]/DATABASE")
    database_connections: int = Field(24, ge=2, description="Connections to PostgreSQL at most; two more for checks.")
    blob_url: str = Field("", description="file:///FOLDER or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true")
    blob_credentials_file: Path | None = Field(None, description="Keys of S3, as AWS's own tools keep them.")
    blob_ca_file: Path | None = Field(None, description="Authority of the S3 server's certificate, PEM.")
    listen: Annotated[list[str], NoDecode] = Field(
        ["127.0.0.1:50051"], description="HOST:PORT or unix:PATH, several separated by commas."
    )
    admin_key_file: Path | None = Field(None, description="The admin's API key; made if the file is missing.")
    tls_cert: Path | None = Field(None, description="Certificate chain, PEM.")
    tls_key: Path | None = Field(None, description="Private key, PEM.")
    allow_plaintext: bool = Field(False, description="Listen without TLS beyond loopback.")
    idle_exit_seconds: float = Field(0, ge=0, description="Leave when nobody called for so long; 0: never.")
    drain_seconds: float = Field(10, ge=0, description="How long SIGTERM waits for calls under way.")
    upload_memory_mib: int = Field(192, ge=32, description="Bound of all upload buffers together.")
    undo_seconds: float = Field(604_800, ge=0, description="How long what was deleted can be undeleted; 7 days.")
    sweep_seconds: float = Field(3600, ge=0, description="How often to sweep out bytes that nothing needs; 0: never.")
    sweep_unused_seconds: float = Field(90_000, ge=0, description="How long chunks wait for a commit; 24 h promised.")
    sweep_condemned_seconds: float = Field(3600, ge=0, description="How long condemned packs stay for readers.")
    sweep_unfinished_seconds: float = Field(3600, ge=0, description="How long a pack or commit may take.")
    cache_lease_seconds: float = Field(25, ge=0.5, description="Silence after which others compute a cache entry.")
    log_level: str = Field("INFO", description="DEBUG (every call), INFO, WARNING or ERROR.")

    @field_validator("listen", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.home is not None:
            self.home = self.home.expanduser().resolve()
            self._embed(self.home)
        data = self.data_dir.expanduser().resolve()
        self.database_url = self.database_url or f"sqlite:///{quote(str(data / 'xpstore.db'))}"
        self.blob_url = self.blob_url or (data / "blobs").as_uri()
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set XPSTORE_TLS_CERT and XPSTORE_TLS_KEY")
        if not self.listen:
            raise ValueError("listen is empty: set XPSTORE_LISTEN to HOST:PORT or unix:PATH")
        for address in self.listen:
            self._check_address(address)
        self._check_tls()
        return self

    def _embed(self, home: Path) -> None:
        self.data_dir = home
        if "listen" not in self.model_fields_set:
            self.listen = [f"unix:{socket_path(home)}"]
        if "idle_exit_seconds" not in self.model_fields_set:
            self.idle_exit_seconds = 600
        self.admin_key_file = self.admin_key_file or home / "admin.key"

    def _check_address(self, address: str) -> None:
        if address.startswith("unix:"):
            if not 0 < len(os.fsencode(address.removeprefix("unix:"))) <= LONGEST_SOCKET_PATH:
                raise ValueError(f"listen has {address!r}: the path of a socket has 1 to {LONGEST_SOCKET_PATH} bytes")
            return
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"listen has {address!r}: write HOST:PORT or unix:PATH")
        if host not in LOOPBACK and self.tls_cert is None and not self.allow_plaintext:
            raise ValueError(
                f"listen has {address!r}, reachable from elsewhere without TLS: set XPSTORE_TLS_CERT and "
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
                f"XPSTORE_TLS_CERT={self.tls_cert}, XPSTORE_TLS_KEY={self.tls_key}: {reason}; both must be PEM files, "
                "the key without a password"
            ) from None


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
    try:
        return Settings(**{"home": None, **given})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for item in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in item["loc"])
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"XPSTORE_{name.upper()}: {message}" if name else message)
        raise InvalidSettings("\n".join(lines)) from None
