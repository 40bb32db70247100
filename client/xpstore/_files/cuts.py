"""How the files of one tree were cut: of any number of files, packed."""

import struct
from collections.abc import Iterable, Iterator

from xpstore.format.tree import Cut

DIGEST_BYTES = 32
_CHUNK = struct.Struct("<32sI")


def pack_chunks(chunks: Iterable[tuple[bytes, int]]) -> bytes:
    """Writes digests and sizes of chunks, 36 bytes each."""
    return b"".join([digest + size.to_bytes(4, "little") for digest, size in chunks])


def unpack_chunks(packed: bytes) -> list[tuple[bytes, int]]:
    """Reads them."""
    if len(packed) == _CHUNK.size:  # most files have one, and this is the fast way
        return [(packed[:DIGEST_BYTES], int.from_bytes(packed[DIGEST_BYTES:], "little"))]
    return list(_CHUNK.iter_unpack(packed))


class Cuts:
    """The cut of each source by its place, None as long as it is not known: 80 bytes of a file of one chunk."""

    def __init__(self, count: int) -> None:
        self._packed: list[bytes | None] = [None] * count

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Cut | None]:
        return (None if packed is None else _unpacked(packed) for packed in self._packed)

    def __contains__(self, place: int) -> bool:
        return self._packed[place] is not None

    def __getitem__(self, place: int) -> Cut:
        return _unpacked(self._of(place))

    def __setitem__(self, place: int, cut: Cut) -> None:
        chunks = pack_chunks(cut.chunks)
        # The only chunk of a file has the digest of the file; others are behind it.
        is_alone = len(chunks) == _CHUNK.size and chunks.startswith(cut.digest)
        self._packed[place] = chunks if is_alone else cut.digest + chunks

    def digest(self, place: int) -> bytes:
        """The digest of a whole file."""
        return self._of(place)[:DIGEST_BYTES]

    def forget(self, place: int) -> None:
        """Has the cut of a file be unknown."""
        self._packed[place] = None

    def _of(self, place: int) -> bytes:
        packed = self._packed[place]
        if packed is None:
            raise KeyError(place)
        return packed


def _unpacked(packed: bytes) -> Cut:
    chunks = packed if len(packed) == _CHUNK.size else packed[DIGEST_BYTES:]
    return Cut(packed[:DIGEST_BYTES], unpack_chunks(chunks))
