"""Trees of files: scanned on this machine, written as a manifest, and laid down again."""

import io
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from xpstore._files.index import Cut
from xpstore.errors import DataLoss, InvalidArgument
from xpstore.v1 import artifact_pb2 as pb

# Chunks in one manifest entry and estimated bytes in one page: both half of what the service takes.
ENTRY_CHUNKS = 12_000
PAGE_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a tree before it is uploaded: a file on disk, bytes in memory, or an empty directory.

    `status` is what the file system said of a file before it was read.
    """

    path: str
    location: Path | bytes | None
    size_bytes: int
    executable: bool = False
    status: os.stat_result | None = None

    def is_unchanged(self) -> bool:
        """Whether the file system says of the file what it said before it was read."""
        if not isinstance(self.location, Path) or self.status is None:
            return False
        try:
            now, then = self.location.stat(), self.status
        except OSError:
            return False
        fields = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
        return all(getattr(now, name) == getattr(then, name) for name in fields)

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
    return Source(_encodable(location, path), location, status.st_size, bool(status.st_mode & stat.S_IXUSR), status)


def _encodable(location: Path, path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"source = {str(location)!r}: the name is not valid Unicode") from None
    return path


def _unreadable(location: Path, error: OSError | ValueError) -> InvalidArgument:
    reason = getattr(error, "strerror", None) or error
    return InvalidArgument(f"source = {str(location)!r}: cannot be read ({reason})")


def entries_of(source: Source, cut: Cut | None) -> Iterator[pb.ManifestEntry]:
    """Yields a source as manifest entries of bounded size: one, or several for a huge file; None is a directory."""
    if cut is None:
        yield pb.ManifestEntry(path=source.path, type=pb.FILE_TYPE_DIRECTORY)
        return
    # Not the size of the scan: the file may have grown since, and what was read is what is saved.
    size_bytes = sum(size for _, size in cut.chunks)
    offset = 0
    for start in range(0, len(cut.chunks) or 1, ENTRY_CHUNKS):
        some = cut.chunks[start : start + ENTRY_CHUNKS]
        yield pb.ManifestEntry(
            path=source.path,
            type=pb.FILE_TYPE_FILE,
            executable=source.executable,
            size_bytes=size_bytes,
            digest=cut.digest,
            offset=offset,
            chunk_digests=b"".join(digest for digest, _ in some),
            chunk_sizes=[size for _, size in some],
        )
        offset += sum(size for _, size in some)


def bare_entry(source: Source, digest: bytes) -> pb.ManifestEntry:
    """A source as an entry without chunks: what the identity of a tree is made of."""
    if source.location is None:
        return pb.ManifestEntry(path=source.path, type=pb.FILE_TYPE_DIRECTORY)
    return pb.ManifestEntry(
        path=source.path,
        type=pb.FILE_TYPE_FILE,
        executable=source.executable,
        size_bytes=source.size_bytes,
        digest=digest,
    )


def tree_digest(entries: Iterable[pb.ManifestEntry]) -> bytes:
    """The identity of a tree (docs/protocol.md), of its sorted entries; those that continue a file do not count."""
    digest = blake3(b"xpstore tree v1\n")
    for entry in entries:
        if entry.offset:
            continue
        path, is_directory = entry.path.encode(), entry.type == pb.FILE_TYPE_DIRECTORY
        digest.update(struct.pack("<I", len(path)) + path)
        digest.update(struct.pack("<BBQ", 2 if is_directory else 1, entry.executable, entry.size_bytes))
        digest.update(entry.digest or bytes(32))
    return digest.digest()


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


class Folder:
    """A folder on this machine that paths from the wire are laid down in, and never leave."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._made: set[str] = set()

    def target(self, path: str) -> Path:
        """Where a file goes; the directories above it are made.

        Raises:
            DataLoss: the path is not one that a sound server sends.
            InvalidArgument: a link in the folder leads out of it.
        """
        _check_safe(path)
        directory, _, name = path.rpartition("/")
        if directory not in self._made:
            self._make(directory)
        return self._root / directory / name

    def make(self, path: str) -> None:
        """Makes a directory; raises as `target` does."""
        _check_safe(path)
        self._make(path)

    def _make(self, path: str) -> None:
        directory = self._root / path
        # A link that was in the folder before must not lead what is written out of it either.
        if not directory.resolve().is_relative_to(self._real_root):
            raise InvalidArgument(f"{directory} is a link that leads out of {self._root}: remove it first")
        directory.mkdir(parents=True, exist_ok=True)
        self._made.add(path)


def _check_safe(path: str) -> None:
    if not path or _UNSAFE.search(path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise DataLoss(f"The server sent the path {path!r}, which could leave the target folder.")
