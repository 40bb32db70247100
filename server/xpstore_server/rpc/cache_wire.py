"""The cache as messages: requests checked, rows written."""

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Row

from xpstore.v1 import artifact_pb2
from xpstore.v1 import cache_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.cache import EntryKey, Found
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.explain import Explanation
from xpstore_server.core.lease import Completion, Outcome, id_of
from xpstore_server.core.process import Difference, fingerprint_of
from xpstore_server.core.verification import Report
from xpstore_server.rpc.artifact_wire import version_to_wire
from xpstore_server.rpc.fields import a_fingerprint, a_period, a_uuid, an_age, if_set
from xpstore_server.rpc.process_wire import a_process, part_to_wire

_STATES = {
    "hit": pb.CACHE_STATE_HIT,
    "absent": pb.CACHE_STATE_ABSENT,
    "expired": pb.CACHE_STATE_EXPIRED,
    "deleted": pb.CACHE_STATE_DELETED,
    "running": pb.CACHE_STATE_RUNNING,
}

OUTCOMES = {
    pb.CACHE_VERIFICATION_SAME: "same",
    pb.CACHE_VERIFICATION_EQUAL: "equal",
    pb.CACHE_VERIFICATION_DIFFERENT: "different",
    pb.CACHE_VERIFICATION_UNSTABLE: "unstable",
    pb.CACHE_VERIFICATION_FAILED: "failed",
}

KeyRequest = (
    pb.ReportCacheVerificationRequest
    | pb.LookupCacheEntryRequest
    | pb.ReserveCacheEntryRequest
    | pb.WaitForCacheEntryRequest
    | pb.ExplainCacheEntryRequest
)


def a_key(wire: KeyRequest) -> EntryKey:
    """Project and fingerprint of a request."""
    return EntryKey(a_uuid("project_uid", wire.project_uid), a_fingerprint("fingerprint", wire.fingerprint))


def fingerprints_of(field: str, values: Sequence[str]) -> list[str]:
    """Many fingerprints, or one, or none."""
    if len(values) > limits.IDS:
        raise InvalidArgument(field, len(values), f"must be at most {limits.IDS}")
    return [a_fingerprint(field, value) for value in values]


def a_max_age(wire: Message) -> int | None:
    return if_set(wire, "max_age_us", an_age)


def a_lease_id(field: str, token: bytes) -> str:
    """The id of a token's lease. No error shows the token: it is a secret."""
    if len(token) != limits.TOKEN_BYTES:
        raise InvalidArgument(field, f"{len(token)} bytes", f"must have {limits.TOKEN_BYTES} random bytes")
    return id_of(token)


def lease_ids(field: str, tokens: Iterable[bytes]) -> list[str]:
    ids = [a_lease_id(field, token) for token in tokens]
    if len(ids) > limits.IDS:
        raise InvalidArgument(field, len(ids), f"must be at most {limits.IDS}")
    return ids


def a_completion(field: str, wire: artifact_pb2.CacheCompletion) -> Completion:
    duration_us = an_age(f"{field}.duration_us", wire.duration_us)
    if duration_us > limits.TIME_US:
        raise InvalidArgument(f"{field}.duration_us", duration_us, f"must be at most {limits.TIME_US} microseconds")
    done = Completion(
        lease_id=a_lease_id(f"{field}.token", wire.token),
        fingerprint=a_fingerprint(f"{field}.fingerprint", wire.fingerprint),
        process=a_process(f"{field}.process", wire.process),
        duration_us=duration_us,
        ttl_us=if_set(wire, "ttl_us", a_period, prefix=f"{field}."),
        fingerprint_format=if_set(wire, "fingerprint_format", _a_format, prefix=f"{field}.") or 1,
    )
    if done.fingerprint_format <= limits.FINGERPRINT_FORMAT:  # those to come cannot be checked
        right = fingerprint_of(done.process, done.fingerprint_format)
        if done.fingerprint != right:
            fix = f"is not that of `process` in format {done.fingerprint_format}, {right} (docs/fingerprint.md)"
            raise InvalidArgument(f"{field}.fingerprint", done.fingerprint, fix)
    return done


def _a_format(field: str, value: int) -> int:
    if value < 1:
        raise InvalidArgument(field, value, "must be at least 1")
    return value


def a_report(wire: pb.ReportCacheVerificationRequest) -> Report:
    key = a_key(wire)
    outcome = OUTCOMES.get(wire.outcome)
    if outcome is None:
        raise InvalidArgument("outcome", wire.outcome, f"must be one of {', '.join(map(str, OUTCOMES))}")
    return Report(a_uuid("id", wire.id), key.project_uid, outcome)


def entry_to_wire(found: Found) -> pb.CacheEntry:
    row = found.row
    return pb.CacheEntry(
        fingerprint=row.fingerprint,
        version=version_to_wire(row, found.details) if row.state == "live" else None,
        completed_at_us=row.completed_at_us,
        completed_by=row.completed_by,
        duration_us=row.duration_us,
        expires_at_us=row.expires_at_us,
        hits=row.hits,
        last_hit_at_us=row.last_hit_at_us,
        fingerprint_format=row.fingerprint_format,
    )


def hit_to_wire(position: int, row: Row[Any]) -> pb.CacheHit:
    return pb.CacheHit(
        position=position,
        version_id=row.id,
        digest=row.digest,
        size_bytes=row.size_bytes,
        duration_us=row.duration_us,
    )


def verifications_to_wire(rows: Iterable[Row[Any]]) -> list[pb.CacheVerificationCount]:
    """In the order of the enumeration."""
    counts = {row.outcome: row.times for row in rows}
    return [
        pb.CacheVerificationCount(outcome=outcome, count=counts[name])
        for outcome, name in OUTCOMES.items()
        if name in counts
    ]


def lease_to_wire(row: Row[Any]) -> pb.CacheLease:
    return pb.CacheLease(
        id=row.id,
        holder=row.holder,
        held_by=row.held_by,
        acquired_at_us=row.acquired_at_us,
        expires_at_us=row.expires_at_us,
    )


def outcome_to_wire(outcome: Outcome) -> pb.WaitForCacheEntryResponse:
    if outcome.running is not None:
        return pb.WaitForCacheEntryResponse(running=lease_to_wire(outcome.running))
    if outcome.entry is not None:
        return pb.WaitForCacheEntryResponse(entry=entry_to_wire(outcome.entry))
    if outcome.failed is not None:
        failure = pb.CacheFailure(error=outcome.failed.error, failed_at_us=outcome.failed.failed_at_us)
        return pb.WaitForCacheEntryResponse(failure=failure)
    if outcome.is_deadlock:
        return pb.WaitForCacheEntryResponse(deadlock=pb.CacheDeadlock())
    return pb.WaitForCacheEntryResponse(vacant=pb.CacheVacancy())


def explanation_to_wire(found: Explanation) -> pb.ExplainCacheEntryResponse:
    return pb.ExplainCacheEntryResponse(
        state=_STATES[found.state],
        entry=None if found.entry is None else entry_to_wire(found.entry),
        lease=None if found.lease is None else lease_to_wire(found.lease),
        nearest=None if found.nearest is None else entry_to_wire(found.nearest),
        differences=map(_difference_to_wire, found.differences),
    )


def _difference_to_wire(one: Difference) -> pb.CacheDifference:
    return pb.CacheDifference(
        asked=None if one.asked is None else part_to_wire(one.asked),
        known=None if one.known is None else part_to_wire(one.known),
    )
