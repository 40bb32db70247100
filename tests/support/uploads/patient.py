"""A client of UploadFile for bad lines, as docs/protocol.md describes one: it goes on after each break."""

import time
from collections.abc import Iterator

import grpc

from support.raw import KIB, MIB
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1.artifact_pb2_grpc import ArtifactServiceStub

FIRST_BYTES = 64 * KIB
GROWN_BYTES = 4 * MIB
QUICK_SECONDS = 0.5
# Those after which a stream is opened again; ABORTED where another one was ahead.
BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED)
OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]


def pieces(data: bytes, offset: int) -> Iterator[bytes]:
    """What a stream carries: small messages first, for only whole ones count, larger ones where they get through."""
    size, since = FIRST_BYTES, 0
    while offset < len(data):
        began = time.monotonic()
        yield data[offset : offset + size]
        offset += size
        since += size
        if time.monotonic() - began > QUICK_SECONDS:
            size, since = FIRST_BYTES, 0
        elif since >= GROWN_BYTES and size < MIB:
            size, since = 2 * size, 0


def upload(address: str, api_key: str, header: pb.UploadFileHeader, data: bytes) -> tuple[pb.UploadFileResponse, int]:
    """Uploads until it worked. Returns the answer and how many streams it took."""
    metadata = (("authorization", f"Bearer {api_key}"),)

    def messages() -> Iterator[pb.UploadFileRequest]:
        yield pb.UploadFileRequest(header=header)
        for piece in pieces(data, header.offset):
            yield pb.UploadFileRequest(data=piece)
        yield pb.UploadFileRequest(finish=True)

    streams, offsets = 0, [-1]
    with grpc.insecure_channel(address, OPTIONS) as channel:
        stub = ArtifactServiceStub(channel)
        while True:
            streams += 1
            try:
                return stub.UploadFile(messages(), metadata=metadata, timeout=120, wait_for_ready=True), streams
            except grpc.RpcError as error:
                if error.code() not in BROKEN:
                    raise
            header = pb.UploadFileHeader.FromString(header.SerializeToString())
            header.offset = _offset(stub, header.upload_id, metadata)
            assert header.offset >= offsets[-1], "what is durable is never less"
            offsets.append(header.offset)
            assert len(offsets) < 200 and offsets[-10:] != [header.offset] * 10, "ten streams brought nothing"


def _offset(stub: ArtifactServiceStub, upload_id: str, metadata: tuple[tuple[str, str], ...]) -> int:
    for _ in range(50):
        try:
            request = pb.GetUploadRequest(upload_id=upload_id)
            return stub.GetUpload(request, metadata=metadata, timeout=30, wait_for_ready=True).offset
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:  # the header did not arrive
                return 0
            if error.code() not in BROKEN:
                raise
    raise AssertionError("GetUpload is never answered")
