"""Sends artifacts that wait: each version once, whoever has stored it, with the links and lineage that it has there."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from xpstore._files.upload import Uploader
from xpstore._machine.progress import progress
from xpstore._offline.record import VersionRecord
from xpstore._offline.store import ArtifactStore, Waiting
from xpstore._service.connection import Connection
from xpstore._spool.backlog import is_running
from xpstore._spool.made_offline import GONE, MadeOffline
from xpstore.errors import AlreadyExists, Conflict, DataLoss, Error, InvalidArgument, NotFound, Stale, Unavailable
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import cache_pb2, iteration_pb2

log = logging.getLogger("xpstore")

# What the server will not take as it is, however often it is asked.
REFUSALS = (InvalidArgument, NotFound, AlreadyExists, Conflict, DataLoss)
# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5
# Chunks of up to 1 MiB that are read together.
READ_CHUNKS = 16


class NotTaken(Exception):
    """A version will not be on the server."""


class Later(Exception):
    """A version cannot be sent now."""


@dataclass(slots=True)
class Shipped:
    """What became of what waited.

    Attributes:
        sent: versions that the server has now.
        refused: why others will not be there, by their names; they stay.
        later: how many others wait for a program that is still running, or for somebody's computation.
    """

    sent: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    later: int = 0


class NotedOutcomes:
    """What the server made of what was made offline, as `MadeOffline` asks and tells it.

    Args:
        store: keeps it, beside what waits.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self.state = _State(store)

    def note(self, made: str, becomes: str) -> None:
        """Notes an outcome, for ever."""
        self._store.note({made: becomes})


class _State:
    def __init__(self, store: ArtifactStore) -> None:
        self.became = _Became(store)


