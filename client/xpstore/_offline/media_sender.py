"""Media on their way: stored on this machine before the call that logs them returns, and sent in the background.

    log_image() -> one transaction in the spool -> a thread sends what waits -> the server

As with metrics, nothing of the server's reaches the training: what cannot be sent waits, for this program, the next
one or `xpstore sync`; what has no room is dropped, counted, and said.
"""

import contextlib
import json
import logging
import random
import threading
import time
from dataclasses import dataclass
from functools import cached_property

from blake3 import blake3

from xpstore._files.manifest import entries_of
from xpstore._machine.ending import INTERRUPTED_SECONDS, is_interrupted
from xpstore._media.content import MEDIA_TYPE
from xpstore._offline.media_shipper import MediaShipper
from xpstore._offline.media_store import MediaStore
from xpstore._offline.offline import Offline
from xpstore._offline.record import VersionRecord
from xpstore._offline.stand_in import LIMITS
from xpstore._offline.store import Waiting
from xpstore._service.connection import Connection
from xpstore._service.gate import BrokenByFork
from xpstore._spool.record import Target
from xpstore._spool.recorder import AWAY_SECONDS, EXIT_SECONDS, Recorder
from xpstore._values.ids import new_id
from xpstore.errors import DeadlineExceeded, Error, ResourceExhausted, Unavailable
from xpstore.format.chunker import Chunker, Encoder
from xpstore.format.messages import WireChunk
from xpstore.format.tree import Cut
from xpstore.v1 import artifact_pb2 as pb

log = logging.getLogger("xpstore")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
REVIVE_SECONDS = 30.0
# How often it is said that media are dropped.
REPORT_SECONDS = 60.0

_random = random.SystemRandom()  # the program's own random numbers stay what its seed makes them


@dataclass(frozen=True, slots=True)
class Logged:
    """A medium that is logged.

    Attributes:
        name: the name it is logged under.
        step: the step that it is of.
        kind: "image", "figure", "table", "histogram", "text" or "audio".
        path: what its file is called.
        data: the bytes of that.
        caption: what to write below it.
    """

    name: str
    step: int
    kind: str
    path: str
    data: bytes
    caption: str = ""

    @property
    def metadata_json(self) -> str:
        """What its version says of it (media.proto)."""
        told = {"kind": self.kind, "path": self.path} | ({"caption": self.caption} if self.caption else {})
        return json.dumps({"media": told}, ensure_ascii=False)


