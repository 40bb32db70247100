"""Copies of one small file each, as most results are: one file, which one call reads and one digest verifies.

In it are four bytes that say how long the manifest is, the manifest, and the bytes of the file.
"""

import contextlib
import os
import time
from pathlib import Path

from blake3 import blake3

from xpstore._files.manifest import tree_digest
from xpstore.errors import DataLoss, NotFound
from xpstore.v1 import artifact_pb2 as pb

SUFFIX = ".small"
MOST_BYTES = 64 << 10
# With what stands before the bytes: a path may have 4,096 of them.
_MOST_READ = MOST_BYTES + (8 << 10)
# A copy counts as used at most so long ago: to write that down costs as much as to read it.
_USED_SECONDS = 60.0
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class SmallCopy:
    """The only file of a version, verified."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._data = data

    def read(self, path: str) -> bytearray:
        """The bytes of the file, writable and the caller's own.

        Raises:
            NotFound: it is another one.
        """
        if path != self._path:
            raise NotFound(f"The result has no file {path!r}.", reason="NOT_FOUND")
        return bytearray(self._data)

    def path(self, path: str) -> Path:
        """Raises DataLoss: a result that has paths has more than one file."""
        raise no_such_path(path)


def no_such_path(path: str) -> DataLoss:
    """The error of a result that says it has a path, and has no such file."""
    return DataLoss(f"The result names the path {path!r}, and has nothing of that path: it is damaged or made up.")


def is_small(entries: list[pb.ManifestEntry]) -> bool:
    """Whether a tree can be kept in this way."""
    return len(entries) == 1 and entries[0].type == pb.FILE_TYPE_FILE and entries[0].size_bytes <= MOST_BYTES


def write(path: Path, entry: pb.ManifestEntry, data: bytes) -> None:
    """Writes a copy, which does not appear before it is whole."""
    manifest = entry.SerializeToString()
    made = path.with_name(f".{os.urandom(8).hex()}")
    made.write_bytes(len(manifest).to_bytes(4, "big") + manifest + data)
    os.replace(made, path)


def find(path: str, digest: bytes) -> SmallCopy | None:
    """The copy of the tree of this digest, if it is there and sound; one that is not sound is removed."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:
        return None
    try:
        whole = os.read(descriptor, _MOST_READ)
        used_at = os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
    copy = _verified(whole, digest)
    with contextlib.suppress(OSError):
        if copy is None:
            os.unlink(path)
        elif not 0 <= time.time() - used_at < _USED_SECONDS:
            os.utime(path)
    return copy


def _verified(whole: bytes, digest: bytes) -> SmallCopy | None:
    start = 4 + int.from_bytes(whole[:4], "big")
    data = whole[start:]
    try:
        entry = pb.ManifestEntry.FromString(whole[4:start])
        is_sound = entry.digest == blake3(data).digest() and tree_digest([entry]) == digest
    except Exception:  # no manifest at all
        return None
    return SmallCopy(entry.path, data) if is_sound and len(data) == entry.size_bytes else None
