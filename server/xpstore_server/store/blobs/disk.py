"""Blobs as files below one folder."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from xpstore.format.pack_files import PackWriter
from xpstore_server.locations import shown
from xpstore_server.store.blobs.store import Buffer, Spot
from xpstore_server.store.errors import BlobMissing, InvalidStoreURL, StoreFull
from xpstore_server.store.room import Disk, translated

# Where clients of an embedded server lay packs down: what is here is nothing's yet.
INLET = "incoming"


class DiskBlobs:
    """Each object is written beside its place, synced, and renamed into it: it is whole or not there.

    Args:
        folder: where; made if it is missing.
        kept_mib: how much room stays free for deletions; default as of `Disk`.
    """

    is_own_folder = True

    def __init__(self, folder: str | Path, kept_mib: int | None = None) -> None:
        self._folder = Path(folder)
        self._writer = PackWriter()
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
                self._writer.write(partial, parts)
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

    def inlet(self, key: str, size_bytes: int, crc32: int, seconds: int) -> Spot:
        if not self.disk.has_room(size_bytes):
            raise StoreFull(self.disk.full())
        path = self._inlet(key)
        try:
            self._make_folder(path.parent)
        except OSError as error:
            raise translated(error, "The blob folder cannot be written") from error
        return Spot(path=str(path.absolute()))

    def adopt(self, key: str, size_bytes: int) -> int:
        path, inlet = self._folder / key, self._inlet(key)
        try:
            self._make_folder(path.parent)
            with contextlib.suppress(FileNotFoundError):  # it was adopted before, by a call that ended too soon
                if not stat.S_ISREG(inlet.lstat().st_mode):
                    raise BlobMissing(key)
                file = os.open(inlet, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    os.fdatasync(file)  # whatever the client did: acknowledged is durable
                    inlet.rename(path)
                finally:
                    os.close(file)
                _sync_folder(path.parent)
            return path.stat().st_size
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except OSError as error:
            raise translated(error, "The blob folder cannot be written") from error

    def _inlet(self, key: str) -> Path:
        return self._folder / INLET / key.replace("/", "-")

    def delete(self, key: str) -> None:
        try:
            # The partial one too: a write that a crash cut short left no more than that, or what a client began.
            for path in (_partial_path(self._folder / key), self._inlet(key), self._folder / key):
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
