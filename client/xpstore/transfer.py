"""Bytes on their way: chunks up, ranges of files down, going on by themselves after a broken connection."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import grpc
from blake3 import blake3

from xpstore.chunker import cut
from xpstore.client import Client
from xpstore.errors import DataLoss, DeadlineExceeded, Unavailable, from_rpc
from xpstore.patience import Patience
from xpstore.progress import Advance
from xpstore.tree import EntryBuilder, Source, safe_join
from xpstore.v1 import artifact_pb2 as pb

# Raw bytes asked about and sent together. Bounds the client's memory and what a broken stream sends again.
WINDOW_BYTES = 32 << 20
MESSAGE_BYTES = 1 << 20
# One window over a slow line; keepalive notices a dead one much sooner.
STREAM_SECONDS = 900.0


class Uploader:
    """Sends what a project lacks of some files and returns their manifest entries.

    Attributes:
        sent_bytes: raw bytes that had to be sent; the rest was there.
    """

    def __init__(self, client: Client, project_uid: str, advance: Advance) -> None:
        self._client = client
        self._project_uid = project_uid
        self._advance = advance
        self._window: dict[bytes, bytes] = {}
        self._size = 0
        self.sent_bytes = 0

    def add(self, sources: Iterable[Source]) -> list[pb.ManifestEntry]:
        """Reads and cuts files and sends them, the last window only with `finish`. Returns their manifest entries."""
        entries: list[pb.ManifestEntry] = []
        for source in sources:
            builder = EntryBuilder(source)
            if source.location is not None:
                with source.open() as stream:
                    for data in cut(stream, self._client.limits.max_chunk_bytes):
                        self._take(builder.add(data), data)
            entries.extend(builder.entries())
        return entries

    def add_pages(self, pages: Iterable[bytes]) -> None:
        """Takes manifest pages, which are chunks too: those of a small tree share its pack."""
        for page in pages:
            self._take(blake3(page).digest(), page)

    def finish(self) -> None:
        """Sends what is left; when it returns, everything taken is durable."""
        self._flush()

    def _take(self, digest: bytes, data: bytes) -> None:
        self._window[digest] = data
        self._size += len(data)
        if self._size >= WINDOW_BYTES or len(self._window) >= self._client.limits.max_digests:
            self._flush()

    def _flush(self) -> None:
        patience, fewest = Patience(self._client), len(self._window)
        while missing := self._missing():
            if len(missing) < fewest:
                # An attempt may take minutes over a slow line. That it brought something is what counts.
                patience.renew()
                fewest = len(missing)
            try:
                self._send(missing)
                break
            except (Unavailable, DeadlineExceeded):
                if not patience.wait():
                    raise
        self._advance(self._size)
        self._window, self._size = {}, 0

    def _missing(self) -> list[bytes]:
        """What an earlier attempt brought, or anyone else, is not sent again."""
        if not self._window:
            return []
        digests = list(self._window)
        request = pb.FindMissingChunksRequest(project_uid=self._project_uid, digests=digests)
        response = self._client.call(self._client.stubs.artifacts.FindMissingChunks, request)
        return [digests[position] for position in response.missing_positions]

    def _send(self, digests: Sequence[bytes]) -> None:
        metadata = self._client.metadata
        messages = self._messages(digests)
        try:
            self._client.stubs.artifacts.UploadChunks(messages, timeout=STREAM_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            raise from_rpc(error, metadata[1][1]) from None
        self.sent_bytes += sum(len(self._window[digest]) for digest in digests)

    def _messages(self, digests: Sequence[bytes]) -> Iterator[pb.UploadChunksRequest]:
        request, size = pb.UploadChunksRequest(project_uid=self._project_uid), 0
        for digest in digests:
            data = self._window[digest]
            if size and size + len(data) > MESSAGE_BYTES:
                yield request
                request, size = pb.UploadChunksRequest(), 0
            request.chunks.add(digest=digest, codec=pb.CODEC_NONE, raw_size_bytes=len(data), data=data)
            size += len(data)
        yield request


def read_range(
    client: Client, version_id: str, path: str, offset: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Yields a range of a file; goes on where it was when the connection breaks.

    Raises:
        DataLoss: the server's stored bytes are damaged.
    """
    end = None if length is None else offset + length
    patience = Patience(client)
    while end is None or offset < end:
        request = pb.ReadFileRequest(version_id=version_id, path=path, offset=offset)
        if end is not None:
            request.length = end - offset
        try:
            for data in _read_once(client, request):
                offset += len(data)
                yield data
                patience.renew()
            return
        except (Unavailable, DeadlineExceeded):
            if not patience.wait():
                raise


def _read_once(client: Client, request: pb.ReadFileRequest) -> Iterator[bytes]:
    metadata = client.metadata
    call = client.stubs.artifacts.ReadFile(request, timeout=STREAM_SECONDS, metadata=metadata)
    try:
        for response in call:
            if response.WhichOneof("part") == "data":
                yield response.data
    except grpc.RpcError as error:
        raise from_rpc(error, metadata[1][1]) from None
    finally:
        call.cancel()


def download_file(client: Client, version_id: str, file: pb.ArtifactFile, folder: Path, advance: Advance) -> None:
    """Writes one file below a folder: to a temporary name, verified, then renamed.

    Raises:
        DataLoss: the bytes do not have the file's digest; nothing is left behind.
    """
    target = safe_join(folder, file.path)
    if file.type == pb.FILE_TYPE_DIRECTORY:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{os.urandom(8).hex()}.part")
    digest = blake3()
    try:
        with open(draft, "xb") as output:
            for data in read_range(client, version_id, file.path) if file.size_bytes else ():
                digest.update(data)
                output.write(data)
                advance(len(data))
        if digest.digest() != file.digest:
            raise DataLoss(f"{file.path!r} arrived with another digest than it was saved with.")
        if file.executable:
            mode = draft.stat().st_mode
            draft.chmod(mode | (mode & 0o444) >> 2)  # for those who may read it
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
