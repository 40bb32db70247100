"""Chunks as they travel and rest: how they are encoded, and where they lie in packs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import zstandard
from blake3 import blake3

from xpstore.format.packs import PackedChunk, packed
from xpstore_server.store.blobs.store import BlobStore, Buffer
from xpstore_server.store.errors import BlobDamaged
from xpstore_server.store.packs import pack_key

NONE, ZSTD = 1, 2
# One read: so large that its own cost does not count, so small that one for each of hundreds of streams fits in memory.
READ_BYTES = 2 << 20
# Of what a client wrote: each request costs an S3 server and us as much as 2 MiB of its bytes.
READ_BACK_BYTES = 4 << 20
# Cheaper to read over than to read twice.
GAP_BYTES = 64 << 10


class Place(NamedTuple):
    """Where a chunk lies."""

    digest: bytes
    pack_id: str
    offset: int
    stored_size: int
    raw_size: int
    codec: int


class BadChunk(Exception):
    """A chunk whose bytes are not what it says."""


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """A chunk as it travels and rests."""

    digest: bytes
    codec: int
    raw_size: int
    data: Buffer


def decode(codec: int, data: Buffer, raw_size: int, *, is_new: bool = False) -> Buffer:
    """Returns the raw bytes; never more than `raw_size`, however the frame lies about itself.

    Of a new chunk the frame must be all: bytes after it would be stored and sent on. Old ones may have some.
    """
    if codec == NONE:
        raw = data
    elif codec == ZSTD:
        try:
            declared = zstandard.frame_content_size(data)
            if declared not in (-1, raw_size):
                raise BadChunk(f"is a zstd frame of {declared} bytes, not of raw_size_bytes = {raw_size}")
            frames = zstandard.ZstdDecompressor(max_window_size=8 << 20)
            raw = frames.decompress(data, max_output_size=raw_size, allow_extra_data=not is_new)
        except zstandard.ZstdError:
            raise BadChunk("is no zstd frame, or more than one") from None
    else:
        raise BadChunk(f"has the unknown codec {codec}")
    if len(raw) != raw_size:
        raise BadChunk(f"does not decode to raw_size_bytes = {raw_size}")
    return raw


def verify(encoded: EncodedChunk, *, is_new: bool = False) -> Buffer:
    """Returns the raw bytes if they have the digest they should."""
    raw = decode(encoded.codec, encoded.data, encoded.raw_size, is_new=is_new)
    if blake3(raw).digest() != encoded.digest:
        raise BadChunk("does not have the digest it is sent under")
    return raw


def checked(encoded: EncodedChunk) -> Buffer:
    """Returns the raw bytes of a stored chunk; raises BlobDamaged if they are not what was stored."""
    try:
        return verify(encoded)
    except BadChunk as error:
        raise BlobDamaged(f"chunk {encoded.digest.hex()} {error}") from None


def neighbours(places: Iterable[Place], size_bytes: int = READ_BYTES) -> Iterator[list[Place]]:
    """Puts places that follow each other closely in one pack together, so that those of a list are one read."""
    near: list[Place] = []
    for place in places:
        if near and not _follows(near, place, size_bytes):
            yield near
            near = []
        near.append(place)
    if near:
        yield near


def extent_of(near: Sequence[Place]) -> int:
    """How many bytes chunks take that lie close to each other, with what is between."""
    return near[-1].offset + near[-1].stored_size - near[0].offset


def cut_out(data: Buffer, near: Sequence[Place]) -> Iterator[EncodedChunk]:
    """The chunks of what was read of a pack, as views of it."""
    view = memoryview(data)
    for place in near:
        start = place.offset - near[0].offset
        yield EncodedChunk(place.digest, place.codec, place.raw_size, view[start : start + place.stored_size])


def _follows(near: list[Place], place: Place, size_bytes: int) -> bool:
    first, last = near[0], near[-1]
    gap = place.offset - last.offset - last.stored_size
    size = place.offset + place.stored_size - first.offset
    return bool(place.pack_id == last.pack_id and 0 <= gap <= GAP_BYTES and size <= size_bytes)


def place(chunks: Iterable[EncodedChunk]) -> Iterator[PackedChunk]:
    """Says where chunks lie in a pack that holds them in this order."""
    return packed((entry.digest, entry.codec, entry.raw_size, entry.data) for entry in chunks)


def read_back(blobs: BlobStore, pool: str, pack_id: str, placed: Iterable[PackedChunk]) -> None:
    """Reads the chunks of a pack, of which nobody has said yet that they are what its footer says; raises BadChunk."""
    places = (Place(c.digest, pack_id, c.offset, c.stored_size, c.raw_size, c.codec) for c in placed)
    for near in neighbours(places, READ_BACK_BYTES):
        for entry in cut_out(blobs.get(pack_key(pool, pack_id), near[0].offset, extent_of(near)), near):
            verify(entry, is_new=True)
