"""Blobs as files below one folder."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from xpstore_server.store.blobs import Buffer
from xpstore_server.store.errors import BlobMissing, InvalidStoreURL, StoreUnavailable


class DiskBlobs:
    """Each object is written beside its place, synced, and renamed into it: it is whole or not there."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidStoreURL(f"XPSTORE_BLOB_URL: cannot use the folder {folder}: {error.strerror}") from None

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        path = self._folder / key
        draft = _draft(path)
        try:
            self._make_folder(path.parent)
            with open(draft, "wb", buffering=0) as file:
                # Part by part: one writev of them all took three times the CPU in the kernel.
                for part in parts:
                    view = memoryview(part)
                    while view:
                        view = view[file.write(view) :]
                os.fdatasync(file.fileno())
            draft.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StoreUnavailable(f"The blob folder cannot be written: {error.strerror}") from error

    def get(self, key: str, offset: int, length: int) -> bytes:
        try:
            with open(self._folder / key, "rb", buffering=0) as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except OSError as error:
            raise StoreUnavailable(f"The blob folder cannot be read: {error.strerror}") from error

    def delete(self, key: str) -> None:
        try:
            # The draft too: a write that a crash cut short left no more than that.
            for path in (_draft(self._folder / key), self._folder / key):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"The blob folder cannot be written: {error.strerror}") from error

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return (found for found in _files(self._folder, "") if found[0].startswith(prefix))

    def close(self) -> None:
        pass

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _draft(path: Path) -> Path:
    """Each key is written once, by one writer."""
    return path.with_name(f".{path.name}")


def _files(folder: Path, parent: str) -> Iterator[tuple[str, int]]:
    """Path and size of all files below a folder in the order of paths, without drafts."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(folder / entry.name, f"{parent}{entry.name}/")
            elif not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):  # removed since
                    yield parent + entry.name, entry.stat(follow_symlinks=False).st_size
    except OSError as error:
        raise StoreUnavailable(f"The blob folder cannot be read: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """A rename or a new folder is durable only when the folder that holds it is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
