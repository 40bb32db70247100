"""Trees of files: which paths are sound, what the identity of a tree is, and how its manifest is cut into pages.

The tree digest is BLAKE3 over

    "xpstore tree v1" and a line feed, then for each entry in the order of the paths' UTF-8 bytes:
    path length (u32), path, type (u8: 1 file, 2 empty directory), executable (u8), size (u64), file digest (32 bytes)

with little-endian integers, and 32 zero bytes as the digest of a directory. How files are cut is not part of it.
"""

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Protocol, TypeVar

from blake3 import blake3

PATH_BYTES = 4_096
# Raw bytes of a chunk. A client that believed what a server says of it would take any.
CHUNK_BYTES = 1 << 20
# Estimated bytes of one page: half of what the service takes.
PAGE_BYTES = 512 << 10

_HEADER = b"xpstore tree v1\n"
_NUMBERS = struct.Struct("<BBQ")
_NO_DIGEST = bytes(32)
_LENGTH = struct.Struct("<I")
_DRIVE = re.compile(r"[A-Za-z]:")


def fault_of_path(path: str) -> str | None:
    """What keeps a path from staying inside whatever folder it is joined to, on any system; None if nothing does."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "must be valid Unicode"
    if not 0 < size <= PATH_BYTES:
        return f"must have 1 to {PATH_BYTES} bytes"
    parts = f"/{path}/"
    if "//" in parts or "/./" in parts or "/../" in parts:
        return "must be relative, without empty, '.' or '..' parts"
    if "\x00" in path or "\\" in path or (path[1:2] == ":" and _DRIVE.match(path)):
        return "must not have NUL, a backslash or a drive"
    return None


class TreeHash:
    """The identity of a tree, while its entries come in the order of their paths."""

    def __init__(self) -> None:
        self._hash = blake3(_HEADER)

    def add(self, path: str, *, is_directory: bool, executable: bool, size_bytes: int, digest: bytes) -> None:
        """Takes a file, or a directory that is empty; the parts that continue a large file do not count."""
        name = path.encode()
        numbers = _NUMBERS.pack(2 if is_directory else 1, executable, size_bytes)
        self._hash.update(_LENGTH.pack(len(name)) + name + numbers + (digest or _NO_DIGEST))

    def digest(self) -> bytes:
        """The 32 bytes of it."""
        return self._hash.digest()


@dataclass(frozen=True, slots=True)
class Cut:
    """How a file was cut.

    Attributes:
        digest: BLAKE3 of the whole file, 32 bytes.
        chunks: digest (32 bytes) and size in bytes of each chunk, in order.
    """

    digest: bytes
    chunks: list[tuple[bytes, int]]


class ManifestPart(Protocol):
    """What cutting into pages must know of an entry."""

    @property
    def path(self) -> str:
        """Where the file is in its tree."""

    @property
    def offset(self) -> int:
        """Where in its file this part of it begins."""

    @property
    def chunk_sizes(self) -> Sized:
        """Its chunks."""


Entry = TypeVar("Entry", bound=ManifestPart)


@dataclass(frozen=True, slots=True)
class PageRef:
    """Names a page and says where it starts; a path that the page before starts with too is left out."""

    digest: bytes
    size_bytes: int
    first_path: str
    first_offset: int


def paginate(entries: Iterable[Entry], encode: Callable[[list[Entry]], bytes]) -> Iterator[tuple[PageRef, bytes]]:
    """Cuts sorted entries into pages, each with its reference.

    Args:
        entries: of bounded size each, about half a page at most.
        encode: writes a page.
    """
    page: list[Entry] = []
    size, last_path = 0, ""
    for entry in entries:
        estimate = len(entry.path.encode()) + 64 + 40 * len(entry.chunk_sizes)
        if page and size + estimate > PAGE_BYTES:
            yield _page(page, last_path, encode)
            last_path, page, size = page[0].path, [], 0
        page.append(entry)
        size += estimate
    if page:
        yield _page(page, last_path, encode)


def _page(page: list[Entry], last_path: str, encode: Callable[[list[Entry]], bytes]) -> tuple[PageRef, bytes]:
    data, first = encode(page), page[0]
    first_path = "" if first.path == last_path else first.path
    return PageRef(blake3(data).digest(), len(data), first_path, first.offset), data
