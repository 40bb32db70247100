"""The files of versions that wait, read from their chunks as a server would."""

from collections.abc import Iterable, Iterator
from itertools import islice

from xpstore._files.folder import is_within
from xpstore._offline.store import ArtifactStore
from xpstore.errors import NotFound
from xpstore.format.messages import encode_chunks
from xpstore.v1 import artifact_pb2 as pb

PAGE_SIZE = 1_000
# Chunks of one message have up to 1 MiB each, and are read one at a time; entries of one message are those of a page.
_CHUNKS_FIELD = pb.ReadChunksResponse.CHUNKS_FIELD_NUMBER


def entries(
    store: ArtifactStore, root: pb.ManifestRoot, prefix: str = "", after: str = ""
) -> Iterator[pb.ManifestEntry]:
    """Yields the entries of a tree, in their order.

    Args:
        store: has its pages.
        root: of its manifest.
        prefix: only the file of this path, or what is below this directory.
        after: only what comes behind this path.
    """
    last = after.encode()
    for reference in root.pages:
        (page,) = store.raw([reference.digest])
        for entry in pb.ManifestPage.FromString(page).entries:
            if is_within(entry.path, prefix) and (not after or entry.path.encode() > last):
                yield entry


def find_missing(store: ArtifactStore, request: pb.FindMissingChunksRequest) -> pb.FindMissingChunksResponse:
    """Answers FindMissingChunks."""
    found = store.has(request.digests)
    return pb.FindMissingChunksResponse(missing_positions=[n for n, is_here in enumerate(found) if not is_here])


def list_files(
    store: ArtifactStore, root: pb.ManifestRoot, request: pb.ListArtifactFilesRequest
) -> pb.ListArtifactFilesResponse:
    """Answers ListArtifactFiles; a page's token is its last path."""
    size = min(request.page_size or PAGE_SIZE, PAGE_SIZE)
    found = (one for one in entries(store, root, request.path_prefix, request.page_token) if not one.offset)
    files = [
        pb.ArtifactFile(
            path=one.path, type=one.type, executable=one.executable, size_bytes=one.size_bytes, digest=one.digest
        )
        for one in islice(found, size + 1)
    ]
    token = files[size - 1].path if len(files) > size else ""
    return pb.ListArtifactFilesResponse(files=files[:size], next_page_token=token)


def read_manifest(store: ArtifactStore, root: pb.ManifestRoot, prefix: str) -> Iterator[pb.ReadManifestResponse]:
    """Answers ReadManifest."""
    found = entries(store, root, prefix)
    while some := list(islice(found, PAGE_SIZE)):
        yield pb.ReadManifestResponse(entries=some)


def read_chunks(store: ArtifactStore, digests: Iterable[bytes]) -> Iterator[bytes]:
    """Answers ReadChunks, as the bytes of its messages."""
    for digest in digests:
        yield encode_chunks(_CHUNKS_FIELD, store.chunks([digest]))


def read_file(
    store: ArtifactStore, root: pb.ManifestRoot, request: pb.ReadFileRequest
) -> Iterator[pb.ReadFileResponse]:
    """Answers ReadFile of a path and a range.

    Raises:
        NotFound: there is no such file.
    """
    parts = [one for one in entries(store, root, request.path) if one.path == request.path]
    if not parts or parts[0].type != pb.FILE_TYPE_FILE:
        raise NotFound(f"There is no file {request.path!r}.", reason="NOT_FOUND")
    size = parts[0].size_bytes
    start = min(request.offset, size)
    end = min(start + request.length, size) if request.HasField("length") else size
    header = pb.ReadFileHeader(
        version_id=request.version_id, path=request.path, size_bytes=size, digest=parts[0].digest
    )
    header.offset, header.length = start, end - start
    yield pb.ReadFileResponse(header=header)
    position = 0
    for part in parts:
        for number, chunk_bytes in enumerate(part.chunk_sizes):
            if position < end and position + chunk_bytes > start:
                (raw,) = store.raw([part.chunk_digests[32 * number : 32 * number + 32]])
                yield pb.ReadFileResponse(data=raw[max(start - position, 0) : end - position])
            position += chunk_bytes