class MediaSender:
    """What one client logs of media, in one process.

    Args:
        connection: to the server.
        recorder: what the client logs through: it names the spool, and the writer.
        offline: what stands in for the server, of an offline client.

    Attributes:
        dropped_count: how many were logged and will never be stored.
    """

    def __init__(self, connection: Connection, recorder: Recorder, offline: Offline | None) -> None:
        self._connection = connection
        self._recorder = recorder
        self._offline = offline
        self._lock = threading.Lock()  # of what cuts and compresses
        self._chunker = Chunker(LIMITS.chunking)
        self._encoder = Encoder()
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._asked = self._done = 0  # rounds
        self._failure: Error | None = None
        self._is_stopping = self._is_away = False
        self._reported_at = -REPORT_SECONDS
        self._thread: threading.Thread | None = None
        self.dropped_count = 0
        recorder.before_end.add(self.finish)

    @cached_property
    def store(self) -> MediaStore:
        """Where they wait."""
        return MediaStore(self._recorder.folder)

    def log(self, target: Target, project_uid: str, medium: Logged) -> None:
        """Stores a medium. It is sent in the background, unless the client is offline.

        Args:
            target: its model.
            project_uid: of that.
            medium: what is logged.

        Raises:
            ResourceExhausted: the spool is full, if the client is strict.
            Unavailable: the client is closed.
        """
        writer_id = self._recorder.spool.writer_id
        try:
            self._keep(writer_id, target, project_uid, medium)
        except Error as error:
            if isinstance(error, ResourceExhausted) and self._recorder.is_strict:
                raise
            self.dropped_count += 1
            if time.monotonic() - self._reported_at >= REPORT_SECONDS:
                self._reported_at = time.monotonic()
                log.warning("%d media were dropped so far (client.dropped_count): %s", self.dropped_count, error)
            return
        if self._offline is None:
            self.begin()

    def _keep(self, writer_id: str, target: Target, project_uid: str, medium: Logged) -> None:
        with self._lock:
            cut, chunks = self._cut(medium.data)
        page = pb.ManifestPage(entries=entries_of(medium.path, False, cut)).SerializeToString()
        root = pb.ManifestRoot()
        root.pages.add(digest=blake3(page).digest(), size_bytes=len(page), first_path=medium.path)
        chunks.append(WireChunk(root.pages[0].digest, pb.CODEC_NONE, len(page), page))
        draft = pb.ArtifactDraft(name=medium.name, type=MEDIA_TYPE, metadata_json=medium.metadata_json, force=True)
        draft.links.add(model_id=target.model_id, step=medium.step)
        id_ = new_id()
        request = pb.CommitArtifactRequest(project_uid=project_uid, version_id=id_, draft=draft, manifest=root)
        owner, project, creation = self._recorder.owner, project_uid, None
        if self._offline is not None:
            owner, (project, creation) = "", self._offline.project_of(project_uid)
        # How it looks is asked of the server alone.
        record = VersionRecord(pb.ArtifactVersion(), request, creation, {target.model_id: target}).packed()
        self.store.keep(Waiting(id_, writer_id, owner, project, medium.name, MEDIA_TYPE, "", record), chunks)

    def _cut(self, data: bytes) -> tuple[Cut, list[WireChunk]]:
        chunks = []
        for piece in self._chunker.cut(memoryview(data), is_end=True):
            codec, encoded = self._encoder.encode(piece)
            chunks.append(WireChunk(blake3(piece).digest(), codec, len(piece), bytes(encoded)))
        return Cut(blake3(data).digest(), [(chunk.digest, chunk.raw_size_bytes) for chunk in chunks]), chunks

    # Sending

    def begin(self) -> int:
        """Has a thread send what waits, what programs that are gone have left too. Returns the round that does."""
        with self._changed:
            self._asked += 1
            if self._thread is None and not self._is_stopping:
                self._thread = threading.Thread(target=self._run, name="xpstore-media", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:  # at the very end of a program no thread starts any more
                    self._thread = None
            return self._asked

    def flush(self, timeout_seconds: float, grace_seconds: float | None = None) -> None:
        """Waits until the server has all that was logged before.

        Args:
            timeout_seconds: how long to wait.
            grace_seconds: how long, if the server is away.

        Raises:
            Unavailable: the server is away. What is not sent stays.
            DeadlineExceeded: the time is over.
        """
        if self._offline is not None:
            return
        began = time.monotonic()
        deadline = began + timeout_seconds
        wanted = self.begin()
        with self._changed:
            self._failure = None
            self._wake.set()
            while self._done < wanted:
                if self._failure is not None and grace_seconds is not None:
                    deadline = min(deadline, began + grace_seconds)
                left = deadline - time.monotonic()
                if self._thread is None or left <= 0:
                    raise self._unsent()
                self._changed.wait(left)

    def _unsent(self) -> Error:
        kind = Unavailable if isinstance(self._failure, Unavailable) else DeadlineExceeded
        reason = str(self._failure).rstrip(".") if self._failure else "The server did not take all media in time"
        return kind(f"{reason}. What is not sent stays in {self._recorder.folder}, and is sent later.")

    def finish(self) -> None:
        """Sends what waits in a short time, and then no more: what stays is sent by another client."""
        try:
            if self._asked and self._offline is None and not self._is_stopping:
                is_hurried = is_interrupted()
                seconds, grace = (INTERRUPTED_SECONDS,) * 2 if is_hurried else (EXIT_SECONDS, AWAY_SECONDS)
                self.flush(seconds, grace)
        except Error as error:
            log.warning("Not all media are sent: %s", error)
        finally:
            self._is_stopping = True
            self._wake.set()
            if (store := vars(self).get("store")) is not None:
                store.close()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._is_stopping:
            asked = self._asked
            try:
                shipper = MediaShipper(
                    self._connection, self.store, writer=self._recorder.spool.writer_id, owner=self._recorder.owner
                )
                self.dropped_count += shipper.ship().dropped
            except BrokenByFork:
                continue
            except Error as error:
                self._failed(error)
            except Exception as error:  # a fault of ours: what waits is sent by another program
                log.exception("Media that wait are not sent")
                self._failed(Unavailable(f"The sender of media failed: {error!r}"))
            else:
                pause = FIRST_PAUSE_SECONDS
                if self._has_done(asked):
                    return
                continue
            self._wake.wait(pause * _random.uniform(0.75, 1.0))
            self._wake.clear()
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _has_done(self, asked: int) -> bool:
        """Notes that all that was logged before is sent. Returns whether nothing came since."""
        with self._changed:
            if self._is_away:
                self._is_away = False
                log.warning("The server is back, all media are sent.")
            self._done, self._failure = asked, None
            is_idle = self._asked == asked
            if is_idle:
                self._thread = None
            self._changed.notify_all()
        return is_idle

    def _failed(self, error: Error) -> None:
        with self._changed:
            is_new, self._is_away = not self._is_away, True
            self._failure = error
            self._changed.notify_all()
        if is_new and not self._is_stopping:  # who stops it says so
            log.warning("Media stay in %s for now, and are sent later: %s", self._recorder.folder, error)
        if isinstance(error, Unavailable):
            with contextlib.suppress(Exception):  # what is wrong with the embedded service, the next round says
                self._connection.revive(REVIVE_SECONDS)
