"""Sends media that wait: many in one stream, then each is published, those of one name in their order."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from xpstore._files.upload import Uploader
from xpstore._machine.progress import unseen
from xpstore._machine.workers import Workers
from xpstore._offline.media_store import MediaStore
from xpstore._offline.record import VersionRecord
from xpstore._offline.shipper import READ_CHUNKS, REFUSALS, ArtifactShipper, NotTaken, batches
from xpstore._offline.store import Waiting
from xpstore._service.connection import Connection
from xpstore._spool.backlog import is_running
from xpstore.errors import DataLoss, NotFound, Unavailable
from xpstore.v1 import artifact_pb2 as pb

# Sent in one stream. They are published one by one, so that many do not wait for the last of them.
BATCH = 256
# That are published at a time, of different names.
PUBLISHERS = 4
# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5

# What waits, and the request that publishes it.
Ready = tuple[Waiting, pb.CommitArtifactRequest]


@dataclass(slots=True)
class ShippedMedia:
    """What became of media that waited.

    Attributes:
        sent: how many the server has now.
        dropped: how many it will never have.
        reason: why, of the last of those.
        later: how many others wait for a program that is running.
    """

    sent: int = 0
    dropped: int = 0
    reason: str = ""
    later: int = 0


class MediaShipper:
    """Sends what waits for one server.

    Args:
        connection: to it.
        store: what waits.
        writer: id of the writer in the spool whom this program is, if it is one; what others that are running have
            stored is left to them.
        owner: digest of the key whose media to send, none of offline clients; None sends all.
    """

    def __init__(
        self, connection: Connection, store: MediaStore, *, writer: str = "", owner: str | None = None
    ) -> None:
        self._connection = connection
        self._store = store
        self._writer = writer
        self._owner = owner
        self._lock = threading.Lock()
        self._artifacts = ArtifactShipper(connection, store, writer=writer, owner=owner)

    def ship(self, on_batch: Callable[[], None] = lambda: None) -> ShippedMedia:
        """Sends all there is, in the order in which it was stored; what the server never takes is let go of.

        Args:
            on_batch: is called after some are sent.

        Raises:
            Unavailable: the server went away. What is not sent stays.
        """
        done, number = ShippedMedia(), 0
        while some := self._store.some(number, BATCH):
            number = some[-1].number
            mine = [version for version in some if self._owner in (None, version.owner)]
            ready = self._ready(mine, done)
            for project, of_project in groupby(ready, key=lambda one: one[1].project_uid):
                self._ship_batch(project, list(of_project), done)
            on_batch()
        return done

    def _ready(self, versions: Iterable[Waiting], done: ShippedMedia) -> list[Ready]:
        """Each with the request that publishes it, in their order."""
        found, running = list[Ready](), dict[str, bool]()
        folder = self._store.path.parent
        for version in versions:
            if version.writer != self._writer and version.writer not in running:
                running[version.writer] = is_running(folder / version.writer)
            if running.get(version.writer):
                done.later += 1
                continue
            try:
                request = self._artifacts.prepare(VersionRecord.unpacked(version.record))
                if not request.draft.links:
                    raise NotTaken("its model was deleted, or could not be made")
            except NotTaken as error:
                self._drop(version, str(error), done)
                continue
            request.draft.name = f"media/{request.draft.links[0].model_id}/{version.name}"
            found.append((version, request))
        return found

    def _ship_batch(self, project_uid: str, batch: list[Ready], done: ShippedMedia) -> None:
        for _ in range(COMMIT_ATTEMPTS):
            try:
                self._upload(project_uid, [version for version, _ in batch])
            except (DataLoss, NotFound):
                batch = [one for one in batch if self._is_whole(one[0], done)]
                self._upload(project_uid, [version for version, _ in batch])
            batch = self._publish_all(batch, done)
            if not batch:
                return
        raise Unavailable("Chunks of media are removed again and again before they are published.")

    def _is_whole(self, version: Waiting, done: ShippedMedia) -> bool:
        """Whether all bytes of a version are here. One that another program has sent meanwhile is not."""
        try:
            self._store.raw(self._store.needs(version.number))
        except DataLoss as error:
            self._drop(version, str(error), done)
            return False
        return self._store.get(version.id) is not None

    def _upload(self, project_uid: str, versions: list[Waiting]) -> None:
        needs = list(dict.fromkeys(digest for version in versions for digest in self._store.needs(version.number)))
        with Uploader(self._connection, project_uid, unseen) as uploader:
            for few in batches(needs, READ_CHUNKS):
                uploader.add_pages(self._store.raw(few))
            uploader.finish()

    def _publish_all(self, batch: list[Ready], done: ShippedMedia) -> list[Ready]:
        """Publishes media; returns those whose chunks are gone again."""
        by_name = dict[str, list[Ready]]()
        for one in batch:
            by_name.setdefault(one[1].draft.name, []).append(one)
        workers = Workers(PUBLISHERS, "xpstore-media-publish")
        try:
            futures = [workers.submit(self._publish, some, done) for some in by_name.values()]
            return [left for future in futures for left in future.result()]
        finally:
            workers.shutdown()

    def _publish(self, some: list[Ready], done: ShippedMedia) -> list[Ready]:
        sent, left = list[Waiting](), list[Ready]()
        try:
            for version, request in some:
                try:
                    answer: Any = self._connection.call(self._connection.stubs.artifacts.CommitArtifact, request)
                except REFUSALS as error:
                    self._drop(version, str(error), done)
                    continue
                if answer.HasField("version"):
                    sent.append(version)
                else:
                    left.append((version, request))
        finally:
            self._store.remove_all(sent)
            with self._lock:
                done.sent += len(sent)
        return left

    def _drop(self, version: Waiting, reason: str, done: ShippedMedia) -> None:
        self._store.remove_all([version])
        with self._lock:
            done.dropped, done.reason = done.dropped + 1, f"{version.name!r}: {reason}"
