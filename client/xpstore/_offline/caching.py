"""The cache without a server: results that wait in the spool are hits, and one computation serves many callers.

Those are of this process: two programs that compute the same at once both do.
"""

from collections.abc import Callable
from typing import Any

from xpstore._offline.leases import LocalLeases, Running
from xpstore._offline.record import VersionRecord
from xpstore._offline.store import ArtifactStore
from xpstore._values.times import now_us
from xpstore.v1 import cache_pb2 as pb

# What is not lost is not renewed either.
RENEW_US = 3_600_000_000


class LocalCache:
    """Answers what CacheService does for a call of a process.

    Args:
        store: has the results.
        project_of: what tells a project from others in it, by its uid.
        shown: a version as this process shall see it.
    """

    def __init__(
        self,
        store: Callable[[], ArtifactStore],
        project_of: Callable[[str], str],
        shown: Callable[[VersionRecord, str], Any],
    ) -> None:
        self._store = store
        self._project_of = project_of
        self._shown = shown
        self.leases = LocalLeases()
        self.answers: dict[str, Callable[[Any], Any]] = {
            "LookupCacheEntryRequest": self._look_up,
            "LookupCacheEntriesRequest": self._look_up_many,
            "ReserveCacheEntryRequest": self._reserve,
            "RenewCacheLeasesRequest": lambda _: pb.RenewCacheLeasesResponse(),
            "WaitForCacheEntryRequest": self._wait,
            "FailCacheLeaseRequest": lambda one: pb.FailCacheLeaseResponse(ended=self.leases.end(one.token)),
            "ReleaseCacheLeaseRequest": lambda one: pb.ReleaseCacheLeaseResponse(ended=self.leases.end(one.token)),
            "ExplainCacheEntryRequest": self._explain,
        }

    def _hit(self, request: Any, fingerprint: str) -> pb.CacheEntry | None:
        """The entry of a fingerprint, if it is young enough for the request."""
        found = self._store().result(self._project_of(request.project_uid), fingerprint)
        if found is None:
            return None
        record = VersionRecord.unpacked(found.record)
        completion, made_at_us = record.commit.cache_completion, record.version.created_at_us
        lives_us = [completion.ttl_us] if completion.HasField("ttl_us") else []
        lives_us += [request.max_age_us] if request.HasField("max_age_us") else []
        if lives_us and made_at_us + min(lives_us) <= now_us():
            return None
        return pb.CacheEntry(
            fingerprint=fingerprint,
            version=self._shown(record, request.project_uid),
            completed_at_us=made_at_us,
            duration_us=completion.duration_us,
            fingerprint_format=completion.fingerprint_format,
        )

    def _look_up(self, request: pb.LookupCacheEntryRequest) -> pb.LookupCacheEntryResponse:
        return pb.LookupCacheEntryResponse(entry=self._hit(request, request.fingerprint))

    def _look_up_many(self, request: pb.LookupCacheEntriesRequest) -> pb.LookupCacheEntriesResponse:
        answer = pb.LookupCacheEntriesResponse()
        for position, fingerprint in enumerate(request.fingerprints):
            if entry := self._hit(request, fingerprint):
                version, duration_us = entry.version, entry.duration_us
                answer.hits.add(
                    position=position,
                    version_id=version.id,
                    digest=version.digest,
                    size_bytes=version.size_bytes,
                    duration_us=duration_us,
                )
        return answer

    def _reserve(self, request: pb.ReserveCacheEntryRequest) -> pb.ReserveCacheEntryResponse:
        key = self._project_of(request.project_uid), request.fingerprint
        held = self.leases.take(key, Running(request.token, request.holder), is_forced=request.force)
        if held is not None:
            return pb.ReserveCacheEntryResponse(busy=pb.CacheLease(id=held.token.hex(), holder=held.holder))
        if not request.force and (entry := self._hit(request, request.fingerprint)):
            self.leases.end(request.token)
            return pb.ReserveCacheEntryResponse(entry=entry)
        lease = pb.CacheLease(id=request.token.hex(), holder=request.holder, acquired_at_us=now_us())
        return pb.ReserveCacheEntryResponse(granted=lease, renew_every_us=RENEW_US)

    def _wait(self, request: pb.WaitForCacheEntryRequest) -> pb.WaitForCacheEntryResponse:
        if request.held_tokens:  # whether that one waits for this is not looked at: it is computed here then
            return pb.WaitForCacheEntryResponse(deadlock=pb.CacheDeadlock())
        key = self._project_of(request.project_uid), request.fingerprint
        if held := self.leases.wait(key, request.timeout_us / 1_000_000):
            running = pb.CacheLease(id=held.token.hex(), holder=held.holder)
            return pb.WaitForCacheEntryResponse(running=running)
        return pb.WaitForCacheEntryResponse(vacant=pb.CacheVacancy())

    def _explain(self, request: pb.ExplainCacheEntryRequest) -> pb.ExplainCacheEntryResponse:
        entry = self._hit(request, request.fingerprint)
        state = pb.CACHE_STATE_ABSENT if entry is None else pb.CACHE_STATE_HIT
        return pb.ExplainCacheEntryResponse(state=state, entry=entry)
