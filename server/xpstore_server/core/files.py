"""Files of a version: found, listed and read in ranges, touching the root and the pages that matter."""

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from sqlalchemy import Row

from xpstore.format.tree import PageRef
from xpstore_server.core import artifact
from xpstore_server.core.errors import InvalidArgument, NotFound
from xpstore_server.core.manifest import Entry, ManifestCodec
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database

K = TypeVar("K")
V = TypeVar("V")

# Decoded pages and roots kept: at most a few MiB each.
RECENT = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a chunk's raw bytes."""

    digest: bytes
    start: int
    stop: int


class Files:
    """Reads manifests of versions."""

    def __init__(self, database: Database, chunks: ChunkStore, codec: ManifestCodec) -> None:
        self._database = database
        self._chunks = chunks
        self._codec = codec
        self._roots: _Recent[str, list[PageRef]] = _Recent(RECENT)
        self._decoded: _Recent[tuple[str, bytes], list[Entry]] = _Recent(RECENT)

    def find(self, version: Row[Any], path: str) -> Entry:
        """Returns a file's entry; an empty path means the only file there is."""
        pages = self._pages(version)
        if not path:
            return self._only(version, pages)
        entry = next(self._entries(version, pages, path, 0), None)
        if entry is None or entry.path != path or entry.is_directory:
            raise NotFound("file", path)
        return entry

    def pieces(self, version: Row[Any], path: str, offset: int, length: int) -> Iterator[Piece]:
        """Yields what makes up a range of a file, in order."""
        end = offset + length
        if length == 0:
            return
        for entry in self._entries(version, self._pages(version), path, offset):
            position = entry.offset
            if entry.path != path or position >= end:
                return
            for digest, size in zip(entry.chunk_digests, entry.chunk_sizes, strict=True):
                if position < end and position + size > offset:
                    yield Piece(digest, max(offset - position, 0), min(end - position, size))
                position += size

    def list_page(self, version: Row[Any], prefix: str, after: str, size: int) -> tuple[list[Entry], str | None]:
        """Returns at most `size` entries after a path, and the path to go on after."""
        files: list[Entry] = []
        start = max(after, prefix, key=str.encode)
        for entry in self._entries(version, self._pages(version), start, 0):
            path = entry.path
            if entry.offset or path.encode() <= after.encode():
                continue
            if prefix and path != prefix and not path.startswith(prefix + "/"):
                # "a.b" sorts between "a" and "a/b": only what sorts behind all of "a/" ends the search.
                if path.encode() > prefix.encode() + b"0":
                    break
                continue
            if len(files) == size:
                return files, files[-1].path
            files.append(replace(entry, chunk_digests=(), chunk_sizes=()))
        return files, None

    def pages(self, version: Row[Any], prefix: str) -> Iterator[bytes | memoryview]:
        """Yields the pages of a version, only those that may have a path or what is below it if one is given."""
        pages = self._pages(version)
        if prefix:
            first = bisect_left(pages, prefix.encode(), key=lambda page: page.first_path.encode())
            # "a.b" sorts between "a" and "a/b"; all of "a/" sorts before "a0".
            end = prefix.encode() + b"0"
            pages = [page for page in pages[max(first - 1, 0) :] if page.first_path.encode() < end]
        for page in pages:
            yield from self._chunks.read(version.project_uid, [page.digest])

    def _only(self, version: Row[Any], pages: list[PageRef]) -> Entry:
        entry = next(self._entries(version, pages, "", 0), None)
        if version.file_count != 1 or entry is None or entry.is_directory:
            fix = f"name one of the {version.file_count} files of this version"
            raise InvalidArgument("path", "", fix)
        return entry

    def _pages(self, version: Row[Any]) -> list[PageRef]:
        """The pages of a version, each with its first path written out."""
        if (known := self._roots.get(version.id)) is not None:
            return known
        root = self._codec.decode_root(self._database.read(lambda tx: artifact.manifest(tx, version.id)))
        pages: list[PageRef] = []
        for page in root:
            pages.append(page if page.first_path else replace(page, first_path=pages[-1].first_path))
        self._roots.put(version.id, pages)
        return pages

    def _entries(self, version: Row[Any], pages: list[PageRef], path: str, offset: int) -> Iterator[Entry]:
        """Yields entries from the one that holds (path, offset), or would follow it."""
        start = (path.encode(), offset)
        first = max(bisect_right(pages, start, key=lambda page: (page.first_path.encode(), page.first_offset)) - 1, 0)
        for page in pages[first:]:
            entries = self._page(version.project_uid, page.digest)
            # The part of a file that starts at or before the offset is the one that holds it.
            index = max(bisect_right(entries, start, key=lambda entry: (entry.path.encode(), entry.offset)) - 1, 0)
            for entry in entries[index:]:
                is_before = entry.path.encode() < start[0]
                is_early = entry.path == path and entry.chunk_sizes and entry.offset + sum(entry.chunk_sizes) <= offset
                if not is_before and not is_early:
                    yield entry

    def _page(self, pool: str, digest: bytes) -> list[Entry]:
        key = (pool, digest)
        if (known := self._decoded.get(key)) is not None:
            return known
        entries = self._codec.decode_page(next(self._chunks.read(pool, [digest])))
        self._decoded.put(key, entries)
        return entries


class _Recent(Generic[K, V]):
    """The few values used last: reading the files of a directory one by one must not decode its pages each time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._size:
                self._values.popitem(last=False)
