"""What is under way of an upload: windows that are asked about, and batches that are sent."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from xpstore.format.messages import WireChunk
from xpstore.format.pack_files import PackBuffer


@dataclass(slots=True)
class UploadWindow:
    """Chunks asked about together, and what they are views of."""

    chunks: list[tuple[bytes, memoryview]] = field(default_factory=list)
    size_bytes: int = 0
    block: bytearray | None = None
    hashed: "Future[Any] | None" = None
    missing: "Future[list[int]] | None" = None

    @property
    def is_answered(self) -> bool:
        return self.missing is not None and self.missing.done()


@dataclass(slots=True)
class UploadBatch:
    """Messages of one stream; or what they would have, in the buffer of a pack that goes past the server."""

    pack: PackBuffer | None = None
    packed: list[list[WireChunk]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    raw_bytes: int = 0
