"""Copies of cached results on this machine, so that a hit need not download again: bounded and verified at each use.

A copy is a folder `copies/<tree digest>-<bytes>` in the folder `XPSTORE_CACHE`, else `$XDG_CACHE_HOME/xpstore`, else
`~/.cache/xpstore`; it may be deleted at any time. In it are `files` and `manifest`, whose tree digest is the folder's
name; one small file alone is a file instead (`small_copies.py`). It appears by one rename, so any number of processes
may make the same one, and be killed while they do. The least recently used copies go when all together exceed
`XPSTORE_CACHE_MIB` (10,240); a setting of 0 keeps none.
"""

import atexit
import contextlib
import functools
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from blake3 import blake3

from xpstore._files.download import Download, read_manifest
from xpstore._files.folder import remove_tree
from xpstore._files.local_faults import laying
from xpstore._files.manifest import Tree, checked, listed_entry, tree_digest
from xpstore._files.scan import scan
from xpstore._machine.file_status import identity_of, is_private, is_settled
from xpstore._machine.progress import progress
from xpstore._machine.settings import cache_folder, setting
from xpstore._results import small_copies
from xpstore._results.formats import OwnBuffer, read_file
from xpstore._results.pins import is_free, pin
from xpstore._results.small_copies import SmallCopy, no_such_path
from xpstore._service.connection import Connection
from xpstore.errors import DataLoss, InvalidArgument, NotFound
from xpstore.v1 import artifact_pb2 as pb

DEFAULT_LIMIT_MIB = 10_240
# What a process that is gone was making is removed after this.
UNFINISHED_SECONDS = 86_400
# Smaller files are read: a map costs more than it saves. Larger ones are hashed by several threads.
MAPPED_FROM_BYTES = 1 << 20
# How many of them a process remembers as verified.
REMEMBERED = 10_000
# Folders, manifest and what small files leave empty of their blocks.
ENTRY_BYTES = 16 << 10
# How often a copy that is damaged, or evicted while it is read, is fetched.
ATTEMPTS = 4
MANIFEST = "manifest"
FILES = "files"


T = TypeVar("T")


class Damaged(Exception):
    """A copy is not, or not any more, what it shall be: it is removed and fetched again."""


class LocalCopy:
    """The files of one version on this machine."""

    def __init__(self, folder: Path, entries: list[pb.ManifestEntry]) -> None:
        self._folder = folder
        self._entries = {entry.path: entry for entry in entries}

    def read(self, path: str) -> OwnBuffer:
        """The verified bytes of a file, writable and the caller's own.

        Large ones are a private map of the file, which never changes: what the caller writes stays in memory, and what
        he does not touch is not copied.

        Raises:
            Damaged: the file is missing, or has other bytes than it was saved with.
            NotFound: the version has no such file.
        """
        entry = self._entries.get(path)
        if entry is None or entry.type != pb.FILE_TYPE_FILE:
            raise NotFound(f"The result has no file {path!r}.", reason="NOT_FOUND")
        file = self._folder / FILES / path
        try:
            data = _open(file)
            _verify(file, entry, data)
        except OSError as error:
            raise Damaged(str(error)) from None
        return data

    def path(self, path: str) -> Path:
        """Where a file or directory is, all of it verified; it stays there while this process lives.

        Raises:
            Damaged: a file is missing or has other bytes than it was saved with, or there is one too many.
            DataLoss: the version has nothing of that path.
        """
        mine = {name for name in self._entries if name.startswith(f"{path}/")}
        # Nothing else is a path in the copy, such as one that leads out of it.
        if path not in self._entries and not mine:
            raise no_such_path(path)
        pin(self._folder)
        whole = self._folder / FILES / path
        files = [name for name, entry in self._entries.items() if entry.type == pb.FILE_TYPE_FILE]
        if path in files:
            self.read(path)
            return whole
        try:
            there = {f"{path}/{source.path}" for source in scan(whole)}
        except InvalidArgument as error:  # what cannot be saved was not
            raise Damaged(str(error)) from None
        if there != mine or not whole.is_dir():
            raise Damaged(f"{whole} has other files than it was saved with")
        for name in mine.intersection(files):
            self.read(name)
        return whole


