"""Manifests: what the contract says of the files of a version."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xpstore._files.cuts import Cuts
from xpstore._files.scan import Source, Sources
from xpstore.errors import DataLoss
from xpstore.format.tree import CHUNK_BYTES, Cut, TreeHash, fault_of_path, paginate
from xpstore.v1 import artifact_pb2 as pb

# Files of a tree whose number is not said before they come, as that of a hit of the cache is not.
MOST_FILES = 1_000_000
# Chunks in one entry: half of what the service takes.
ENTRY_CHUNKS = 12_000


class Manifest:
    """The entries of a tree that was cut: made one after the other, each time that they are asked for."""

    def __init__(self, sources: Sources, cuts: Cuts) -> None:
        self._sources = sources
        self._cuts = cuts

    def __iter__(self) -> Iterator[pb.ManifestEntry]:
        for path, executable, cut in zip(self._sources.paths, self._sources.executables(), self._cuts, strict=True):
            yield from entries_of(path, executable, cut)


def entries_of(path: str, executable: bool, cut: Cut | None) -> Iterator[pb.ManifestEntry]:
    """Yields a file as manifest entries of bounded size: one, or several for a huge one; None is a directory."""
    if cut is None:
        yield pb.ManifestEntry(path=path, type=pb.FILE_TYPE_DIRECTORY)
        return
    # Not the size of the scan: the file may have grown since, and what was read is what is saved.
    size_bytes = sum(size for _, size in cut.chunks)
    offset = 0
    for start in range(0, len(cut.chunks) or 1, ENTRY_CHUNKS):
        some = cut.chunks[start : start + ENTRY_CHUNKS]
        yield pb.ManifestEntry(
            path=path,
            type=pb.FILE_TYPE_FILE,
            executable=executable,
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


def listed_entry(file: pb.ArtifactFile) -> pb.ManifestEntry:
    """A file of a list as an entry without chunks."""
    return pb.ManifestEntry(
        path=file.path,
        type=file.type,
        executable=file.executable,
        size_bytes=file.size_bytes,
        digest=file.digest,
    )


def tree_digest(entries: Iterable[pb.ManifestEntry]) -> bytes:
    """The identity of a tree, of its sorted entries."""
    tree = TreeHash()
    for _ in hashed(entries, tree):
        pass
    return tree.digest()


def hashed(entries: Iterable[pb.ManifestEntry], tree: TreeHash) -> Iterator[pb.ManifestEntry]:
    """Yields the sorted entries of a tree, and has its identity take each."""
    for entry in entries:
        if not entry.offset:
            add_entry(tree, entry)
        yield entry


def add_entry(tree: TreeHash, entry: pb.ManifestEntry | pb.ArtifactFile) -> None:
    """Has a tree's identity take its next file or empty directory."""
    tree.add(
        entry.path,
        is_directory=entry.type == pb.FILE_TYPE_DIRECTORY,
        executable=entry.executable,
        size_bytes=entry.size_bytes,
        digest=entry.digest,
    )


@dataclass(frozen=True, slots=True)
class Tree:
    """What a version says of its files before they come.

    Attributes:
        digest: that of the tree.
        size_bytes: sum of the sizes of its files.
        file_count: how many files and empty directories there are; None if that is not said.
    """

    digest: bytes
    size_bytes: int
    file_count: int | None = None


def tree_of(version: pb.ArtifactVersion) -> Tree:
    """What a version says of its files."""
    return Tree(version.digest, version.size_bytes, version.file_count)


def checked(entries: Iterable[pb.ManifestEntry], tree: Tree, path: str = "") -> Iterator[pb.ManifestEntry]:
    """Yields what a server sends as the manifest of a tree, each entry as soon as it is known to be sound.

    Args:
        entries: all of the tree, as they come: of a part of it nobody could tell whether something is missing.
        tree: what they are held to: no more files and bytes than it has, and in the end its digest.
        path: only what is at or below this is yielded.

    Raises:
        DataLoss: an entry cannot be one of that tree, or in the end it is another tree.
    """
    check = _Check(tree)
    for entry in entries:
        check.add(entry)
        if not path or f"{entry.path}/".startswith(f"{path}/"):
            yield entry
    check.finish()


