"""What arrives of a chunk, made into the bytes that were saved."""

from xpstore.errors import DataLoss
from xpstore.v1 import artifact_pb2 as pb

# What a zstd frame may make its reader remember: that of the server.
ZSTD_WINDOW_BYTES = 8 << 20


def decoded(digest: bytes, codec: int, data: bytes | memoryview, size_bytes: int) -> bytes | memoryview:
    """Returns as many raw bytes as a chunk shall have, or a few more where it has more; they are not verified.

    Raises:
        DataLoss: it is no chunk.
    """
    if codec == pb.CODEC_NONE:
        return memoryview(data)
    if codec != pb.CODEC_ZSTD:
        raise DataLoss(f"The chunk {digest.hex()} has the unknown codec {codec}: update this client.")
    import zstandard  # here, as `import xpstore` need not wait for it

    try:
        frames = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
        with frames.stream_reader(bytes(data)) as stream:
            return bytes(stream.read(size_bytes + 1))  # no more, whatever the frame says
    except zstandard.ZstdError:
        raise DataLoss(f"The chunk {digest.hex()} arrived damaged.") from None