class LocalCopies:
    """All copies of this user.

    Args:
        folder: where they are, made for its owner alone if missing.
        limit_bytes: how much they may hold together.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._path = str(folder)
        self._limit_bytes = limit_bytes
        self._unchecked_bytes = limit_bytes  # what others have put there is not known yet

    @staticmethod
    def here() -> "LocalCopies":
        """The copies of this user; where there is no folder for them, some that go with the process.

        Raises:
            InvalidArgument: XPSTORE_CACHE_MIB is no number.
        """
        limit_bytes = int(setting("XPSTORE_CACHE_MIB", DEFAULT_LIMIT_MIB) * (1 << 20))
        return _copies_in(os.getpid(), cache_folder(), limit_bytes)

    def using(
        self,
        connection: Connection,
        version: pb.ArtifactVersion,
        read: "Callable[[LocalCopy | SmallCopy], T]",
        file: pb.ArtifactFile | None = None,
    ) -> T:
        """Reads a version from its copy, which is made if there is none; or one file of it, without the others.

        Args:
            connection: what is not here is downloaded.
            version: which.
            read: raises Damaged if the copy is not, or not any more, what it shall be.
            file: of the version, the only one in the copy; default all.

        Raises:
            NotFound: it was deleted.
            DataLoss: the bytes are damaged, on the way or on this machine's disk.
        """
        digest, size_bytes = version.digest, version.size_bytes
        if file is not None:
            digest, size_bytes = tree_digest([listed_entry(file)]), file.size_bytes
        path = file.path if file is not None else ""
        for _ in range(ATTEMPTS):
            copy = self.find(digest, size_bytes) or self.fetch(connection, version, path, digest, size_bytes)
            try:
                return read(copy)
            except Damaged:
                self.drop(digest, size_bytes)
            finally:
                self.trim()
        raise DataLoss(f"The copy of {version.name!r} on this machine is damaged as soon as it is made.")

    def find(self, digest: bytes, size_bytes: int) -> LocalCopy | SmallCopy | None:
        """The copy of a version, if it is here and its manifest is sound."""
        name = f"{digest.hex()}-{size_bytes}"
        if size_bytes <= small_copies.MOST_BYTES:
            small = small_copies.find(f"{self._path}{os.sep}{name}{small_copies.SUFFIX}", digest)
            if small is not None:
                return small
        folder = self._folder / name
        try:
            page = pb.ManifestPage.FromString((folder / MANIFEST).read_bytes())
        except Exception:  # not there, most likely; else not readable, or no manifest
            if folder.exists():
                _remove(folder)
            return None
        if tree_digest(page.entries) != digest:
            _remove(folder)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)  # used now
        return LocalCopy(folder, list(page.entries))

    def fetch(
        self, connection: Connection, version: pb.ArtifactVersion, path: str, digest: bytes, size_bytes: int
    ) -> LocalCopy | SmallCopy:
        """Downloads a version, or one file of it: the tree of this digest.

        Raises:
            NotFound: it was deleted.
            DataLoss: what arrives is not what was saved.
            Unavailable: the server is away.
            ResourceExhausted: the disk is full.
        """
        with (
            laying(self._folder, size_bytes),
            self.making() as folder,
            progress(f"Downloading {version.name}", size_bytes) as advance,
        ):
            tree = Tree(digest, size_bytes, 1 if path else version.file_count or None)  # a hit does not say it
            entries = list(checked(read_manifest(connection, version.id, path), tree))
            Download(connection, version.id, folder, advance).run(entries)
            return self.keep(folder, digest, size_bytes, entries)

    @contextlib.contextmanager
    def making(self) -> Iterator[Path]:
        """A folder to put the files of a copy in; it is removed unless it is kept."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".", dir=self._folder))
        try:
            (folder / FILES).mkdir()
            yield folder / FILES
        finally:
            _remove(folder)

    def keep(
        self, made: Path, digest: bytes, size_bytes: int, entries: Iterable[pb.ManifestEntry]
    ) -> LocalCopy | SmallCopy:
        """Makes a folder the copy of a tree.

        Args:
            made: what `making` gave.
            digest: of the tree whose files are in it.
            size_bytes: sum of the sizes of its files.
            entries: its manifest.

        Raises:
            Damaged: it is not that of the tree.
        """
        known = [_bare(entry) for entry in entries if not entry.offset]
        if tree_digest(known) != digest:
            raise Damaged(f"{made} does not hold the tree {digest.hex()}")
        folder = self._folder / f"{digest.hex()}-{size_bytes}"
        if small_copies.is_small(known):
            data = (made / known[0].path).read_bytes()
            small_copies.write(folder.with_name(folder.name + small_copies.SUFFIX), known[0], data)
            self._unchecked_bytes += _size_in(folder.name)
            return SmallCopy(known[0].path, data)
        for entry in known:
            if entry.type == pb.FILE_TYPE_FILE:
                _make_read_only(made / entry.path)
        (made.parent / MANIFEST).write_bytes(pb.ManifestPage(entries=known).SerializeToString())
        with contextlib.suppress(OSError):  # there is one already, which is as good if it is sound
            made.parent.rename(folder)
            self._unchecked_bytes += _size_in(folder.name)
        return LocalCopy(folder, known)

    def drop(self, digest: bytes, size_bytes: int) -> None:
        """Removes a copy."""
        for suffix in ("", small_copies.SUFFIX):
            _remove(self._folder / f"{digest.hex()}-{size_bytes}{suffix}")

    def trim(self) -> None:
        """Removes the least recently used copies until the rest is within the limit, but for those in use as files.

        Looks only after a hundredth of the limit was added.
        """
        if self._unchecked_bytes * 100 < self._limit_bytes:
            return
        self._unchecked_bytes = 0
        with contextlib.suppress(OSError):
            names = os.listdir(self._folder)
            total = sum(_size_in(name) for name in names)
            self._remove_unfinished(names)
            if total > self._limit_bytes:
                self._evict(names, total)

    def _evict(self, names: list[str], total: int) -> None:
        by_use = sorted((_used_at(self._folder / name), name) for name in names if not name.startswith("."))
        for _, name in by_use:
            if total <= self._limit_bytes:
                return
            if is_free(self._folder / name):
                _remove(self._folder / name)
                total -= _size_in(name)

    def _remove_unfinished(self, names: list[str]) -> None:
        for name in names:
            if name.startswith(".") and time.time() - _used_at(self._folder / name) > UNFINISHED_SECONDS:
                _remove(self._folder / name)


