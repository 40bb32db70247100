"""Blobs as files below one folder."""

import contextlib
import errno
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from xpstore_server.locations import shown
from xpstore_server.store.blobs.store import Buffer, Spot
from xpstore_server.store.errors import BlobMissing, InvalidStoreURL
from xpstore_server.store.room import Disk, translated

# Below this the page cache is as fast.
DIRECT_FROM_BYTES = 1 << 20
# What goes around the page cache goes in blocks of any disk, from a buffer that starts at one.
BLOCK_BYTES = 4 << 10
BUFFER_BYTES = 2 << 20


class DiskBlobs:
    """Each object is written beside its place, synced, and renamed into it: it is whole or not there.

    Args:
        folder: where; made if it is missing.
        kept_mib: how much room stays free for deletions; default as of `Disk`.
    """

    def __init__(self, folder: str | Path, kept_mib: int | None = None) -> None:
        self._folder = Path(folder)
        self._direct = _DirectWriter()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.disk = Disk("the bucket's disk", self._folder, kept_mib)
        except OSError as error:
            reason = f"cannot use the folder {shown(folder)}: {error.strerror}"
            raise InvalidStoreURL(f"XPSTORE_BLOB_URL: {reason}") from None

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        path = self._folder / key
        partial, size = _partial_path(path), sum(map(len, parts))
        try:
            with self.disk.taken(size):
                self._make_folder(path.parent)
                if size < DIRECT_FROM_BYTES or not self._direct.write(partial, parts):
                    _write(partial, parts)
                partial.rename(path)
                _sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise translated(error, "The blob folder cannot be written") from error

    def get(self, key: str, offset: int, length: int) -> bytes:
        try:
            with open(self._folder / key, "rb", buffering=0) as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except OSError as error:
            raise translated(error, "The blob folder cannot be read") from error

    def spot(self, key: str, offset: int, length: int, seconds: int) -> Spot:
        return Spot(path=str((self._folder / key).absolute()))

    def delete(self, key: str) -> None:
        try:
            # The partial one too: a write that a crash cut short left no more than that.
            for path in (_partial_path(self._folder / key), self._folder / key):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise translated(error, "The blob folder cannot be written") from error

    def check(self, timeout_seconds: float) -> None:
        """Sees whether the folder is there; who waits for it bounds the time."""
        try:
            next(os.scandir(self._folder), None)
        except OSError as error:
            raise translated(error, "The blob folder cannot be read") from error

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return (found for found in _files(self._folder, "") if found[0].startswith(prefix))

    def hidden(self, prefix: str) -> Iterator[tuple[str, int]]:
        return iter(())

    def describe(self) -> Sequence[str]:
        return [f"folder {shown(self._folder)}"]

    def close(self) -> None:
        pass

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


class _DirectWriter:
    """Writes files around the page cache, where the file system can do that (O_DIRECT).

    It makes an upload wait a third as long for a pack: pages that are synced at once are only a detour, and one that
    costs a virtual machine seconds for each GiB of memory that it has not touched before.
    """

    def __init__(self) -> None:
        self._flag: int = getattr(os, "O_DIRECT", 0)
        self._buffers = threading.local()

    def write(self, path: Path, parts: Sequence[Buffer]) -> bool:
        """Writes and syncs a file; False if this file system cannot do it so."""
        if not self._flag:
            return False
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | self._flag, 0o666)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._flag = 0
            return False
        try:
            self._fill(file, parts)
            os.fdatasync(file)
        finally:
            os.close(file)
        return True

    def _fill(self, file: int, parts: Sequence[Buffer]) -> None:
        buffer, used = self._buffer(), 0
        for part in parts:
            view = memoryview(part)
            while view:
                some = view[: BUFFER_BYTES - used]
                buffer[used : used + len(some)] = some
                used, view = used + len(some), view[len(some) :]
                if used == BUFFER_BYTES:
                    _write_all(file, buffer)
                    used = 0
        if used:
            _write_all(file, buffer[: -(-used // BLOCK_BYTES) * BLOCK_BYTES])
            os.ftruncate(file, sum(map(len, parts)))

    def _buffer(self) -> memoryview:
        if not hasattr(self._buffers, "view"):
            self._buffers.view = memoryview(mmap.mmap(-1, BUFFER_BYTES))
        view: memoryview = self._buffers.view
        return view


def _write(path: Path, parts: Sequence[Buffer]) -> None:
    with open(path, "wb", buffering=0) as file:
        # Part by part: one writev of them all took three times the CPU in the kernel.
        for part in parts:
            _write_all(file.fileno(), memoryview(part))
        os.fdatasync(file.fileno())


def _write_all(file: int, view: memoryview) -> None:
    while view:
        view = view[os.write(file, view) :]


def _partial_path(path: Path) -> Path:
    """Each key is written once, by one writer."""
    return path.with_name(f".{path.name}")


def _files(folder: Path, parent: str) -> Iterator[tuple[str, int]]:
    """Path and size of all files below a folder in the order of paths, without partial ones."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder / entry.name, f"{parent}{entry.name}/")
            elif not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):  # removed since
                    yield parent + entry.name, entry.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise translated(error, "The blob folder cannot be read") from error


def _sync_folder(folder: Path) -> None:
    """A rename or a new folder is durable only when the folder that holds it is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
