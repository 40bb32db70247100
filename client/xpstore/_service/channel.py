"""The channel to a server, and the stubs of its services on it."""

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import grpc

from xpstore._service.address import Address
from xpstore._service.gate import import_between_forks
from xpstore.errors import InvalidArgument

if TYPE_CHECKING:
    from xpstore.v1.alert_pb2_grpc import AlertServiceStub
    from xpstore.v1.artifact_pb2_grpc import ArtifactServiceStub
    from xpstore.v1.cache_pb2_grpc import CacheServiceStub
    from xpstore.v1.experiment_pb2_grpc import ExperimentServiceStub
    from xpstore.v1.ingest_pb2_grpc import IngestServiceStub
    from xpstore.v1.iteration_pb2_grpc import IterationServiceStub
    from xpstore.v1.limits_pb2_grpc import LimitsServiceStub
    from xpstore.v1.media_pb2_grpc import MediaServiceStub
    from xpstore.v1.metric_pb2_grpc import MetricServiceStub
    from xpstore.v1.model_pb2_grpc import ModelServiceStub
    from xpstore.v1.project_pb2_grpc import ProjectServiceStub
    from xpstore.v1.run_pb2_grpc import RunServiceStub
    from xpstore.v1.transfer_pb2_grpc import TransferServiceStub

_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Other pings measure the line, and wait behind bytes on a thin one: by itself gRPC takes that for dead in a minute.
    ("grpc.http2.ping_timeout_ms", 600_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A server that was restarted is found again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),  # with its jitter less than what `Recorder.close` waits
    # Channels share connections otherwise, and with them how long one that was refused waits.
    ("grpc.use_local_subchannel_pool", 1),
]

# What a stub is called here, and its service; a stub's module is that of its service.
_SERVICES = {
    "alerts": "Alert",
    "artifacts": "Artifact",
    "cache": "Cache",
    "experiments": "Experiment",
    "ingest": "Ingest",
    "iterations": "Iteration",
    "limits": "Limits",
    "media": "Media",
    "metrics": "Metric",
    "models": "Model",
    "projects": "Project",
    "runs": "Run",
    "transfers": "Transfer",
}

# The channel of each method, and the names of its stub, "" for none, and its own.
_origins: "WeakKeyDictionary[Any, tuple[grpc.Channel, str, str]]" = WeakKeyDictionary()


def open_channel(address: Address) -> grpc.Channel:
    """Opens a channel; the connection is made with the first call.

    Raises:
        InvalidArgument: XPSTORE_TLS_CA cannot be read.
    """
    options = list(_OPTIONS)
    if address.is_loopback:
        options.append(("grpc.enable_http_proxy", 0))
    if not address.is_tls:
        return grpc.insecure_channel(address.target, options)
    authority = os.environ.get("XPSTORE_TLS_CA")
    roots = None
    if authority:
        try:
            with open(authority, "rb") as file:
                roots = file.read()
        except OSError as error:
            raise InvalidArgument(f"XPSTORE_TLS_CA = {authority!r}: {error.strerror}") from None
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(roots), options)


class Stubs:
    """One stub for each service, on one channel. A service is loaded at its first use: most programs use a few."""

    alerts: "AlertServiceStub"
    artifacts: "ArtifactServiceStub"
    cache: "CacheServiceStub"
    experiments: "ExperimentServiceStub"
    ingest: "IngestServiceStub"
    iterations: "IterationServiceStub"
    limits: "LimitsServiceStub"
    media: "MediaServiceStub"
    metrics: "MetricServiceStub"
    models: "ModelServiceStub"
    projects: "ProjectServiceStub"
    runs: "RunServiceStub"
    transfers: "TransferServiceStub"

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def __getattr__(self, name: str) -> Any:
        if name not in _SERVICES:
            raise AttributeError(name)
        service = _SERVICES[name]
        module = import_between_forks(f"xpstore.v1.{service.lower()}_pb2_grpc")
        stub = getattr(module, f"{service}ServiceStub")(self.channel)
        for method in vars(stub):
            _origins[getattr(stub, method)] = self.channel, name, method
        setattr(self, name, stub)
        return stub

    def own(self, method: Any) -> Any:
        """The method of a stub on this channel: what was taken before a fork may be of one that is gone."""
        channel, name, own_name = _origins.get(method, (self.channel, "", ""))
        if channel is self.channel:
            return method
        return getattr(getattr(self, name) if name else self, own_name)

    def _noted(self, name: str, method: Any) -> Any:
        _origins[method] = self.channel, "", name
        return method

    # Messages with chunks, and records of the spool, pass as bytes: `format.messages` and `_spool.request` write them.

    @cached_property
    def upload_chunks(self) -> Any:
        """ArtifactService.UploadChunks, its requests as bytes."""
        from xpstore.v1 import artifact_pb2 as pb  # here, as few programs upload

        response = pb.UploadChunksResponse.FromString
        path = "/xpstore.v1.ArtifactService/UploadChunks"
        return self._noted("upload_chunks", self.channel.stream_unary(path, response_deserializer=response))

    @cached_property
    def read_chunks(self) -> Any:
        """ArtifactService.ReadChunks, its responses as bytes."""
        from xpstore.v1 import artifact_pb2 as pb  # here, as few programs download

        request = pb.ReadChunksRequest.SerializeToString
        path = "/xpstore.v1.ArtifactService/ReadChunks"
        return self._noted("read_chunks", self.channel.unary_stream(path, request_serializer=request))

    @cached_property
    def ingest_batch(self) -> Any:
        """IngestService.Ingest, its request as bytes."""
        from xpstore.v1 import ingest_pb2 as pb  # here, as only the sender ships

        response = pb.IngestResponse.FromString
        path = "/xpstore.v1.IngestService/Ingest"
        return self._noted("ingest_batch", self.channel.unary_unary(path, response_deserializer=response))

    @cached_property
    def ingest_batches(self) -> Any:
        """IngestService.IngestStream, its requests as bytes."""
        from xpstore.v1 import ingest_pb2 as pb  # here, as only the sender ships

        response = pb.IngestStreamResponse.FromString
        path = "/xpstore.v1.IngestService/IngestStream"
        return self._noted("ingest_batches", self.channel.stream_unary(path, response_deserializer=response))
