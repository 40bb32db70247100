"""Files on their way down: chunks fetched a few windows ahead, written in order, and verified file by file.

    two threads:    window -> stream of chunks, again after a broken connection; or a request past the server
    this thread:    entries -> what is not here yet -> windows;  chunks -> partial files -> verified, renamed

Each byte is hashed once, for the digest of its file. A file whose digest is wrong is fetched again, chunk by verified
chunk: one bad read is mended so, and damage gets a name. Memory is bounded: four windows, of up to 4,096 small files
each, however many files and folders there are.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from xpstore._files.decoding import decoded
from xpstore._files.direct import DirectReads, Streamed
from xpstore._files.folder import Folder, look_at
from xpstore._files.leftovers import Leftovers
from xpstore._files.manifest import Tree, checked, tree_digest
from xpstore._files.partial import PartialFile, is_there
from xpstore._files.small import SmallFile, SmallFiles
from xpstore._files.ways import Broken, way_down
from xpstore._machine.heap import keep_freed
from xpstore._machine.progress import Advance
from xpstore._machine.workers import Workers
from xpstore._service.connection import Connection
from xpstore.errors import DataLoss, NotFound, Unavailable
from xpstore.format.messages import Malformed, WireChunk, decode_chunks
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import transfer_pb2

# Raw bytes fetched by one call (of 8 MiB, beginning calls took a tenth of the time); and windows fetched ahead.
WINDOW_BYTES = 16 << 20
WINDOW_CHUNKS = 4_096
# The first is an eighth of that, and each twice the one before: what is fetched first is soon there to be written.
FIRST_SHARE = 8
AHEAD = 3
STREAMS = 2
# Messages without anything in them, in a row, after which a server is taken to say nothing for ever.
EMPTY_MESSAGES = 1_000
# From so much on a window is read past the server, if that is known to work.
DIRECT_FROM_BYTES = 1 << 20
# Letters of a name, and of the path of its folder, that every file system takes.
SHORT_NAME = 60
SHORT_PATH = 900
CHUNKS_FIELD = pb.ReadChunksResponse.CHUNKS_FIELD_NUMBER


class _Piece(NamedTuple):
    """A chunk of a file that is not here yet."""

    file: PartialFile | SmallFile
    digest: bytes
    size_bytes: int
    is_last: bool


@dataclass(slots=True)
class _Window:
    pieces: list[_Piece] = field(default_factory=list)
    size_bytes: int = 0
    is_followed: bool = False


# Chunks by their digests: all of a window, or as they come.
Chunks = dict[bytes, bytes | memoryview] | Streamed


class Download:
    """Lays files of one version down below a folder.

    Args:
        connection: to the server.
        version_id: which version.
        folder: where.
        advance: told of the progress.
        verifies_chunks: whether each chunk is held to its digest when it comes, and not only each file.
    """

    def __init__(
        self,
        connection: Connection,
        version_id: str,
        folder: Path,
        advance: Advance,
        *,
        verifies_chunks: bool = False,
    ) -> None:
        self._connection = connection
        self._version_id = version_id
        self._root = folder
        self._folder = Folder(folder)
        self._advance = advance
        self._verifies_chunks = verifies_chunks
        self._partials: set[PartialFile] = set()
        self._small = SmallFiles()
        # Of the folders above the last file, and of the others those that have some: entries come in order.
        self._above: list[tuple[str, Leftovers]] = []
        self._left: list[Leftovers] = []
        self._direct: DirectReads | None = None
        self._is_asked = verifies_chunks  # whether there is a way past the server; what is fetched again takes none
        self._is_stopped = False

    def run(self, entries: Iterable[pb.ManifestEntry]) -> int:
        """Writes files in the order of their entries. Returns how many files and directories there are.

        Args:
            entries: `checked` ones: each file of them ends with its last chunk.

        Raises:
            DataLoss: bytes do not have the digest they were saved with; that file is not put in place.
            InvalidArgument: a file cannot be written there.
            ResourceExhausted: the disk is full.
        """
        self._count = 0
        keep_freed(WINDOW_BYTES)
        fetched: deque[tuple[_Window, Future[Chunks]]] = deque()
        fetchers, self._provers = Workers(STREAMS, "xpstore-fetch"), Workers(1, "xpstore-direct")
        try:
            for window in self._windows(entries):
                self._look_past(window)
                fetched.append((window, fetchers.submit(self._fetch, window)))
                if len(fetched) >= AHEAD:
                    self._write(*fetched.popleft())
            while fetched:
                self._write(*fetched.popleft())
            if self._partials:
                raise DataLoss(f"{len(self._partials)} files did not arrive whole.")
            for leftovers in (*self._left, *(leftovers for _, leftovers in self._above)):
                leftovers.discard_old()
        finally:
            self._is_stopped = True
            fetchers.shutdown(0.1)  # they have nothing to do, or nobody waits for it
            self._provers.shutdown(0)
            if self._direct is not None:
                self._direct.close()
            for partial in self._partials:
                partial.leave()
        return self._count

    def _windows(self, entries: Iterable[pb.ManifestEntry]) -> Iterator[_Window]:
        window, share = _Window(), FIRST_SHARE
        most_bytes, most_chunks = WINDOW_BYTES // share, WINDOW_CHUNKS // share
        for piece in self._pieces(entries):
            if window.size_bytes >= most_bytes or len(window.pieces) >= most_chunks:
                window.is_followed = True
                yield window
                window, share = _Window(), max(share // 2, 1)
                most_bytes, most_chunks = WINDOW_BYTES // share, WINDOW_CHUNKS // share
            window.pieces.append(piece)
            window.size_bytes += piece.size_bytes
        if window.pieces:
            yield window

    def _pieces(self, entries: Iterable[pb.ManifestEntry]) -> Iterator[_Piece]:
        """What must be fetched. Whole files that are here already, and the start of a broken download, need not."""
        partial: PartialFile | None = None
        for entry in entries:
            offset = entry.offset
            if offset == 0:
                self._count += 1
                file = self._begin(entry)
                if isinstance(file, SmallFile):
                    yield _Piece(file, entry.chunk_digests, entry.size_bytes, True)
                    continue
                partial = file
            if partial is None:
                continue
            digests = entry.chunk_digests
            for number, size in enumerate(entry.chunk_sizes):
                digest = digests[32 * number : 32 * number + 32]
                offset += size
                if partial.has(digest, size):
                    self._advance(size)
                    if offset == entry.size_bytes:
                        self._finish(partial)
                else:
                    yield _Piece(partial, digest, size, offset == entry.size_bytes)

    def _begin(self, entry: pb.ManifestEntry) -> PartialFile | SmallFile | None:
        path, size_bytes = entry.path, entry.size_bytes
        if entry.type == pb.FILE_TYPE_DIRECTORY:
            self._folder.make(path)
            return None
        folder, name = self._folder.enter(path)
        leftovers = self._leftovers(folder)
        # What this file system does not take is refused before it is fetched.
        if not leftovers.is_in_nothing or len(name) > SHORT_NAME or len(folder) > SHORT_PATH:
            place = look_at(folder + name)
            if is_there(place, entry):
                leftovers.discard(place.path)
                self._advance(size_bytes)
                return None
        # Another entry may continue one that says more bytes than its chunks have.
        if not size_bytes or list(entry.chunk_sizes) == [size_bytes]:
            leftovers.discard(folder + name)
            small = SmallFile(folder, name, entry)
            if size_bytes:
                return small
            self._lay(small, b"")
            return None
        partial = PartialFile(folder + name, entry, self._folder.habits.file_mode, leftovers)
        self._partials.add(partial)
        return partial

    def _leftovers(self, folder: str) -> Leftovers:
        """Those of a folder on this machine, with a separator at its end."""
        while self._above and not folder.startswith(self._above[-1][0]):
            _, leftovers = self._above.pop()
            if leftovers:
                self._left.append(leftovers)
        if not self._above or self._above[-1][0] != folder:
            self._above.append((folder, Leftovers(folder)))
        return self._above[-1][1]

    def _write(self, window: _Window, fetched: "Future[Chunks]") -> None:
        chunks = fetched.result()
        try:
            self._write_pieces(window.pieces, chunks)
            if isinstance(chunks, Streamed) and self._direct is not None and not self._direct.way.is_proven:
                self._direct.way.worked()
        finally:
            if isinstance(chunks, Streamed):
                chunks.close()

    def _write_pieces(self, pieces: list[_Piece], chunks: Chunks) -> None:
        for number, piece in enumerate(pieces):
            try:
                chunk = chunks[piece.digest]
            except Broken as error:
                assert self._direct is not None
                self._direct.way.failed(error)
                chunks = self._fetch_through(pieces[number:])
                chunk = chunks[piece.digest]
            if len(chunk) != piece.size_bytes:  # the manifest has it with two sizes
                raise DataLoss(f"The chunk {piece.digest.hex()} has another size than the manifest says.")
            if isinstance(piece.file, SmallFile):
                self._lay(piece.file, chunk)
                self._advance(piece.size_bytes)
                continue
            piece.file.write(chunk)
            self._advance(piece.size_bytes)
            if piece.is_last:
                self._finish(piece.file)

    def _lay(self, file: SmallFile, data: bytes | memoryview) -> None:
        if self._small.lay(file, data, self._folder.habits.file_mode):
            return
        if self._verifies_chunks:
            raise DataLoss(f"{file.entry.path!r} arrived with another digest than it was saved with.")
        self._fetch_again(file.entry)

    def _finish(self, partial: PartialFile) -> None:
        self._partials.discard(partial)
        if partial.is_sound or self._verifies_chunks:
            partial.finish()
        else:
            partial.leave()
            self._fetch_again(partial.entry)

    def _fetch_again(self, entry: pb.ManifestEntry) -> None:
        """Fetches a file once more, a large one from its first bad chunk on. Its progress is told already."""
        tree = Tree(tree_digest([entry]), entry.size_bytes, 1)
        entries = checked(read_manifest(self._connection, self._version_id, entry.path), tree)
        again = Download(self._connection, self._version_id, self._root, lambda _: None, verifies_chunks=True)
        again.run(entries)

    def _fetch(self, window: _Window) -> Chunks:
        return self._fetch_past(window) or self._fetch_through(window.pieces)

    def _look_past(self, window: _Window) -> None:
        """Sees for the first window that is worth it whether there is a way past the server."""
        if not self._is_asked and window.size_bytes >= DIRECT_FROM_BYTES:
            self._is_asked, way = True, way_down(self._connection)
            if way is not None:
                self._direct = DirectReads(self._connection, self._version_id, way)

    def _fetch_past(self, window: _Window) -> Streamed | None:
        """Begins to fetch a window past the server, where that can be.

        The first time sees whether it can, where that may take long: files of this machine are there or not.
        """
        direct, digests = self._direct, [piece.digest for piece in window.pieces]
        if direct is None or not direct.way.is_open:
            return None
        if not direct.way.is_proven and direct.way.kind == transfer_pb2.TRANSFER_WAY_URL:
            is_large = 2 * window.size_bytes >= WINDOW_BYTES or 2 * len(digests) >= WINDOW_CHUNKS
            if is_large and window.is_followed:  # else it is over before the trial pays
                self._provers.submit(direct.prove, digests[0])
            return None
        if window.size_bytes < DIRECT_FROM_BYTES or len(set(digests)) < len(digests):
            return None
        return direct.stream(digests)

    def _fetch_through(self, pieces: list[_Piece]) -> dict[bytes, bytes | memoryview]:
        """Fetches chunks by way of the server, after a broken connection those that did not arrive."""
        sizes = {piece.digest: piece.size_bytes for piece in pieces}
        chunks: dict[bytes, bytes | memoryview] = {}
        bad: set[bytes] = set()
        for attempt in self._connection.attempts(is_wanted=lambda: not self._is_stopped):
            with attempt:
                while missing := [digest for digest in sizes if digest not in chunks]:
                    before = len(bad)
                    for chunk in self._stream(missing):
                        if chunk.digest not in sizes or chunk.digest in chunks:
                            raise DataLoss(f"The server sent the chunk {chunk.digest.hex()}, which was not asked for.")
                        try:
                            chunks[chunk.digest] = self._raw(chunk, sizes[chunk.digest])
                        except DataLoss:
                            if chunk.digest in bad:
                                raise
                            bad.add(chunk.digest)  # one bad read of the server's store: asked for once more
                        attempt.renew()
                    if len(bad) == before:
                        break
        if len(chunks) < len(sizes):
            raise DataLoss("The server did not send all chunks that were asked for.")
        return chunks

    def _raw(self, chunk: WireChunk, size_bytes: int) -> bytes | memoryview:
        raw = decoded(chunk.digest, chunk.codec, chunk.data, size_bytes)
        if len(raw) != size_bytes or (self._verifies_chunks and blake3(raw).digest() != chunk.digest):
            raise DataLoss(f"The chunk {chunk.digest.hex()} arrived with other bytes than it was saved with.")
        return raw

    def _stream(self, digests: list[bytes]) -> Iterator[WireChunk]:
        request = pb.ReadChunksRequest(version_id=self._version_id, digests=digests)
        with closing(self._connection.stream(self._connection.stubs.read_chunks, request)) as messages, _needed():
            for number, message in enumerate(messages):
                if self._is_stopped:
                    raise Unavailable("The download was broken off.")
                if number > len(digests) + EMPTY_MESSAGES:
                    raise DataLoss("The server sends messages without chunks.")
                try:
                    yield from decode_chunks(CHUNKS_FIELD, message)
                except Malformed as fault:
                    raise DataLoss(f"The server sent bytes that are no message: {fault}.") from None


def read_manifest(connection: Connection, version_id: str, path_prefix: str = "") -> Iterator[pb.ManifestEntry]:
    """Yields the entries of a version, or those of one file or below one directory, as the server sends them.

    Raises:
        DataLoss: it sends nothing, again and again.
    """
    last: pb.ManifestEntry | None = None
    request = pb.ReadManifestRequest(version_id=version_id, path_prefix=path_prefix)
    for attempt in connection.attempts():
        with attempt:
            empty, passed = 0, None if last is None else _place(last)  # after a broken connection all comes again
            for response in connection.stream(connection.stubs.artifacts.ReadManifest, request):
                empty = 0 if response.entries else empty + 1
                if empty > EMPTY_MESSAGES:
                    raise DataLoss("The server sends a manifest without entries.")
                for entry in response.entries:
                    if passed is None or _place(entry) > passed:
                        last = entry
                        yield entry
                attempt.renew()


def _place(entry: pb.ManifestEntry) -> tuple[bytes, int]:
    """Where an entry is among those of its manifest."""
    return entry.path.encode(), entry.offset


@contextmanager
def _needed() -> Iterator[None]:
    """The version needs the chunks that are asked for: if the server has no such one, its bytes are lost."""
    try:
        yield
    except NotFound as error:
        if error.metadata.get("resource") != "chunk":
            raise
        raise DataLoss(f"The server has lost the chunk {error.metadata.get('value')} of this version.") from None
