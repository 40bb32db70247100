"""Trees of files: their manifest, and what makes one sound. What both sides agree on is in `xpstore.format.tree`."""

from collections.abc import Callable
from dataclasses import dataclass

from blake3 import blake3

from xpstore.format.tree import PageRef, TreeHash, fault_of_path
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument

# The digest of a file without bytes.
NOTHING = blake3().digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a part of one, or an empty directory."""

    path: str
    is_directory: bool
    executable: bool
    size_bytes: int
    digest: bytes
    offset: int = 0
    chunk_digests: tuple[bytes, ...] = ()
    chunk_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestCodec:
    """How pages and roots are written; the wire's business, handed in by the composition root."""

    decode_page: Callable[[bytes | memoryview], list[Entry]]
    encode_page: Callable[[list[Entry]], bytes]
    decode_root: Callable[[bytes], list[PageRef]]
    encode_root: Callable[[list[PageRef]], bytes]


def check_path(field: str, path: str) -> str:
    """Returns a path that stays inside whatever folder it is joined to."""
    if fault := fault_of_path(path):
        raise InvalidArgument(field, path, fault)
    return path


def check_digest(entry: Entry) -> None:
    """Refuses a file of one chunk, or of none, whose digest is not that of its bytes. Others are not read for that."""
    if entry.is_directory or entry.chunk_sizes != ((entry.size_bytes,) if entry.size_bytes else ()):
        return
    if entry.digest != (entry.chunk_digests[0] if entry.size_bytes else NOTHING):
        raise InvalidArgument("entries.digest", entry.digest.hex(), f"is not that of the bytes of {entry.path!r}")


class Tree:
    """Checks entries in order and sums them up."""

    def __init__(self) -> None:
        self._hash = TreeHash()
        self._open: Entry | None = None
        self._covered = 0
        self._last_path = b""
        self._ancestors: list[bytes] = []
        self.size_bytes = 0
        self.file_count = 0

    def add(self, entry: Entry) -> None:
        """Takes the next entry; raises InvalidArgument if it cannot follow."""
        if self._open is not None and entry.path == self._open.path:
            self._continue(entry)
        else:
            self._close()
            self._start(entry)
        for size in entry.chunk_sizes:
            if not 0 < size <= limits.CHUNK_BYTES:
                raise InvalidArgument("chunk_sizes", size, f"must be 1 to {limits.CHUNK_BYTES}")
            self._covered += size

    def finish(self) -> bytes:
        """Returns the tree digest."""
        self._close()
        return self._hash.digest()

    def _continue(self, entry: Entry) -> None:
        first = self._open
        assert first is not None
        same = (entry.is_directory, entry.executable, entry.size_bytes, entry.digest)
        if same != (first.is_directory, first.executable, first.size_bytes, first.digest) or first.is_directory:
            raise InvalidArgument("entries.path", entry.path, "is there twice, with different contents")
        if entry.offset != self._covered or not self._covered:
            raise InvalidArgument("entries.offset", entry.offset, f"must be {self._covered} in {entry.path!r}")
        if not entry.chunk_sizes:
            raise InvalidArgument("entries.chunk_sizes", "", f"must not be empty in a further part of {entry.path!r}")

    def _start(self, entry: Entry) -> None:
        path = check_path("entries.path", entry.path).encode()
        if path <= self._last_path:
            raise InvalidArgument("entries.path", entry.path, "must follow in the order of UTF-8 bytes")
        while self._ancestors and not path.startswith(self._ancestors[-1]):
            self._ancestors.pop()
        if any(path[len(above) : len(above) + 1] == b"/" for above in self._ancestors):
            raise InvalidArgument("entries.path", entry.path, "is below an entry that is a file or an empty directory")
        self._ancestors.append(path)
        if entry.offset != 0:
            raise InvalidArgument("entries.offset", entry.offset, f"must be 0 in the first part of {entry.path!r}")
        if entry.is_directory and (entry.size_bytes or entry.digest or entry.executable):
            raise InvalidArgument("entries.type", entry.path, "a directory has no size, digest or executable bit")
        if not entry.is_directory and (len(entry.digest) != 32 or entry.size_bytes < 0):
            raise InvalidArgument("entries.digest", entry.digest, f"must have 32 bytes in {entry.path!r}")
        self._open, self._covered, self._last_path = entry, 0, path

    def _close(self) -> None:
        entry, self._open = self._open, None
        if entry is None:
            return
        if self._covered != entry.size_bytes:
            fix = f"the chunks of {entry.path!r} add up to {self._covered}"
            raise InvalidArgument("entries.size_bytes", entry.size_bytes, fix)
        self._hash.add(
            entry.path,
            is_directory=entry.is_directory,
            executable=entry.executable,
            size_bytes=entry.size_bytes,
            digest=entry.digest,
        )
        self.size_bytes += entry.size_bytes
        self.file_count += 1
