"""Manifests as messages: what the rules see as entries and page references."""

from google.protobuf.message import DecodeError

from xpstore.format.tree import PageRef
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.manifest import Entry, ManifestCodec


def _to_entry(wire: pb.ManifestEntry) -> Entry:
    if wire.type not in (pb.FILE_TYPE_FILE, pb.FILE_TYPE_DIRECTORY):
        raise InvalidArgument("entries.type", wire.type, "must be a file or a directory")
    digests = wire.chunk_digests
    if len(digests) != 32 * len(wire.chunk_sizes):
        raise InvalidArgument("entries.chunk_digests", len(digests), "must have 32 bytes for each chunk size")
    return Entry(
        path=wire.path,
        is_directory=wire.type == pb.FILE_TYPE_DIRECTORY,
        executable=wire.executable,
        size_bytes=wire.size_bytes,
        digest=wire.digest,
        offset=wire.offset,
        chunk_digests=tuple(digests[start : start + 32] for start in range(0, len(digests), 32)),
        chunk_sizes=tuple(wire.chunk_sizes),
    )


def _to_wire(entry: Entry) -> pb.ManifestEntry:
    return pb.ManifestEntry(
        path=entry.path,
        type=pb.FILE_TYPE_DIRECTORY if entry.is_directory else pb.FILE_TYPE_FILE,
        executable=entry.executable,
        size_bytes=entry.size_bytes,
        digest=entry.digest,
        offset=entry.offset,
        chunk_digests=b"".join(entry.chunk_digests),
        chunk_sizes=entry.chunk_sizes,
    )


def decode_page(data: bytes | memoryview) -> list[Entry]:
    try:
        return [_to_entry(wire) for wire in pb.ManifestPage.FromString(bytes(data)).entries]
    except DecodeError:
        raise InvalidArgument("manifest.pages", len(data), "names a chunk that is no manifest page") from None


def encode_page(entries: list[Entry]) -> bytes:
    return pb.ManifestPage(entries=map(_to_wire, entries)).SerializeToString()


def to_page_refs(root: pb.ManifestRoot) -> list[PageRef]:
    return [PageRef(page.digest, page.size_bytes, page.first_path, page.first_offset) for page in root.pages]


def decode_root(data: bytes) -> list[PageRef]:
    return to_page_refs(pb.ManifestRoot.FromString(data))


def encode_root(pages: list[PageRef]) -> bytes:
    wire = (
        pb.ManifestPageRef(
            digest=page.digest,
            size_bytes=page.size_bytes,
            first_path=page.first_path,
            first_offset=page.first_offset,
        )
        for page in pages
    )
    return pb.ManifestRoot(pages=wire).SerializeToString()


CODEC = ManifestCodec(decode_page, encode_page, decode_root, encode_root)
