"""The cut: how bytes become chunks, and how chunks are encoded. Nothing else depends on it; identity does not.

FastCDC (2020) cuts where the content says, so that bytes inserted or removed change only the chunks around them. The
parameters are the server's (`Limits.chunking`), so that all clients cut alike.
"""

from collections.abc import Iterator
from functools import cached_property

from xpstore.v1 import limits_pb2
from xpstore.v1.artifact_pb2 import CODEC_NONE, CODEC_ZSTD

# A sample of each chunk says whether compressing pays. Of random bytes it costs 20 us of a MiB, of float32 weights 40,
# where hashing takes 500; four times the sample costs twice that.
SAMPLE_BYTES = 4 << 10
# Less than an eighth off is not worth the time of both sides: float32 weights shrink by 8 % at 0.8 GB/s.
WORTH_IT = 7 / 8
LEAST_BYTES = 256
LEVEL = 1


class Chunker:
    """Cuts buffers. Not for several threads at once.

    Args:
        chunking: the server's parameters.
    """

    def __init__(self, chunking: limits_pb2.Chunking) -> None:
        from pyfastcdc import FastCDC  # here, as `import xpstore` need not wait for it

        self._cdc = FastCDC(
            avg_size=chunking.average_size_bytes,
            min_size=chunking.min_size_bytes,
            max_size=chunking.max_size_bytes,
            normalized_chunking=chunking.normalization,  # type: ignore[arg-type]  # a literal 0 to 3 there
        )

    def cut(self, data: memoryview, *, is_end: bool) -> Iterator[memoryview]:
        """Yields the chunks of a buffer that starts where a chunk starts.

        Args:
            data: bytes of a file.
            is_end: whether the file ends with them. If not, the last chunk is left out: where it ends is not known
                before the bytes after it are.
        """
        if len(data) <= self._cdc.min_size:
            if is_end and data:
                yield data
            return
        before: memoryview | None = None
        for chunk in self._cdc.cut_buf(data):
            if before is not None:
                yield before
            before = data[chunk.offset : chunk.offset + chunk.length]
        if is_end and before is not None:
            yield before


class Encoder:
    """Compresses chunks where that pays. Not for several threads at once."""

    @cached_property
    def _zstd(self):  # type: ignore[no-untyped-def]  # imported late, as it takes a while
        import zstandard  # here, as `import xpstore` need not wait for it

        return zstandard.ZstdCompressor(level=LEVEL)

    def encode(self, data: memoryview) -> tuple[int, bytes | memoryview]:
        """Returns a codec and the encoded bytes: zstd where a sample says that it saves an eighth, else as they are."""
        encoded = self._compressed(data) if len(data) >= LEAST_BYTES else None
        return (CODEC_NONE, data) if encoded is None else (CODEC_ZSTD, encoded)

    def _compressed(self, data: memoryview) -> bytes | None:
        start = max(len(data) - SAMPLE_BYTES, 0) // 2
        sample = data[start : start + SAMPLE_BYTES]
        if len(self._zstd.compress(sample)) > WORTH_IT * len(sample):
            return None
        encoded: bytes = self._zstd.compress(data)
        return encoded if len(encoded) <= WORTH_IT * len(data) else None
