"""What streams of bytes share."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from xpstore_server.core.manifest import ManifestCodec
from xpstore_server.core.publish import Publisher
from xpstore_server.rpc.uploads.packing import Budget, Durable, Packer
from xpstore_server.rpc.uploads.turns import Turns
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database

# The id of the version that a file became, and whether its upload made it.
Published = tuple[str, bool]


@dataclass(slots=True, eq=False)
class Live:
    """A stream of UploadFile that is under way here.

    Attributes:
        header_hash: what it was opened with.
        stop: ends it with an error.
        is_ending: whether no more of it is read.
        publishing: what becomes of a file that came whole.
        ended: set when all is done that is done with it.
    """

    header_hash: bytes
    stop: Callable[[BaseException], None]
    is_ending: bool = False
    publishing: asyncio.Task[Published] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float) -> None:
        """Returns when it has ended, or after so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)


@dataclass(frozen=True, slots=True)
class Intake:
    """What streams of bytes share.

    Attributes:
        live: streams of UploadFile that are under way here, by principal and id of their upload.
    """

    database: Database
    chunks: ChunkStore
    publisher: Publisher
    codec: ManifestCodec
    budget: Budget
    executor: Executor
    turns: Turns
    live: dict[tuple[str, str], Live] = field(default_factory=dict)

    def packer(self, pool: str, on_durable: Durable | None = None, file_bytes: int | None = None) -> Packer:
        return Packer(pool, self.chunks, self.budget, self.executor, on_durable, file_bytes)
