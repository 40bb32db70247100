"""CacheService."""

from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, true

from xpstore.v1 import cache_pb2 as pb
from xpstore.v1 import cache_pb2_grpc
from xpstore_server.auth import principal
from xpstore_server.core import cache, explain, lease, limits, verification
from xpstore_server.core.cache import EntryKey, Found
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.lease import Reservation, Sightings, Waited, Wanted
from xpstore_server.core.paging import Key
from xpstore_server.rpc.cache_wire import (
    a_key,
    a_lease_id,
    a_max_age,
    a_report,
    entry_to_wire,
    explanation_to_wire,
    fingerprints_of,
    hit_to_wire,
    lease_ids,
    lease_to_wire,
    outcome_to_wire,
    verifications_to_wire,
)
from xpstore_server.rpc.fields import a_fingerprint, a_name, a_text, a_uuid, an_age, if_set
from xpstore_server.rpc.hits import HitCounter
from xpstore_server.rpc.paging import Pager, fitting
from xpstore_server.rpc.process_wire import a_process
from xpstore_server.rpc.waiting import WaitingRoom
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

# Of three heartbeats two may be late before somebody takes over.
HEARTBEATS = 2.5


class CacheService(cache_pb2_grpc.CacheServiceServicer):
    def __init__(self, database: Database, waiting: WaitingRoom, hits: HitCounter, leases: Sightings) -> None:
        self._database = database
        self._waiting = waiting
        self._hits = hits
        self._leases = leases

    async def LookupCacheEntry(self, request: pb.LookupCacheEntryRequest, context: Any) -> pb.LookupCacheEntryResponse:
        key, max_age_us = a_key(request), a_max_age(request)
        found = await self._database.read_async(lambda tx: cache.lookup(tx, key, max_age_us))
        return pb.LookupCacheEntryResponse(entry=None if found is None else self._a_hit(found))

    async def LookupCacheEntries(
        self, request: pb.LookupCacheEntriesRequest, context: Any
    ) -> pb.LookupCacheEntriesResponse:
        uid, max_age_us = a_uuid("project_uid", request.project_uid), a_max_age(request)
        asked = fingerprints_of("fingerprints", request.fingerprints)
        unit = partial(cache.lookup_many, project_uid=uid, fingerprints=asked, max_age_us=max_age_us)
        # A row of SQLite is read here, mostly from memory: to another thread and back takes the event loop as long.
        is_read_here = self._database.is_sqlite and len(asked) == 1
        found = self._database.read(unit) if is_read_here else await self._database.read_async(unit)
        answer = pb.LookupCacheEntriesResponse()
        for position, fingerprint in enumerate(asked):
            if row := found.get(fingerprint):
                self._hits.add(EntryKey(uid, fingerprint), row.now_us)
                answer.hits.append(hit_to_wire(position, row))
        return answer

    async def ReserveCacheEntry(
        self, request: pb.ReserveCacheEntryRequest, context: Any
    ) -> pb.ReserveCacheEntryResponse:
        who = principal()
        wanted = Wanted(
            key=a_key(request),
            lease_id=a_lease_id("token", request.token),
            holder=a_text("holder", request.holder, limits.HOLDER_LENGTH),
            max_age_us=a_max_age(request),
            force=request.force,
        )
        found = await self._database.read_async(lambda tx: lease.peek(tx, who, wanted, self._leases))
        if found is None:
            reserve = partial(lease.reserve, principal=who, wanted=wanted, seen=self._leases)
            found = await self._database.write_async(reserve)
        return self._reserved(found)

    def _reserved(self, found: Reservation) -> pb.ReserveCacheEntryResponse:
        if found.entry is not None:
            return pb.ReserveCacheEntryResponse(entry=self._a_hit(found.entry))
        if found.granted is not None:
            renew_every_us = int(self._leases.length_us / HEARTBEATS)
            return pb.ReserveCacheEntryResponse(granted=lease_to_wire(found.granted), renew_every_us=renew_every_us)
        assert found.busy is not None
        return pb.ReserveCacheEntryResponse(busy=lease_to_wire(found.busy))

    async def RenewCacheLeases(self, request: pb.RenewCacheLeasesRequest, context: Any) -> pb.RenewCacheLeasesResponse:
        ids = lease_ids("tokens", request.tokens)
        if not ids:
            return pb.RenewCacheLeasesResponse()
        who = principal()
        kept = await self._database.write_async(lambda tx: lease.renew(tx, who, ids, self._leases.length_us))
        lost = [position for position, id_ in enumerate(ids) if id_ not in kept]
        return pb.RenewCacheLeasesResponse(lost_positions=lost)

    async def WaitForCacheEntry(
        self, request: pb.WaitForCacheEntryRequest, context: Any
    ) -> pb.WaitForCacheEntryResponse:
        waited = Waited(a_key(request), a_uuid("lease_id", request.lease_id))
        timeout_us = min(an_age("timeout_us", request.timeout_us), limits.WAIT_US)
        who, told = principal(), lease_ids("held_tokens", request.held_tokens)
        held = await self._database.read_async(lambda tx: lease.held(tx, who, told)) if told else frozenset[str]()
        outcome = await self._waiting.wait(waited, timeout_us / 1_000_000, held)
        if outcome.entry is not None:
            self._count(outcome.entry)
        return outcome_to_wire(outcome)

    async def FailCacheLease(self, request: pb.FailCacheLeaseRequest, context: Any) -> pb.FailCacheLeaseResponse:
        who, id_ = principal(), a_lease_id("token", request.token)
        error = a_text("error", request.error, limits.ERROR_LENGTH)
        ended = await self._database.write_async(lambda tx: lease.fail(tx, who, id_, error))
        self._waiting.wake(id_)
        return pb.FailCacheLeaseResponse(ended=ended)

    async def ReleaseCacheLease(
        self, request: pb.ReleaseCacheLeaseRequest, context: Any
    ) -> pb.ReleaseCacheLeaseResponse:
        who, id_ = principal(), a_lease_id("token", request.token)
        ended = await self._database.write_async(lambda tx: lease.release(tx, who, id_))
        self._waiting.wake(id_)
        return pb.ReleaseCacheLeaseResponse(ended=ended)

    async def ReportCacheVerification(
        self, request: pb.ReportCacheVerificationRequest, context: Any
    ) -> pb.ReportCacheVerificationResponse:
        report = a_report(request)
        await self._database.write_async(lambda tx: verification.report(tx, report))
        return pb.ReportCacheVerificationResponse()

    async def InvalidateCacheEntries(
        self, request: pb.InvalidateCacheEntriesRequest, context: Any
    ) -> pb.InvalidateCacheEntriesResponse:
        who = principal()
        uid = a_uuid("project_uid", request.project_uid)
        # What is completed from now on stays: else this might never end.
        now = await self._database.read_async(lambda tx: tx.now_us())
        which = _selected(request) & (cache.entry.c.completed_at_us <= now)
        unit = partial(
            cache.invalidate, principal=who, project_uid=uid, which=which, delete_artifacts=request.delete_artifacts
        )
        answer = pb.InvalidateCacheEntriesResponse()
        while True:
            removed, deleted = await self._database.write_async(unit)
            answer.removed_count += removed
            answer.deleted_version_count += deleted
            if not removed:
                return answer

    async def ListCacheEntries(self, request: pb.ListCacheEntriesRequest, context: Any) -> pb.ListCacheEntriesResponse:
        uid = a_uuid("project_uid", request.project_uid)
        process_name = if_set(request, "process_name", a_name)
        pager = Pager("cache entries in order", uid, process_name)
        page = pager.page(request.page_size, request.page_token)

        def unit(tx: Transaction) -> tuple[list[pb.CacheEntry], Key | None]:
            rows, key = cache.list_page(tx, uid, process_name, page)
            entries = map(entry_to_wire, cache.described(tx, rows))
            keys = cache.order(process_name)
            return fitting(zip(rows, entries, strict=True), key, *(column.name for column in keys))

        entries, key = await self._database.read_async(unit)
        return pb.ListCacheEntriesResponse(entries=entries, next_page_token=pager.token(key))

    async def ExplainCacheEntry(
        self, request: pb.ExplainCacheEntryRequest, context: Any
    ) -> pb.ExplainCacheEntryResponse:
        key, process, max_age_us = a_key(request), a_process("process", request.process), a_max_age(request)
        found = await self._database.read_async(lambda tx: explain.explain(tx, key, process, max_age_us, self._leases))
        return explanation_to_wire(found)

    async def GetCacheStatistics(
        self, request: pb.GetCacheStatisticsRequest, context: Any
    ) -> pb.GetCacheStatisticsResponse:
        uid = a_uuid("project_uid", request.project_uid)
        row, counts = await self._database.read_async(
            lambda tx: (cache.statistics(tx, uid), verification.counts(tx, uid))
        )
        return pb.GetCacheStatisticsResponse(
            entry_count=row.entries,
            hits=row.hits,
            saved_us=cache.saved_us(row),
            size_bytes=row.size_bytes,
            outdated_count=row.outdated,
            outdated_size_bytes=row.outdated_size_bytes,
            verifications=verifications_to_wire(counts),
        )

    def _a_hit(self, found: Found) -> pb.CacheEntry:
        self._count(found)
        return entry_to_wire(found)

    def _count(self, found: Found) -> None:
        self._hits.add(EntryKey(found.row.project_uid, found.row.fingerprint), found.row.now_us)


def _selected(request: pb.InvalidateCacheEntriesRequest) -> ColumnElement[bool]:
    match request.WhichOneof("selector"):
        case "fingerprint":
            return cache.entry.c.fingerprint == a_fingerprint("fingerprint", request.fingerprint)
        case "process_name":
            return cache.entry.c.process_name == a_name("process_name", request.process_name)
        case "all" if request.all:
            return true()
        case "outdated" if request.outdated:
            return cache.IS_OUTDATED
        case _:
            raise InvalidArgument("selector", "", "must be fingerprint, process_name, all = true or outdated = true")
