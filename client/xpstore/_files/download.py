"""Files on their way down: chunks fetched a few windows ahead, written in order, and verified file by file.

    two threads:    window -> stream of chunks, again after a broken connection; or a request past the server
    this thread:    entries -> what is not here yet -> windows;  chunks -> partial files -> verified, renamed

Each byte is hashed once, for the digest of its file. A file whose digest is wrong is fetched again, chunk by verified
chunk: one bad read is mended so, and damage gets a name. Memory is bounded: four windows, of up to 4,096 small files
each, however many files and folders there are.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from xpstore._files.direct import DirectReads
from xpstore._files.folder import Folder, look_at
from xpstore._files.leftovers import Leftovers
from xpstore._files.manifest import Tree, checked, tree_digest
from xpstore._files.partial import PartialFile, is_there
from xpstore._files.small import SmallFile, SmallFiles
from xpstore._files.streamed import Streamed
from xpstore._files.through import EMPTY_MESSAGES, Chunks, ServerReads
from xpstore._files.ways import Broken, way_down
from xpstore._machine.heap import keep_freed
from xpstore._machine.progress import Advance
from xpstore._machine.workers import Workers
from xpstore._service.connection import Connection
from xpstore.errors import DataLoss
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import transfer_pb2

# Raw bytes fetched by one call (of 8 MiB, beginning calls took a tenth of the time); and windows fetched ahead.
WINDOW_BYTES = 16 << 20
WINDOW_CHUNKS = 4_096
# The first is an eighth of that, and each twice the one before: what is fetched first is soon there to be written.
FIRST_SHARE = 8
AHEAD = 3
STREAMS = 2
# Past the server a window is located by one call, and never held: of 16 MiB, those calls took the server 0.17 s of CPU
# for a GiB. While one is read, the next one is located.
PAST_BYTES = 64 << 20
PAST_AHEAD = 2
# From so much on a window is read past the server, if that is known to work.
DIRECT_FROM_BYTES = 1 << 20
# How long the first windows wait to see whether it works: a store that is near has answered by then.
PROOF_SECONDS = 0.1
# Letters of a name, and of the path of its folder, that every file system takes.
SHORT_NAME = 60
SHORT_PATH = 900


class _Piece(NamedTuple):
    """A chunk of a file that is not here yet."""

    file: PartialFile | SmallFile
    digest: bytes
    size_bytes: int
    is_last: bool


@dataclass(slots=True)
class _Window:
    pieces: list[_Piece] = field(default_factory=list)
    digests: set[bytes] = field(default_factory=set)
    size_bytes: int = 0
    is_followed: bool = False

    def is_full(self, share: int) -> bool:
        return self.size_bytes >= WINDOW_BYTES // share or len(self.pieces) >= WINDOW_CHUNKS // share


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
        self._proof: Future[None] | None = None
        self._proof_until = 0.0
        self._is_asked = verifies_chunks  # whether there is a way past the server; what is fetched again takes none
        self._is_stopped = False
        self._through = ServerReads(connection, version_id, lambda: not self._is_stopped, verifies=verifies_chunks)

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
        fetched: deque[tuple[_Window, Future[Streamed | Chunks | None]]] = deque()
        fetchers, self._provers = Workers(STREAMS, "xpstore-fetch"), Workers(1, "xpstore-direct")
        try:
            for window in self._windows(entries):
                self._look_past(window)
                fetched.append((window, fetchers.submit(self._fetch, window)))
                while len(fetched) >= (PAST_AHEAD if self._is_past else AHEAD):
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
            for _, future in fetched:
                future.add_done_callback(_let_go)
            self._provers.shutdown(0)
            if self._direct is not None:
                self._direct.close()
            for partial in self._partials:
                partial.leave()
        return self._count

    def _windows(self, entries: Iterable[pb.ManifestEntry]) -> Iterator[_Window]:
        window, share = _Window(), FIRST_SHARE
        for piece in self._pieces(entries):
            if window.is_full(share) and not (share == 1 and self._is_past and _may_grow(window, piece)):
                window.is_followed = True
                yield window
                window, share = _Window(), max(share // 2, 1)
            window.pieces.append(piece)
            window.digests.add(piece.digest)
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

    def _write(self, window: _Window, fetched: "Future[Streamed | Chunks | None]") -> None:
        chunks, left = fetched.result(), window.pieces
        if isinstance(chunks, Streamed):
            with closing(chunks):
                left = self._write_streamed(left, chunks)
        elif chunks is not None:
            self._write_chunks(left, chunks)
            return
        for some in _held(left):
            self._write_chunks(some, self._fetch_through(some))

    def _write_streamed(self, pieces: list[_Piece], streamed: Streamed) -> list[_Piece]:
        """Writes what comes past the server; returns what did not."""
        number = 0
        try:
            for data in streamed:
                number = self._write_some(pieces, number, data)
        except Broken as error:
            assert self._direct is not None
            self._direct.way.failed(error)
        else:
            if number == len(pieces) and self._direct is not None and not self._direct.way.is_proven:
                self._direct.way.worked()
        return pieces[number:]

    def _write_some(self, pieces: list[_Piece], number: int, data: memoryview) -> int:
        """Writes the bytes of pieces from one on, those of a file at once; returns which one is the next."""
        start = 0
        while start < len(data):
            stop, is_last = start, False
            while stop < len(data) and not is_last:
                piece = pieces[number]
                stop, is_last, number = stop + piece.size_bytes, piece.is_last, number + 1
            self._put(piece, data[start:stop])
            start = stop
        return number

    def _write_chunks(self, pieces: list[_Piece], chunks: Chunks) -> None:
        for piece in pieces:
            chunk = chunks[piece.digest]
            if len(chunk) != piece.size_bytes:  # the manifest has it with two sizes
                raise DataLoss(f"The chunk {piece.digest.hex()} has another size than the manifest says.")
            self._put(piece, chunk)

    def _put(self, piece: _Piece, data: bytes | memoryview) -> None:
        """Writes the next bytes of a file, up to the end of a piece."""
        if isinstance(piece.file, SmallFile):
            self._lay(piece.file, data)
        else:
            piece.file.write(data)
            if piece.is_last:
                self._finish(piece.file)
        self._advance(len(data))

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

    def _fetch(self, window: _Window) -> Streamed | Chunks | None:
        """Begins to fetch a window past the server, or fetches it through it; None if it is too large to be held."""
        if (streamed := self._fetch_past(window)) is not None:
            return streamed
        return self._fetch_through(window.pieces) if len(_held(window.pieces)) == 1 else None

    def _look_past(self, window: _Window) -> None:
        """Sees for the first window that is worth it whether there is a way past the server."""
        if window.size_bytes < DIRECT_FROM_BYTES:
            return
        if not self._is_asked:
            self._is_asked, way = True, way_down(self._connection)
            if way is not None:
                self._direct = DirectReads(self._connection, self._version_id, way)
        if self._direct is None or self._proof is not None or not self._direct.way.is_open or self._is_past:
            return
        is_large = 2 * window.size_bytes >= WINDOW_BYTES or 2 * len(window.pieces) >= WINDOW_CHUNKS
        if is_large and window.is_followed:  # else it is over before the trial pays
            self._proof = self._provers.submit(self._direct.prove, window.pieces[0].digest)
            self._proof_until = time.monotonic() + PROOF_SECONDS

    @property
    def _is_past(self) -> bool:
        """Whether windows go past the server, as far as is known: files of this machine are there or not."""
        if self._direct is None or not self._direct.way.is_open:
            return False
        return self._direct.way.is_proven or self._direct.way.kind == transfer_pb2.TRANSFER_WAY_PATH

    def _fetch_past(self, window: _Window) -> Streamed | None:
        """Begins to fetch a window past the server, where that can be."""
        if self._direct is None or window.size_bytes < DIRECT_FROM_BYTES or len(window.digests) < len(window.pieces):
            return None
        if self._proof is not None:
            wait([self._proof], max(self._proof_until - time.monotonic(), 0))
        if not self._is_past:
            return None
        sizes = [piece.size_bytes for piece in window.pieces]
        return self._direct.stream([piece.digest for piece in window.pieces], sizes)

    def _fetch_through(self, pieces: list[_Piece]) -> Chunks:
        return self._through.fetch({piece.digest: piece.size_bytes for piece in pieces})


def _let_go(fetched: "Future[Streamed | Chunks | None]") -> None:
    if not fetched.cancelled() and fetched.exception() is None and isinstance(chunks := fetched.result(), Streamed):
        chunks.close()


def _may_grow(window: _Window, piece: _Piece) -> bool:
    """Whether a window that goes past the server takes one more, each chunk of which must be another."""
    is_new = len(window.digests) == len(window.pieces) and piece.digest not in window.digests
    return is_new and window.size_bytes < PAST_BYTES and len(window.pieces) < WINDOW_CHUNKS


def _held(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Pieces as windows that may be held."""
    windows, size_bytes = [pieces[:0]], 0
    for piece in pieces:
        if size_bytes >= WINDOW_BYTES:
            windows.append([])
            size_bytes = 0
        windows[-1].append(piece)
        size_bytes += piece.size_bytes
    return windows


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
