"""The artifact protocol spoken by hand: what a client in another language would send, or a hostile one."""

import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.client import HTTPConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zlib import crc32

import grpc
from blake3 import blake3

from xpstore import errors
from xpstore._session.client import ClientBase
from xpstore._values.ids import new_id
from xpstore.errors import from_rpc
from xpstore.format.packs import encode_footer, packed
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import transfer_pb2
from xpstore.v1.artifact_pb2_grpc import ArtifactServiceStub

T = TypeVar("T")

KIB = 1 << 10
MIB = 1 << 20
FILE, DIRECTORY = pb.FILE_TYPE_FILE, pb.FILE_TYPE_DIRECTORY


def digest_of(data: bytes | memoryview) -> bytes:
    """BLAKE3, the only digest there is."""
    return blake3(data).digest()


def tree_digest(files: Mapping[str, bytes | None], executable: Iterable[str] = ()) -> bytes:
    """The digest of a tree as docs/protocol.md says it, from nothing of ours. None stands for an empty directory."""
    text = b"xpstore tree v1\n"
    for path in sorted(files, key=str.encode):
        data, name = files[path], path.encode()
        kind, digest = (2, bytes(32)) if data is None else (1, digest_of(data))
        text += struct.pack("<I", len(name)) + name
        text += struct.pack("<BBQ", kind, path in executable, len(data or b"")) + digest
    return digest_of(text)


def chunk_of(data: bytes, /, **changes: Any) -> pb.Chunk:
    """A sound chunk, with `changes` that spoil it."""
    fields = {"digest": digest_of(data), "codec": pb.CODEC_NONE, "raw_size_bytes": len(data), "data": data}
    return pb.Chunk(**{**fields, **changes})