@functools.cache
def _copies_in(pid: int, folder: Path | None, limit_bytes: int) -> LocalCopies:
    return LocalCopies(_usable(folder), limit_bytes)


def _usable(folder: Path | None) -> Path:
    """The folder of copies, or one that goes with the process where that cannot be."""
    if folder is not None:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            copies = folder / "copies"
            copies.mkdir(mode=0o700, exist_ok=True)
            if is_private(folder) and is_private(copies) and os.access(copies, os.W_OK):
                return copies
    return _temporary(os.getpid())


@functools.cache
def _temporary(pid: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="xpstore-copies-"))
    atexit.register(_clear, folder, pid)
    return folder


def _clear(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child leaves it to its parent
        remove_tree(folder)


def _open(path: Path) -> OwnBuffer:
    if path.stat().st_size < MAPPED_FROM_BYTES:
        return read_file(path)
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _verify(path: Path, entry: pb.ManifestEntry, data: OwnBuffer) -> None:
    """Compares with the digest, unless this process did and the file system says that the file is the same since."""
    is_large, began_ns = len(data) >= MAPPED_FROM_BYTES, time.time_ns()
    status = path.stat() if is_large else None
    if status is not None and _verified.get(entry.digest) == identity_of(status):
        return
    if len(data) != entry.size_bytes or _digest(data, is_large) != entry.digest:
        raise Damaged(f"{entry.path} has other bytes than it was saved with")
    if status is not None and is_settled(status, began_ns):
        if len(_verified) >= REMEMBERED:
            forget()
        _verified[entry.digest] = identity_of(status)


# Digests of large files that this process has verified, with what the file system said of them before.
_verified: dict[bytes, str] = {}


def forget() -> None:
    """Has every file verified again."""
    _verified.clear()


def _digest(data: OwnBuffer, is_large: bool) -> bytes:
    return (blake3(data, max_threads=blake3.AUTO) if is_large else blake3(data)).digest()


def _bare(entry: pb.ManifestEntry) -> pb.ManifestEntry:
    """An entry without its chunks."""
    bare = pb.ManifestEntry()
    bare.CopyFrom(entry)
    for field in ("chunk_digests", "chunk_sizes"):
        bare.ClearField(field)
    return bare


def _make_read_only(path: Path) -> None:
    """Whoever gets a path gets the only copy."""
    path.chmod(path.stat().st_mode & 0o555)


def _remove(folder: Path) -> None:
    """Out of sight at once: half of a copy is never found."""
    doomed = folder
    if not folder.name.startswith("."):
        doomed = folder.with_name(f".{os.urandom(8).hex()}")
        try:
            folder.rename(doomed)
        except OSError:  # somebody else was faster
            return
    remove_tree(doomed)


def _size_in(name: str) -> int:
    """What a copy takes on disk, about."""
    size = name.rpartition("-")[2].removesuffix(small_copies.SUFFIX)
    return ENTRY_BYTES + int(size) if size.isdecimal() else 0


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
