"""Trees of files: scanned on this machine, written as a manifest, and laid down again."""

import io
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from blake3 import blake3

from xpstore.errors import DataLoss, InvalidArgument
from xpstore.v1 import artifact_pb2 as pb

# Chunks in one manifest entry and estimated bytes in one page: both half of what the service takes.
ENTRY_CHUNKS = 12_000
PAGE_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a tree before it is uploaded: a file on disk, bytes in memory, or an empty directory."""

    path: str
    location: Path | bytes | None
    size_bytes: int
    executable: bool = False

    def open(self) -> BinaryIO:
        """Opens the bytes."""
        if isinstance(self.location, bytes):
            return io.BytesIO(self.location)
        assert self.location is not None
        try:
            return open(self.location, "rb", buffering=0)
        except OSError as error:
            raise _unreadable(self.location, error) from None


def scan(source: str | os.PathLike[str] | bytes, name: str = "data") -> list[Source]:
    """Lists what a file, a directory or bytes consist of, in canonical order.

    Symbolic links are followed: what they point to is what is saved. Sockets, pipes and devices are refused.

    Args:
        source: a path, or the bytes of a file.
        name: path of the only file, when `source` is bytes.

    Raises:
        InvalidArgument: the path is missing or unreadable, or has something that cannot be saved.
    """
    if isinstance(source, bytes):
        return [Source(name, source, len(source))]
    root = Path(source)
    if root.is_dir():
        return sorted(_walk(root, "", frozenset()), key=lambda entry: entry.path.encode())
    return [_file(root, root.name)]


def _walk(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[Source]:
    real = os.path.realpath(folder)
    if real in above:
        raise InvalidArgument(f"source = {str(folder)!r}: this link leads back to a directory above it")
    try:
        entries = [(entry, entry.is_dir()) for entry in os.scandir(folder)]
    except OSError as error:
        raise _unreadable(folder, error) from None
    if not entries and prefix:
        yield Source(_encodable(folder, prefix.rstrip("/")), None, 0)
    for entry, is_directory in entries:
        path = prefix + entry.name
        if is_directory:
            yield from _walk(Path(entry.path), path + "/", above | {real})
        else:
            yield _file(Path(entry.path), path)


def _file(location: Path, path: str) -> Source:
    try:
        status = location.stat()
    except (OSError, ValueError) as error:  # the latter for NUL
        raise _unreadable(location, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidArgument(f"source = {str(location)!r}: is neither a file nor a directory")
    return Source(_encodable(location, path), location, status.st_size, bool(status.st_mode & stat.S_IXUSR))


def _encodable(location: Path, path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"source = {str(location)!r}: the name is not valid Unicode") from None
    return path


def _unreadable(location: Path, error: OSError | ValueError) -> InvalidArgument:
    reason = getattr(error, "strerror", None) or error
    return InvalidArgument(f"source = {str(location)!r}: cannot be read ({reason})")


class EntryBuilder:
    """Collects the chunks of one file and writes its manifest entries, of bounded size."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hash = blake3()
        self._chunks: list[tuple[bytes, int]] = []

    def add(self, data: bytes) -> bytes:
        """Takes the next chunk and returns its digest."""
        self._hash.update(data)
        digest = blake3(data).digest()
        self._chunks.append((digest, len(data)))
        return digest

    def entries(self) -> Iterator[pb.ManifestEntry]:
        """Yields the entries: one, or several for a huge file."""
        source = self._source
        if source.location is None:
            yield pb.ManifestEntry(path=source.path, type=pb.FILE_TYPE_DIRECTORY)
            return
        # Not the size of the scan: the file may have grown since, and what was read is what is saved.
        size_bytes = sum(size for _, size in self._chunks)
        offset = 0
        for start in range(0, len(self._chunks) or 1, ENTRY_CHUNKS):
            some = self._chunks[start : start + ENTRY_CHUNKS]
            yield pb.ManifestEntry(
                path=source.path,
                type=pb.FILE_TYPE_FILE,
                executable=source.executable,
                size_bytes=size_bytes,
                digest=self._hash.digest(),
                offset=offset,
                chunk_digests=b"".join(digest for digest, _ in some),
                chunk_sizes=[size for _, size in some],
            )
            offset += sum(size for _, size in some)


def paginate(entries: Iterable[pb.ManifestEntry]) -> tuple[pb.ManifestRoot, list[bytes]]:
    """Writes sorted entries as the root and its pages."""
    root, pages = pb.ManifestRoot(), list[bytes]()
    page, size, last_path = pb.ManifestPage(), 0, ""
    for entry in entries:
        estimate = entry.ByteSize()
        if page.entries and size + estimate > PAGE_BYTES:
            last_path = _close(root, pages, page, last_path)
            page, size = pb.ManifestPage(), 0
        page.entries.append(entry)
        size += estimate
    if page.entries:
        _close(root, pages, page, last_path)
    return root, pages


def _close(root: pb.ManifestRoot, pages: list[bytes], page: pb.ManifestPage, last_path: str) -> str:
    data = page.SerializeToString()
    first = page.entries[0]
    root.pages.add(
        digest=blake3(data).digest(),
        size_bytes=len(data),
        first_path="" if first.path == last_path else first.path,
        first_offset=first.offset,
    )
    pages.append(data)
    return first.path


_UNSAFE = re.compile(r"[\x00\\]|^[A-Za-z]:")


def safe_join(folder: Path, path: str) -> Path:
    """Joins a path from the wire to a folder, which it never leaves.

    Raises:
        DataLoss: the path is not one that a sound server sends.
    """
    parts = path.split("/")
    if not path or _UNSAFE.search(path) or any(part in ("", ".", "..") for part in parts):
        raise DataLoss(f"The server sent the path {path!r}, which could leave the target folder.")
    target = folder.joinpath(*PurePosixPath(path).parts)
    # A link that was in the folder before must not lead what is written out of it either.
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InvalidArgument(f"{target.parent} is a link that leads out of {folder}: remove it first")
    return target
