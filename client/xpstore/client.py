"""The connection to one server: an address, a key, and calls that are repeated while the server is away."""

import ipaddress
import os
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import grpc

from xpstore._service import embedded
from xpstore._service.retry import STREAM_SECONDS, Patience
from xpstore.errors import Error, InvalidArgument, Unauthenticated, Unavailable, from_rpc
from xpstore.v1 import artifact_pb2, ingest_pb2, limits_pb2
from xpstore.v1.artifact_pb2_grpc import ArtifactServiceStub
from xpstore.v1.cache_pb2_grpc import CacheServiceStub
from xpstore.v1.experiment_pb2_grpc import ExperimentServiceStub
from xpstore.v1.ingest_pb2_grpc import IngestServiceStub
from xpstore.v1.iteration_pb2_grpc import IterationServiceStub
from xpstore.v1.limits_pb2_grpc import LimitsServiceStub
from xpstore.v1.metric_pb2_grpc import MetricServiceStub
from xpstore.v1.model_pb2_grpc import ModelServiceStub
from xpstore.v1.project_pb2_grpc import ProjectServiceStub
from xpstore.v1.run_pb2_grpc import RunServiceStub

if TYPE_CHECKING:
    from xpstore._caching.state import Caching
    from xpstore._spool.offline import Registry
    from xpstore._spool.recorder import Recorder
    from xpstore.project import Project

Request = TypeVar("Request")
Response = TypeVar("Response")

DEFAULT_PORT = 50051
TIMEOUT_SECONDS = 30.0


