"""Files on their way up: read, cut, hashed, asked about and sent at the same time.

    this thread:    read -> cut, hash -> window -> what is missing of it? -> messages -> batch
    two threads:    batch -> stream, again after a broken connection

Memory is bounded: two windows, and 48 MiB of messages, 68 on a long line, or 96 of packs for a server on this machine.
What a crash makes a client send again is at most what its streams had under way.
"""

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, BinaryIO, Self

from blake3 import blake3

from xpstore._files.batches import UploadBatch, UploadWindow
from xpstore._files.direct_up import DirectWrites
from xpstore._files.scan import Source, filled
from xpstore._files.ways import way_up
from xpstore._machine.progress import Advance
from xpstore._machine.workers import Workers
from xpstore._service.breaking import OpenCalls
from xpstore._service.connection import STREAM_SECONDS, Connection, line_seconds
from xpstore.errors import DataLoss, DeadlineExceeded, ResourceExhausted, Unavailable
from xpstore.format.chunker import Chunker, Encoder
from xpstore.format.messages import WireChunk, decode_chunks, encode_chunks
from xpstore.format.packs import PACK_BYTES
from xpstore.format.tree import Cut
from xpstore.v1 import artifact_pb2 as pb

# Raw bytes that are asked about together, and windows asked about ahead.
WINDOW_BYTES = 16 << 20
ASKED_WINDOWS = 1
MESSAGE_BYTES = 1 << 20
MESSAGE_CHUNKS = 4_096
# Encoded bytes of one stream, no more than the server puts into one pack; and streams at a time. So 32 MiB may be under
# way, and while the server writes a pack it receives the next.
BATCH_BYTES = PACK_BYTES
STREAMS = 2
# Of small files the first window is such a share of the others, and each twice the one before; so are batches, but two
# are alike, for there are two streams. So the server has something to do while the client still reads. A large file is
# read too fast for that, and each pack more costs the server its books.
FIRST_WINDOW_SHARE, FIRST_BATCH_SHARE = 8, 2
# On a long line more must be under way, and a server takes only 2 MiB of a connection ahead of what it reads. So each
# stream has a connection of its own, and what waits unread of one does not grow. Answers that take longer still wait
# behind bytes on a thin line, where less under way is less to send again.
LONG_SECONDS = (0.05, 1.5)
# Each takes as many answers as it has windows of 2 MiB, so there are more, of less: 64 MiB may be under way.
LONG_STREAMS = 16
LONG_BATCH_BYTES = 4 << 20
# What may be before a question on its way: streams have sent it ahead.
AHEAD_BYTES = 5 << 20
# What a chunk takes in a message beside its bytes: of files of a few bytes that is the most.
FRAME_BYTES = 48
# Digests remembered as sent, so that what a file repeats is sent once: a few MiB.
REMEMBERED = 50_000
# How long leaving early waits for each kind of threads.
END_SECONDS = 0.1
CHUNKS_FIELD = pb.UploadChunksRequest.CHUNKS_FIELD_NUMBER