class _Became:
    """What became of what was made offline, as `MadeOffline` asks it."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def __contains__(self, made: str) -> bool:
        return self._store.became(made) is not None

    def __getitem__(self, made: str) -> str:
        return self._store.became(made) or GONE

    def get(self, made: str, default: str) -> str:
        """What became of it, or the default."""
        return self._store.became(made) or default


class ArtifactShipper:
    """Sends what waits for one server.

    Args:
        connection: to it.
        store: what waits.
        writer: id of the writer in the spool whom this program is, if it is one. What others that are running have
            stored is left to them, as what they log is to be there before.
        owner: digest of the key whose artifacts to send, none of offline clients; None sends all.
    """

    def __init__(
        self, connection: Connection, store: ArtifactStore, *, writer: str = "", owner: str | None = None
    ) -> None:
        self._connection = connection
        self._store = store
        self._writer = writer
        self._owner = owner
        self._made = MadeOffline(connection, NotedOutcomes(store), connection.call)

    def ship(
        self, on_sent: Callable[[str, str], None] = lambda made, becomes: None, *, is_discarding: bool = False
    ) -> Shipped:
        """Sends all there is, in the order in which it was stored.

        Args:
            on_sent: is told the id of each version here, and there.
            is_discarding: whether to let go of what the server does not take.

        Raises:
            Unavailable: the server went away. What is not sent stays.
        """
        done, number = Shipped(), 0
        while version := self._store.after(number):
            number = version.number
            if self._owner not in (None, version.owner):
                continue
            try:
                becomes = self._send(version)
            except NotTaken as error:
                done.refused[version.name] = str(error)
                if is_discarding:
                    self._store.remove(version, None)
            except Later:
                done.later += 1
            else:
                self._store.remove(version, becomes)
                on_sent(version.id, becomes)
                done.sent += 1
        return done

    def _send(self, version: Waiting) -> str:
        if version.writer != self._writer and is_running(self._store.path.parent / version.writer):
            raise Later
        try:
            return self._commit(version, VersionRecord.unpacked(version.record))
        except REFUSALS as error:
            raise NotTaken(str(error)) from error

    def _commit(self, version: Waiting, record: VersionRecord) -> str:
        request = record.commit
        if record.creation is not None:
            made = self._made.of_project(record.creation)
            if not made:
                raise NotTaken(f"its project {record.creation.project_id!r} was deleted")
            request.project_uid = made
        self._resolve(request.draft, record)
        # The token that it was computed under: so a program that goes on after a crash has the lease that it took.
        token = request.cache_completion.token
        if token and (entry := self._reserve(request, record)):
            return entry
        try:
            return self._publish(version, request, record.version.size_bytes)
        except Stale:
            raise Later from None
        finally:
            if token:
                self._release(token)

    def _resolve(self, draft: pb.ArtifactDraft, record: VersionRecord) -> None:
        """Has links and lineage name what they do on the server."""
        for link in list(draft.links):
            target, made = record.targets[link.model_id], link.iteration_id
            link.model_id = self._made.model(target)
            if link.HasField("iteration_id") and link.model_id:
                link.iteration_id = self._iteration(link.model_id, made, record.steps.get(made))
            if not link.model_id or (link.HasField("iteration_id") and not link.iteration_id):
                log.warning("Artifact %r is not linked to what was deleted, or could not be made.", draft.name)
                draft.links.remove(link)
        for place, made in enumerate(draft.used_version_ids):
            if self._store.get(made) is not None:
                raise Later  # it waits for the same
            draft.used_version_ids[place] = self._store.became(made) or made

    def _iteration(self, model_id: str, made: str, step: int | None) -> str:
        """The id of an iteration: the model may have had one of its step already."""
        if step is None:
            return made
        key = iteration_pb2.IterationStep(model_id=model_id, step=step)
        request = iteration_pb2.GetIterationRequest(iteration_step=key)
        try:
            return str(self._connection.call(self._connection.stubs.iterations.GetIteration, request).iteration.id)
        except NotFound:
            return GONE

    def _reserve(self, request: pb.CommitArtifactRequest, record: VersionRecord) -> str | None:
        """Takes the lease of a result; returns the version that is there already, if there is."""
        wanted = cache_pb2.ReserveCacheEntryRequest(
            project_uid=request.project_uid,
            fingerprint=request.cache_completion.fingerprint,
            token=request.cache_completion.token,
            holder="what was computed offline",
            force=record.is_forced,
        )
        answer = self._connection.call(self._connection.stubs.cache.ReserveCacheEntry, wanted)
        match answer.WhichOneof("outcome"):
            case "entry":
                return str(answer.entry.version.id)
            case "busy":
                raise Later
        return None

    def _release(self, token: bytes) -> None:
        try:
            release = cache_pb2.ReleaseCacheLeaseRequest(token=token)
            self._connection.call(self._connection.stubs.cache.ReleaseCacheLease, release)
        except Error as error:  # it ends by itself, a little later
            log.debug("A lease was not given back: %s", error)

    def _publish(self, version: Waiting, request: pb.CommitArtifactRequest, size_bytes: int) -> str:
        needs = self._store.needs(version.number)
        for _ in range(COMMIT_ATTEMPTS):
            with (
                progress(f"Sending {version.name}", size_bytes) as advance,
                Uploader(self._connection, request.project_uid, advance) as uploader,
            ):
                for some in batches(needs, self._connection.limits.max_digests):
                    there = uploader.has(some)
                    missing = [digest for digest, is_there in zip(some, there, strict=True) if not is_there]
                    for few in batches(missing, READ_CHUNKS):
                        uploader.add_pages(self._store.raw(few))
                uploader.finish()
            answer: Any = self._connection.call(self._connection.stubs.artifacts.CommitArtifact, request)
            if answer.HasField("version"):
                return str(answer.version.id)
        raise Unavailable("Its chunks are removed again and again before it is committed.")


def batches(digests: list[bytes], size: int) -> Iterator[list[bytes]]:
    """Yields digests, a few at a time."""
    for start in range(0, len(digests), size):
        yield digests[start : start + size]