def new_id() -> str:
    """A random UUID from the operating system: unmoved by `random.seed` and by forks."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


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
    if api_url.startswith("unix:"):
        return Address(api_url, is_loopback=True, is_tls=False)
    scheme, separator, rest = api_url.partition("://")
    if not separator:
        scheme, rest = "", api_url
    if scheme not in ("", "http", "https", "grpc", "grpcs"):
        raise InvalidArgument(f"api_url = {api_url!r}: use host:port, https://host, grpcs://host:port or unix:path")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
        if rest.rstrip("/") != parts.netloc or "@" in rest:
            host = ""
    except ValueError:
        host, port = "", None
    if not host or not all(character.isalnum() or character in "-._:" for character in host):
        raise InvalidArgument(f"api_url = {api_url!r}: write host:port or https://host, without a user or a path")
    is_loopback = _is_loopback(host)
    is_tls = scheme in ("https", "grpcs") or (not scheme and not is_loopback)
    if not is_tls and not is_loopback:
        raise InvalidArgument(
            f"api_url = {api_url!r}: the API key would travel in plaintext; use https:// or grpcs:// beyond loopback"
        )
    port = port or (443 if scheme == "https" else DEFAULT_PORT)
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", is_loopback, is_tls)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Client:
    """A connection without globals. `init()` makes one and keeps it for the session.

    Args:
        api_key: the API key; default `XPSTORE_API_KEY`.
        api_url: the server; default `XPSTORE_API_URL`. Without either, the embedded service is found or started.
        timeout_seconds: how long a call may take in all, repetitions while the server is away included.
        offline: log into the spool only, without any server: `xpstore sync` sends it later.
        strict: raise ResourceExhausted when the spool is full, instead of dropping what is logged.

    Raises:
        Unavailable: the server does not answer.
        Unauthenticated: the server does not know the key.
        InvalidArgument: `api_url` is malformed, or would send the key in plaintext beyond loopback.

    Example:
        ```python
        client = Client("xps_...", "localhost:50051")
        project = client.project("mnist")
        ```
    """

    def __init__(
        self,
        api_key: str | None = None,
        api_url: str | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        offline: bool = False,
        strict: bool = False,
    ) -> None:
        api_key = api_key if api_key is not None else os.environ.get("XPSTORE_API_KEY")
        api_url = api_url if api_url is not None else os.environ.get("XPSTORE_API_URL")
        if not timeout_seconds > 0:
            raise InvalidArgument(f"timeout_seconds = {timeout_seconds!r}: must be positive")
        self._home = embedded.home() if api_url is None else None
        if api_url is None:
            if api_key is not None:
                raise InvalidArgument("api_url is missing: an API key was given, but no server to use it with")
            api_key, api_url = ("offline", f"unix:{self._home}") if offline else embedded.ensure()
        if offline and api_key is None:
            api_key = "offline"
        if not api_key or not api_key.isascii() or not api_key.isprintable():
            raise Unauthenticated("api_key is missing or malformed: pass api_key or set XPSTORE_API_KEY")
        self.api_url = api_url
        self.timeout_seconds = timeout_seconds
        self._address = parse_address(api_url)
        self._authorization = ("authorization", f"Bearer {api_key}")
        self._pid = 0
        self._stubs: _Stubs | None = None
        self._closed = False
        self._cachings: dict[int, Caching] = {}
        self.offline = _offline_registry() if offline else None
        self.recorder = self._a_recorder(api_key, strict)
        if not offline:
            self.limits  # noqa: B018  # the checked call

    def _a_recorder(self, api_key: str, is_strict: bool) -> "Recorder":
        """What this client logs through."""
        from xpstore._spool.recorder import Recorder

        server = f"embedded:{self._home}" if self._home else self._address.target
        return Recorder(self, server, api_key, is_offline=self.offline is not None, is_strict=is_strict)

    def __repr__(self) -> str:
        return f"Client({self.api_url!r})"

    def project(self, id: str, name: str | None = None) -> "Project":
        """Returns a handle of a project on this connection."""
        from xpstore.project import Project

        return Project(id, name, client=self)

    @cached_property
    def limits(self) -> limits_pb2.Limits:
        """The server's limits, asked once. Not repeated: it is what proves address and key."""
        request = limits_pb2.GetLimitsRequest()
        method = self.stubs.limits.GetLimits
        return self._call_once(method, request, min(self.timeout_seconds, 10.0)).limits

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded service, which may have to start again."""
        return self._home is not None

    @property
    def caching(self) -> "Caching":
        """What this client knows of the cache, in this process: a forked child has its own."""
        from xpstore._caching.state import Caching

        pid = os.getpid()
        return self._cachings.get(pid) or self._cachings.setdefault(pid, Caching(self))

    @property
    def dropped_count(self) -> int:
        """How many records that were logged will never be stored: their model is deleted, or the disk bound was met."""
        return self.recorder.dropped_count

    def flush(self, timeout_seconds: float | None = None) -> None:
        """Waits until the server has everything that was logged before, by this process and by its children that ended.

        Offline it has the disk write the spool.

        Args:
            timeout_seconds: how long to wait; default the client's time-out. What is not sent then stays in the spool.

        Raises:
            Unavailable: the server is away.
            DeadlineExceeded: the time is over.
        """
        self.recorder.flush(self.timeout_seconds if timeout_seconds is None else timeout_seconds)

    @property
    def stubs(self) -> "_Stubs":
        """The generated stubs on a channel of this process: one made before a fork must not be used after it."""
        if self._stubs is None or self._pid != os.getpid():
            _abandoned.append(self._stubs)
            self._stubs = _Stubs(self._open_channel())
            self._pid = os.getpid()
        return self._stubs

    @property
    def metadata(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """What every call carries: the key, and a fresh request id."""
        return (self._authorization, ("x-request-id", os.urandom(8).hex()))

    def call(
        self,
        method: Callable[..., Response],
        request: Any,
        *,
        timeout_seconds: float | None = None,
        is_ordered: bool = True,
    ) -> Response:
        """Makes a unary call, again while the server is away and time is left: every call may be repeated.

        Args:
            method: of a stub.
            request: its request.
            timeout_seconds: how long it may take in all; default the client's time-out.
            is_ordered: first send what was logged before.

        Raises:
            Error: the typed error of the answer.
        """
        if self.offline is not None:
            answer: Response = self.offline.answer(request)
            return answer
        patience = Patience(self, timeout_seconds)
        if is_ordered:
            self.settle(patience.remaining_seconds)
        return self.call_patiently(method, request, None, patience)

    def call_patiently(
        self, method: Callable[..., Response], request: Any, answer_seconds: float | None, patience: Patience
    ) -> Response:
        """Makes a unary call, again while the server cannot be reached and patience lasts.

        Args:
            method: of a stub.
            request: its request.
            answer_seconds: how long one attempt may take; default what patience is left.
            patience: with a server that cannot be reached.
        """
        while True:
            try:
                return self._call_once(method, request, answer_seconds or patience.remaining_seconds)
            except Unavailable:
                if self._closed or not patience.wait():
                    raise

    def stream(self, method: Callable[..., Any], request: Any) -> Generator[Any, None, None]:
        """Yields the messages of a streaming answer. Not repeated: only the caller knows where to go on.

        Raises:
            Error: the typed error of the answer.
        """
        metadata = self.metadata
        call = method(request, timeout=STREAM_SECONDS, metadata=metadata)
        try:
            yield from call
        except grpc.RpcError as error:
            raise from_rpc(error, metadata[1][1]) from None
        finally:
            call.cancel()

    def settle(self, timeout_seconds: float) -> None:
        """Sends what was logged before, so that the call that follows finds it. `call` does it.

        Raises:
            Unavailable: the server is away, or this client is offline.
            DeadlineExceeded: the time is over.
        """
        if self.offline is not None:
            raise self.offline.unavailable()
        self.recorder.settle(timeout_seconds)

    def revive(self, timeout_seconds: float) -> None:
        """Starts the embedded service again if it left, as it does when idle. Other servers are not this client's.

        Raises:
            Unavailable: it does not start.
        """
        if self._home is not None:
            embedded.ensure(self._home, timeout_seconds)

    def _call_once(self, method: Callable[..., Response], request: Any, timeout_seconds: float) -> Response:
        metadata = self.metadata
        try:
            return method(request, timeout=timeout_seconds, metadata=metadata, wait_for_ready=False)
        except grpc.RpcError as error:
            raise self._explained(from_rpc(error, metadata[1][1])) from None

    def _explained(self, error: Error) -> Error:
        if isinstance(error, Unavailable) and not error.metadata:
            error.args = (f"The server at {self.api_url} does not answer: {error}",)
        return error

    def _open_channel(self) -> grpc.Channel:
        if self._closed:
            raise Unavailable("This client is closed.")
        options: list[tuple[str, Any]] = [
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            # A server that was restarted is found again soon.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1_000),  # with its jitter less than what `Recorder.close` waits
            # Channels share connections otherwise, and with them how long one that was refused waits.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._address.is_loopback:
            options.append(("grpc.enable_http_proxy", 0))
        if not self._address.is_tls:
            return grpc.insecure_channel(self._address.target, options)
        authority = os.environ.get("XPSTORE_TLS_CA")
        roots = None
        if authority:
            try:
                with open(authority, "rb") as file:
                    roots = file.read()
            except OSError as error:
                raise InvalidArgument(f"XPSTORE_TLS_CA = {authority!r}: {error.strerror}") from None
        return grpc.secure_channel(self._address.target, grpc.ssl_channel_credentials(roots), options)

    def close(self) -> None:
        """Closes the connection, after what was logged is sent. Handles made from it stop working.

        A server that is away is waited for a short time only: what is not sent then stays in the spool, and the next
        client of this server sends it.
        """
        for caching in self._cachings.values():
            caching.leases.close()
        self.recorder.close()
        self._closed = True
        stubs, self._stubs = self._stubs, None
        if stubs is not None and self._pid == os.getpid():
            stubs.channel.close()


def _offline_registry() -> "Registry":
    from xpstore._spool.offline import Registry

    return Registry()


class _Stubs:
    """One stub for each service, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.limits = LimitsServiceStub(channel)
        self.projects = ProjectServiceStub(channel)
        self.experiments = ExperimentServiceStub(channel)
        self.models = ModelServiceStub(channel)
        self.iterations = IterationServiceStub(channel)
        self.metrics = MetricServiceStub(channel)
        self.ingest = IngestServiceStub(channel)
        self.runs = RunServiceStub(channel)
        self.artifacts = ArtifactServiceStub(channel)
        self.cache = CacheServiceStub(channel)
        # Messages with chunks pass as bytes: `chunk_wire` writes and reads them.
        self.upload_chunks: Any = channel.stream_unary(
            "/xpstore.v1.ArtifactService/UploadChunks",
            response_deserializer=artifact_pb2.UploadChunksResponse.FromString,
        )
        # So do the sender's records.
        self.ingest_batch: Any = channel.unary_unary(
            "/xpstore.v1.IngestService/Ingest", response_deserializer=ingest_pb2.IngestResponse.FromString
        )
        self.ingest_batches: Any = channel.stream_unary(
            "/xpstore.v1.IngestService/IngestStream", response_deserializer=ingest_pb2.IngestStreamResponse.FromString
        )
        self.read_chunks: Any = channel.unary_stream(
            "/xpstore.v1.ArtifactService/ReadChunks",
            request_serializer=artifact_pb2.ReadChunksRequest.SerializeToString,
        )


# Channels of a parent process: closing or collecting one after a fork may hang, so they are kept.
_abandoned: list[_Stubs | None] = []