def cut(data: bytes, size: int = MIB) -> list[bytes]:
    """Pieces of at most `size` bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def entry_of(path: str, data: bytes | None, size: int = MIB, /, **changes: Any) -> pb.ManifestEntry:
    """The sound entry of a file cut into pieces of `size`, or of an empty directory, with `changes` that spoil it."""
    fields: dict[str, Any] = {"path": path, "type": DIRECTORY}
    if data is not None:
        pieces = cut(data, size)
        fields = {
            "path": path,
            "type": FILE,
            "size_bytes": len(data),
            "digest": digest_of(data),
            "chunk_digests": b"".join(map(digest_of, pieces)),
            "chunk_sizes": map(len, pieces),
        }
    return pb.ManifestEntry(**{**fields, **changes})


def page_of(*entries: pb.ManifestEntry) -> bytes:
    """A manifest page."""
    return pb.ManifestPage(entries=entries).SerializeToString()


def root_of(*pages: bytes, **changes: Any) -> pb.ManifestRoot:
    """The root of pages; `changes` spoil the last reference."""
    root, last_path = pb.ManifestRoot(), ""
    for page in pages:
        first = pb.ManifestPage.FromString(page).entries[0]
        path = "" if first.path == last_path else first.path
        root.pages.add(digest=digest_of(page), size_bytes=len(page), first_path=path, first_offset=first.offset)
        last_path = first.path
    for field, value in changes.items():
        setattr(root.pages[-1], field, value)
    return root


class Raw:
    """A connection to one project that says exactly what a test wants said."""

    def __init__(self, client: ClientBase, project_uid: str) -> None:
        self.client = client
        self.project_uid = project_uid

    @property
    def stub(self) -> ArtifactServiceStub:
        """The generated stub."""
        return self.client.stubs.artifacts

    def stream(self, method: Callable[..., T], messages: Iterable[Any], timeout: float = 60) -> T:
        """Makes a call with a stream of messages; raises the typed error."""
        try:
            return method(iter(messages), timeout=timeout, metadata=self.client.metadata)
        except grpc.RpcError as error:
            raise from_rpc(error, "") from None

    def upload(self, *chunks: pb.Chunk) -> pb.UploadChunksResponse:
        """Sends chunks, each in a message of its own."""
        head = pb.UploadChunksRequest(project_uid=self.project_uid)
        messages = (pb.UploadChunksRequest(chunks=[chunk]) for chunk in chunks)
        return self.stream(self.stub.UploadChunks, [head, *messages])

    def missing(self, *digests: bytes) -> list[int]:
        """Positions of the digests that the project lacks."""
        request = pb.FindMissingChunksRequest(project_uid=self.project_uid, digests=digests)
        return list(self.client.call(self.stub.FindMissingChunks, request).missing_positions)

    def commit(
        self, root: pb.ManifestRoot, name: str = "raw", *, version_id: str = "", **draft: Any
    ) -> pb.CommitArtifactResponse:
        """Commits a root."""
        request = pb.CommitArtifactRequest(
            project_uid=self.project_uid,
            version_id=version_id or new_id(),
            draft=pb.ArtifactDraft(**{"name": name, "type": "directory", **draft}),
            manifest=root,
        )
        return self.client.call(self.stub.CommitArtifact, request)

    def publish(self, files: Mapping[str, bytes | None], name: str = "raw", size: int = MIB) -> pb.ArtifactVersion:
        """Uploads files cut into pieces of `size`, and commits them."""
        entries = [entry_of(path, files[path], size) for path in sorted(files, key=str.encode)]
        pieces = [piece for data in files.values() for piece in cut(data or b"", size)]
        page = page_of(*entries)
        self.upload(*map(chunk_of, {*pieces, page}))
        return self.commit(root_of(page), name).version

    def header(self, **changes: Any) -> pb.UploadFileHeader:
        """A sound header of UploadFile."""
        draft = pb.ArtifactDraft(name="uploaded", type="directory")
        fields = {"upload_id": new_id(), "project_uid": self.project_uid, "draft": draft, "path": "file.bin"}
        return pb.UploadFileHeader(**{**fields, **changes})

    def upload_file(
        self, header: pb.UploadFileHeader, data: Iterable[bytes], timeout: float = 60, *, finish: bool = True
    ) -> pb.UploadFileResponse:
        """Streams a file, and says where it ends."""
        return self.stream(self.stub.UploadFile, file_messages(header, data, finish=finish), timeout)

    def get_upload(self, header: pb.UploadFileHeader) -> pb.GetUploadResponse:
        """Asks how far an upload got."""
        return self.client.call(self.stub.GetUpload, pb.GetUploadRequest(upload_id=header.upload_id))

    def read(self, version_id: str, path: str = "", **range_: int) -> bytes:
        """Reads a file or a range of it."""
        return b"".join(self.read_pieces(version_id, path, **range_))

    def read_pieces(self, version_id: str, path: str = "", timeout: float = 60, **range_: int) -> Iterator[bytes]:
        """Yields what the messages of ReadFile hold."""
        request = pb.ReadFileRequest(version_id=version_id, path=path)
        for field, value in range_.items():
            setattr(request, field, value)
        try:
            for response in self.stub.ReadFile(request, timeout=timeout, metadata=self.client.metadata):
                yield response.data
        except grpc.RpcError as error:
            raise from_rpc(error, "") from None

    def versions(self) -> list[pb.ArtifactVersion]:
        """All versions of the project."""
        request = pb.ListArtifactVersionsRequest(project_uid=self.project_uid)
        return list(self.client.call(self.stub.ListArtifactVersions, request).versions)


def file_messages(
    header: pb.UploadFileHeader, data: Iterable[bytes], *, finish: bool
) -> Iterator[pb.UploadFileRequest]:
    """The messages of UploadFile, the last of which may say that the file ends."""
    yield pb.UploadFileRequest(header=header)
    for piece in data:
        yield pb.UploadFileRequest(data=piece)
    if finish:
        yield pb.UploadFileRequest(finish=True)


class Stream:
    """An upload under way that sends some bytes and then keeps silent."""

    def __init__(self, raw: Raw, header: pb.UploadFileHeader, data: list[bytes]) -> None:
        self._raw = raw
        self._header = header
        self._end = threading.Event()
        messages = self._messages(data)
        self.call = raw.stub.UploadFile.future(messages, timeout=120, metadata=raw.client.metadata)

    def _messages(self, data: list[bytes]) -> Iterator[pb.UploadFileRequest]:
        yield from file_messages(self._header, data, finish=False)
        self._end.wait(60)
        yield pb.UploadFileRequest(finish=True)

    def wait_durable(self, offset: int) -> None:
        """Waits until the server says that this much is durable."""
        deadline = time.monotonic() + 30
        while self._durable() < offset:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _durable(self) -> int:
        try:
            return self._raw.get_upload(self._header).offset
        except errors.NotFound:  # the header has not arrived yet
            return -1

    def result(self) -> pb.UploadFileResponse:
        """Ends the stream as a client should, and returns the answer or raises the typed error."""
        self._end.set()
        try:
            return self.call.result()
        except grpc.RpcError as error:
            raise from_rpc(error, "") from None

    def breaks(self) -> None:
        """Breaks the stream."""
        self.call.cancel()
        self._end.set()


def begin(raw: Raw, header: pb.UploadFileHeader) -> None:
    """Opens an upload and breaks it."""
    stream = Stream(raw, header, [])
    stream.wait_durable(0)
    stream.breaks()


def pack_of(pool: str, pieces: Sequence[bytes], digests: Sequence[bytes] | None = None) -> bytes:
    """A pack, of chunks that say that they have these digests."""
    told = digests or [digest_of(piece) for piece in pieces]
    chunks = [(digest, pb.CODEC_NONE, len(piece), piece) for digest, piece in zip(told, pieces, strict=True)]
    return b"".join([*pieces, encode_footer(pool, list(packed(chunks)))])


def open_pack(
    raw: Raw, data: bytes, pack_id: str = "", size: int = 0, crc: int | None = None
) -> transfer_pb2.PackPlace:
    request = transfer_pb2.OpenPacksRequest(project_uid=raw.project_uid, way=transfer_pb2.TRANSFER_WAY_URL)
    checksum = crc32(data) if crc is None else crc
    request.packs.add(pack_id=pack_id or str(uuid.uuid4()), size_bytes=size or len(data), crc32=checksum)
    return raw.client.call(raw.client.stubs.transfers.OpenPacks, request).places[0]


def put(place: transfer_pb2.PackPlace, data: bytes, **changed: str | None) -> int:
    """A PUT as any HTTP client makes it; returns the status."""
    parts = urlsplit(place.url)
    headers = {header.name: header.value for header in place.headers}
    for name, value in changed.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", data, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def close_pack(raw: Raw, *pack_ids: str, seconds: float | None = None) -> list[bool]:
    request = transfer_pb2.ClosePacksRequest(project_uid=raw.project_uid, pack_ids=pack_ids)
    close = raw.client.stubs.transfers.ClosePacks
    return list(raw.client.call(close, request, timeout_seconds=seconds).stored)


def missing(raw: Raw, pieces: Sequence[bytes]) -> int:
    request = pb.FindMissingChunksRequest(project_uid=raw.project_uid, digests=[digest_of(piece) for piece in pieces])
    return len(raw.client.call(raw.client.stubs.artifacts.FindMissingChunks, request).missing_positions)


def write_pack(raw: Raw, pieces: Sequence[bytes], digests: Sequence[bytes] | None = None) -> str:
    """Writes a pack and closes it. Returns its id."""
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, pieces, digests)
    assert put(open_pack(raw, data, pack_id), data) == 200
    assert close_pack(raw, pack_id) == [True]
    return pack_id
