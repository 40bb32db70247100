"""Sends media that wait: many in one stream, then each is published, a few at a time."""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from xpstore._files.upload import Uploader
from xpstore._machine.progress import unseen
from xpstore._machine.workers import Workers
from xpstore._offline.media_store import MediaStore
from xpstore._offline.record import VersionRecord
from xpstore._offline.shipper import READ_CHUNKS, REFUSALS, NotedOutcomes, batches
from xpstore._offline.store import Waiting
from xpstore._service.connection import Connection
from xpstore._spool.backlog import is_running
from xpstore._spool.made_offline import MadeOffline
from xpstore.errors import DataLoss, Error, NotFound, Unavailable
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import limits_pb2

log = logging.getLogger("xpstore")

# Sent in one stream. They are published one by one, so that many do not wait for the last of them.
BATCH = 256
# That are published at a time: a server waits for its disk at each. So neighbours may get each other's number.
PUBLISHERS = 4
# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5
CALL_SECONDS = 10.0

# What waits, and the request that publishes it.
Ready = tuple[Waiting, pb.CommitArtifactRequest]


@dataclass(slots=True)
class ShippedMedia:
    """What became of media that waited.

    Attributes:
        sent: how many the server has now.
        dropped: how many it will never have.
        later: how many others wait for a program that is running.
    """

    sent: int = 0
    dropped: int = 0
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
        self._fault = ""
        self._made = MadeOffline(connection, NotedOutcomes(store), connection.call)

    def ship(self) -> ShippedMedia:
        """Sends all there is, in the order in which it was stored; what the server never takes is let go of.

        Raises:
            Unavailable: the server went away. What is not sent stays.
        """
        # Uploads wait for a server that is away: whoever waits for this shall know at once.
        limits: Any = self._connection.stubs.limits.GetLimits
        self._connection.once(limits, limits_pb2.GetLimitsRequest(), CALL_SECONDS)
        done, number = ShippedMedia(), 0
        while some := self._store.some(number, BATCH):
            number = some[-1].number
            mine = [version for version in some if self._owner in (None, version.owner)]
            ready = self._ready(mine, done)
            for project, of_project in groupby(ready, key=lambda one: one[1].project_uid):
                self._ship_batch(project, list(of_project), done)
        if done.dropped:
            log.warning("%d media are dropped, as they cannot be stored. The last, %s", done.dropped, self._fault)
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
            record = VersionRecord.unpacked(version.record)
            request, (target,) = record.commit, record.targets.values()
            model_id, request.project_uid = self._made.model(target), self._made.project(target)
            if not model_id or not request.project_uid:
                self._drop(version, "its model was deleted, or could not be made", done)
                continue
            request.draft.links[0].model_id = model_id
            request.draft.name = f"media/{model_id}/{version.name}"
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
        reason = ""
        try:
            self._store.raw(self._store.needs(version.number))
        except (DataLoss, NotFound) as error:
            reason = str(error)
        is_here = self._store.get(version.id) is not None
        if is_here and reason:
            self._drop(version, reason, done)
        return is_here and not reason

    def _upload(self, project_uid: str, versions: list[Waiting]) -> None:
        needs = list(dict.fromkeys(digest for version in versions for digest in self._store.needs(version.number)))
        with Uploader(self._connection, project_uid, unseen) as uploader:
            for few in batches(needs, READ_CHUNKS):
                uploader.add_pages(self._store.raw(few))
            uploader.finish()

    def _publish_all(self, batch: list[Ready], done: ShippedMedia) -> list[Ready]:
        """Publishes media; returns those whose chunks are gone again."""
        workers = Workers(PUBLISHERS, "xpstore-media-publish")
        try:
            failed = threading.Event()
            answers = [workers.submit(self._publish, request, failed) for _, request in batch]
            errors = [answer.exception() for answer in answers]
        finally:
            workers.shutdown()
        there = [error is None and answer.result() for answer, error in zip(answers, errors, strict=True)]
        sent = [version for (version, _), is_there in zip(batch, there, strict=True) if is_there]
        self._store.remove_all(sent)
        done.sent += len(sent)
        for (version, _), error in zip(batch, errors, strict=True):
            if isinstance(error, REFUSALS):
                self._drop(version, str(error), done)
            elif error is not None:
                raise error
        outcomes = zip(batch, there, errors, strict=True)
        return [one for one, is_there, error in outcomes if error is None and not is_there]

    def _publish(self, request: pb.CommitArtifactRequest, failed: threading.Event) -> bool:
        """Whether it is published, as all its chunks are there.

        Args:
            request: publishes it.
            failed: is set when the server is away: the others need not find that out.
        """
        if failed.is_set():
            raise Unavailable("The server is away.")
        method: Any = self._connection.stubs.artifacts.CommitArtifact
        try:
            return bool(self._connection.once(method, request, CALL_SECONDS).HasField("version"))
        except REFUSALS:
            raise
        except Error:
            failed.set()
            raise

    def _drop(self, version: Waiting, reason: str, done: ShippedMedia) -> None:
        self._store.remove_all([version])
        done.dropped += 1
        self._fault = f"{version.name!r}: {reason}"