class Uploader:
    """Sends what a project lacks of some files. A context: leaving it early breaks off what is under way.

    Attributes:
        sent_bytes: encoded bytes that were sent, those sent again after a broken connection included.
    """

    def __init__(self, connection: Connection, project_uid: str, advance: Advance) -> None:
        self._connection = connection
        self._project_uid = project_uid
        self._advance = advance
        self._head = pb.UploadChunksRequest(project_uid=project_uid).SerializeToString()
        try:
            self._chunker = Chunker(connection.limits.chunking)
        except ValueError as error:
            raise DataLoss(f"The server wants files to be cut in a way that cannot be: {error}.") from None
        self._encoder = Encoder()
        # A server of before says neither.
        self._most_chunks = connection.limits.max_chunks or MESSAGE_CHUNKS
        self._most_asked = connection.limits.max_digests
        self._most_streams = connection.limits.max_uploads or LONG_STREAMS
        self._window = UploadWindow()
        self._window_bytes = WINDOW_BYTES // FIRST_WINDOW_SHARE
        self._batch_bytes = BATCH_BYTES // FIRST_BATCH_SHARE
        self._batch_count = 0
        self._asked: deque[UploadWindow] = deque()
        self._blocks: list[bytearray] = []
        self._pending: list[WireChunk] = []
        self._pending_bytes = 0
        self._batch = UploadBatch()
        self._sending: deque[Future[None]] = deque()
        self._sent: set[bytes] = set()
        self._meanwhile: list[Callable[[], None]] = []
        self._senders = Workers(LONG_STREAMS, "xpstore-send")
        self._askers = Workers(1 + ASKED_WINDOWS, "xpstore-ask")
        self._hasher = Workers(1, "xpstore-hash")
        self._lock = threading.Lock()
        self._calls = OpenCalls()
        # Of questions: the last one, and the fastest. A busy server is slow now and then, a long line always.
        self._answer_seconds = 0.0
        self._fastest_seconds = math.inf
        self._lines = [connection]
        way = way_up(connection)
        self._direct = None if way is None else DirectWrites(connection, project_uid, way, self._calls)
        self._largest_batch_bytes = BATCH_BYTES if self._direct is None else self._direct.pack_bytes
        self.sent_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._calls.break_off()
        for workers in (self._senders, self._askers, self._hasher):
            # After an error, Ctrl-C among them, what was broken off ends soon, or nobody waits for it.
            workers.shutdown(None if error is None else END_SECONDS)
        for line in self._lines:
            if line is not self._connection:
                line.close()
        if self._direct is not None:
            self._direct.close()

    def add(self, source: Source) -> Cut:
        """Reads a file and sends what is missing of it, the last of it only with `finish`. Returns how it was cut."""
        if self._asked and self._asked[0].is_answered:
            self._settle_window()
        if source.size_bytes < WINDOW_BYTES and (data := source.read()) is not None:
            return self._add_small(memoryview(data))
        with source.open() as stream:
            return self._add_large(stream)

    def add_pages(self, pages: Iterable[bytes]) -> None:
        """Takes manifest pages, which are chunks too: those of a small tree share its pack."""
        for page in pages:
            self._take(blake3(page).digest(), memoryview(page))

    def has(self, digests: list[bytes]) -> list[bool]:
        """Says for each digest whether the project has it."""
        answer = [True] * len(digests)
        for start in range(0, len(digests), self._most_asked):
            for position in self._ask(digests[start : start + self._most_asked]):
                answer[start + position] = False
        return answer

    def meanwhile(self, action: Callable[[], None]) -> None:
        """Has `finish` do something while the last of what was taken is on its way."""
        self._meanwhile.append(action)

    def finish(self) -> None:
        """Sends what is left; when it returns, everything taken is durable."""
        self._ask_window()
        while self._asked:
            self._settle_window()
        self._write_message()
        if self._sending or self._meanwhile:
            self._send_batch()
        elif self._batch.size_bytes:
            batch, self._batch = self._batch, UploadBatch()
            self._send(batch)  # little enough to need no thread
        while self._meanwhile:
            self._meanwhile.pop()()
        while self._sending:
            self._sending.popleft().result()

    def _add_small(self, data: memoryview) -> Cut:
        chunks = []
        for piece in self._chunker.cut(data, is_end=True):
            digest = blake3(piece).digest()
            chunks.append((digest, len(piece)))
            self._take(digest, piece)
        whole = chunks[0][0] if len(chunks) == 1 else blake3(data).digest()
        return Cut(whole, chunks)

    def _add_large(self, stream: BinaryIO) -> Cut:
        self._ask_window()  # a block is one window, and starts a new one
        self._batch_bytes = self._largest_batch_bytes
        whole, chunks, carried = blake3(), list[tuple[bytes, int]](), memoryview(b"")
        is_end = False
        while not is_end:
            block = self._blocks.pop() if self._blocks else bytearray(WINDOW_BYTES)
            view = memoryview(block)
            view[: len(carried)] = carried
            rest, is_end = filled(stream, view[len(carried) :])
            data = view[: len(carried) + len(rest)]
            # In a thread of its own: hashing lets other threads run. The bytes carried on were hashed before.
            self._window.hashed = self._hasher.submit(whole.update, rest)
            self._window.block = block
            covered = 0
            for piece in self._chunker.cut(data, is_end=is_end):
                digest = blake3(piece).digest()
                chunks.append((digest, len(piece)))
                self._take(digest, piece)
                covered += len(piece)
            carried = memoryview(bytes(data[covered:]))
            last = self._window.hashed
            self._ask_window()
        last.result()
        return Cut(whole.digest(), chunks)

    def _take(self, digest: bytes, data: memoryview) -> None:
        window = self._window
        window.chunks.append((digest, data))
        window.size_bytes += len(data)
        if window.block is not None:
            return
        if window.size_bytes >= self._window_bytes or len(window.chunks) >= self._most_asked:
            self._ask_window()

    def _ask_window(self) -> None:
        """Asks what is missing of the window, and goes on without waiting for the answer."""
        window, self._window = self._window, UploadWindow()
        if not window.chunks:
            return
        self._window_bytes = min(2 * self._window_bytes, WINDOW_BYTES)
        window.missing = self._askers.submit(self._ask_in_thread, [digest for digest, _ in window.chunks])
        self._asked.append(window)
        while len(self._asked) > ASKED_WINDOWS:
            self._settle_window()

    def _settle_window(self) -> None:
        """Turns what is missing of the oldest window into messages, and lets go of the rest."""
        window = self._asked.popleft()
        present_bytes = window.size_bytes
        for position in window.missing.result() if window.missing is not None else ():
            digest, data = window.chunks[position]
            if digest not in self._sent:
                present_bytes -= len(data)
                self._write(digest, data)
        self._advance(present_bytes)
        if window.block is not None:
            self._write_message()  # it holds views of the block, which is filled anew
            if window.hashed is not None:
                window.hashed.result()
            self._blocks.append(window.block)

    @property
    def _is_line_long(self) -> bool:
        least, most = LONG_SECONDS
        return not self._connection.is_embedded and least < self._fastest_seconds and self._answer_seconds < most

    def _ask(self, digests: list[bytes]) -> list[int]:
        return self._missing(self._connection.stubs.artifacts.FindMissingChunks, digests)

    def _ask_in_thread(self, digests: list[bytes]) -> list[int]:
        """Asks where Ctrl-C does not come: the call can be broken off."""
        return self._missing(self._calls.breakable(lambda: self._connection.stubs.artifacts.FindMissingChunks), digests)

    def _missing(self, method: Callable[..., Any], digests: list[bytes]) -> list[int]:
        request = pb.FindMissingChunksRequest(project_uid=self._project_uid, digests=digests)
        answer_seconds, began = None, time.monotonic()
        if self._sending:
            answer_seconds = self._connection.timeout_seconds + line_seconds(AHEAD_BYTES)
        answer = self._connection.call(method, request, answer_seconds=answer_seconds)
        self._answer_seconds = time.monotonic() - began
        self._fastest_seconds = min(self._fastest_seconds, self._answer_seconds)
        return list(answer.missing_positions)

    def _write(self, digest: bytes, data: memoryview) -> None:
        if len(self._sent) >= REMEMBERED:
            self._sent.clear()
        self._sent.add(digest)
        codec, encoded = self._encoder.encode(data)
        size_bytes = len(encoded) + FRAME_BYTES
        if self._pending_bytes + size_bytes > MESSAGE_BYTES or len(self._pending) >= self._most_chunks:
            self._write_message()
        self._pending.append(WireChunk(digest, codec, len(data), encoded))
        self._pending_bytes += size_bytes

    def _write_message(self) -> None:
        if not self._pending:
            return
        if self._batch.size_bytes + self._pending_bytes > self._most_in_batch:
            self._send_batch()
        batch = self._batch
        if self._direct is not None and not batch.size_bytes:
            batch.pack = self._direct.next_buffer()
        if batch.pack is None:
            batch.messages.append(encode_chunks(CHUNKS_FIELD, self._pending, self._head))
        else:
            batch.packed.append([chunk._replace(data=batch.pack.add(chunk.data)) for chunk in self._pending])
        batch.size_bytes += self._pending_bytes
        batch.raw_bytes += sum(chunk.raw_size_bytes for chunk in self._pending)
        self._pending, self._pending_bytes = [], 0

    @property
    def _most_in_batch(self) -> int:
        if self._is_line_long:
            return LONG_BATCH_BYTES
        return min(self._batch_bytes, BATCH_BYTES) if self._batch.pack is None else self._batch_bytes

    def _send_batch(self) -> None:
        while len(self._sending) >= min(LONG_STREAMS if self._is_line_long else STREAMS, self._most_streams):
            self._sending.popleft().result()
        batch, self._batch = self._batch, UploadBatch()
        if batch.size_bytes:
            self._batch_count += 1
            if self._batch_count % STREAMS == 0:
                self._batch_bytes = min(2 * self._batch_bytes, self._largest_batch_bytes)
            self._sending.append(self._senders.submit(self._send, batch))

    def _send(self, batch: UploadBatch) -> None:
        """Lays a batch down past the server, or sends it."""
        if self._direct is None or batch.pack is None:
            self._send_through(batch)
            return
        if self._direct.store([chunk for some in batch.packed for chunk in some], batch.pack):
            with self._lock:
                self.sent_bytes += batch.size_bytes
            self._advance(batch.raw_bytes)
        else:
            batch.messages = [encode_chunks(CHUNKS_FIELD, some, self._head) for some in batch.packed]
            self._send_through(batch)
        self._direct.give_back(batch.pack)

    def _send_through(self, batch: UploadBatch) -> None:
        """Sends a batch until all of it is durable, each time only what is not."""
        messages, is_again, is_moving, first = batch.messages, False, True, time.monotonic()
        for attempt in self._connection.attempts(is_wanted=lambda: not self._calls.is_broken_off):
            with attempt:
                if is_again:
                    left = self._left(messages)
                    is_moving = sum(map(len, left)) < sum(map(len, messages))
                    if is_moving:
                        attempt.renew()
                    messages = left
                is_again, began = True, time.monotonic()
                try:
                    if messages:
                        self._stream(messages)
                except (Unavailable, DeadlineExceeded):
                    # Over a thin line it may have lasted minutes. The next attempt sees whether it brought something.
                    if is_moving and time.monotonic() - began > self._connection.timeout_seconds:
                        attempt.renew()
                    raise
                except ResourceExhausted as error:
                    # The server is there, and has too much to do: as long as a stream may last it is waited for.
                    if error.retry_seconds is not None and time.monotonic() - first < STREAM_SECONDS:
                        attempt.renew()
                    raise
        self._advance(batch.raw_bytes)

    def _left(self, messages: list[bytes]) -> list[bytes]:
        """What an earlier attempt brought, or anyone else, is not sent again."""
        left = []
        for message in messages:
            chunks = list(decode_chunks(CHUNKS_FIELD, message))
            missing = self._ask_in_thread([chunk.digest for chunk in chunks])
            if missing:
                left.append(encode_chunks(CHUNKS_FIELD, (chunks[position] for position in missing), self._head))
        return left

    def _stream(self, messages: list[bytes]) -> None:
        with self._line() as line, line.sending(line.stubs.upload_chunks, messages) as call, self._calls.holding(call):
            with self._lock:
                self.sent_bytes += sum(map(len, messages))
            call.result()

    @contextlib.contextmanager
    def _line(self) -> Iterator[Connection]:
        """The connection for a stream."""
        if not self._is_line_long:
            yield self._connection
            return
        try:
            line = self._lines.pop()
        except IndexError:
            line = self._connection.another()
        try:
            yield line
        finally:
            self._lines.append(line)
