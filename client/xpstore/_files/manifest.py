"""Manifests: what the contract says of the files of a version."""

from collections.abc import Iterable, Iterator

from xpstore._files.scan import Source
from xpstore.format.tree import Cut, TreeHash, paginate
from xpstore.v1 import artifact_pb2 as pb

# Chunks in one entry: half of what the service takes.
ENTRY_CHUNKS = 12_000


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
    """The identity of a tree, of its sorted entries."""
    tree = TreeHash()
    for entry in entries:
        if not entry.offset:
            is_directory = entry.type == pb.FILE_TYPE_DIRECTORY
            tree.add(
                entry.path,
                is_directory=is_directory,
                executable=entry.executable,
                size_bytes=entry.size_bytes,
                digest=entry.digest,
            )
    return tree.digest()


def to_pages(entries: Iterable[pb.ManifestEntry]) -> tuple[pb.ManifestRoot, list[bytes]]:
    """Writes sorted entries as the root and its pages."""
    root, pages = pb.ManifestRoot(), list[bytes]()
    for ref, data in paginate(entries, lambda page: pb.ManifestPage(entries=page).SerializeToString()):
        root.pages.add(
            digest=ref.digest, size_bytes=ref.size_bytes, first_path=ref.first_path, first_offset=ref.first_offset
        )
        pages.append(data)
    return root, pages