class _Check:
    """What a server checks when a tree is committed: another one, or another program, may be in its place."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._hash = TreeHash()
        self._open: pb.ManifestEntry | None = None
        self._open_path = ""
        self._most_files = MOST_FILES if tree.file_count is None else tree.file_count
        self._open_bytes = self._covered = self._size_bytes = self._file_count = 0
        self._last_path = b""
        self._above: list[bytes] = []

    def add(self, entry: pb.ManifestEntry) -> None:
        # What each is held to is written out, so that the words of an error are made only when it is one: a tree may
        # have a million entries.
        sizes, path = entry.chunk_sizes, entry.path
        if len(entry.chunk_digests) != 32 * len(sizes):
            raise _other(f"a digest for each chunk of {path!r}")
        if sizes and not 0 < min(sizes) <= max(sizes) <= CHUNK_BYTES:
            raise _other(f"chunks of 1 to {CHUNK_BYTES} bytes")
        if self._open is not None and path == self._open_path:
            self._continue(self._open, entry)
        else:
            self._close()
            self._start(entry, path)
        self._covered += sum(sizes)
        if self._covered > self._open_bytes:
            raise _other(f"{self._open_bytes} bytes of {path!r}, not {self._covered}")

    def _continue(self, first: pb.ManifestEntry, entry: pb.ManifestEntry) -> None:
        said = (entry.type, entry.executable, entry.size_bytes, entry.digest)
        is_same = said == (first.type, first.executable, first.size_bytes, first.digest)
        if not (is_same and entry.type == pb.FILE_TYPE_FILE and entry.chunk_sizes):
            raise _other(f"{entry.path!r} once")
        if not entry.offset == self._covered > 0:
            raise _other(f"{entry.path!r} from byte {self._covered} on, not {entry.offset}")

    def _start(self, entry: pb.ManifestEntry, text: str) -> None:
        if fault := fault_of_path(text):
            raise DataLoss(f"The server sent the path {text!r}, which could leave the target folder: it {fault}.")
        path, size_bytes = text.encode(), entry.size_bytes
        if path <= self._last_path:
            raise _other(f"paths in their order, not {text!r} there")
        above = self._above
        while above and not path.startswith(above[-1]):
            above.pop()
        for one in above:
            if path[len(one) : len(one) + 1] == b"/":
                raise _other(f"nothing below a file or an empty directory, not {text!r}")
        above.append(path)
        if entry.offset:
            raise _other(f"{text!r} from its start, not {entry.offset}")
        if entry.type == pb.FILE_TYPE_DIRECTORY:
            if size_bytes or entry.digest or entry.executable or entry.chunk_sizes:
                raise _other(f"no content of the directory {text!r}")
        elif entry.type != pb.FILE_TYPE_FILE or len(entry.digest) != 32 or size_bytes < 0:
            raise _other(f"{text!r} as a file with a digest, or as a directory")
        self._open, self._open_path, self._open_bytes = entry, text, size_bytes
        self._covered, self._last_path = 0, path
        self._file_count += 1
        self._size_bytes += size_bytes
        if self._file_count > self._most_files:
            raise _other(f"{self._most_files} files, not more")
        if self._size_bytes > self._tree.size_bytes:
            raise _other(f"{self._tree.size_bytes} bytes of files, not more")

    def _close(self) -> None:
        entry, self._open = self._open, None
        if entry is None:
            return
        if self._covered != self._open_bytes:
            raise _other(f"all {self._open_bytes} bytes of {entry.path!r}, not {self._covered}")
        add_entry(self._hash, entry)

    def finish(self) -> None:
        self._close()
        count = self._tree.file_count
        if count not in (None, self._file_count):
            raise _other(f"{count} files, not {self._file_count}")
        if self._size_bytes != self._tree.size_bytes:
            raise _other(f"{self._tree.size_bytes} bytes, not {self._size_bytes}")
        if self._hash.digest() != self._tree.digest:
            raise _other(f"the tree {self._tree.digest.hex()}, not another one")


def _other(expected: str) -> DataLoss:
    return DataLoss(f"The server's manifest is not that of this version. It should have {expected}.")


def to_pages(entries: Iterable[pb.ManifestEntry], root: pb.ManifestRoot) -> Iterator[bytes]:
    """Yields the pages of sorted entries, and notes each in the root."""
    for ref, data in paginate(entries, lambda page: pb.ManifestPage(entries=page).SerializeToString()):
        root.pages.add(
            digest=ref.digest, size_bytes=ref.size_bytes, first_path=ref.first_path, first_offset=ref.first_offset
        )
        yield data
