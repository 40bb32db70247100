"""Leases: the right to compute a cache entry, held by one caller at a time.

A lease is a row, of the key that reserved it: with another its token is as one that is not known. It runs until its
holder completes, fails or releases it; past its time it still runs until somebody takes over, so a holder that comes
back late may go on if nobody wanted it. Of its token only a digest is stored.

Its end is a time of the database's clock, which may have been days ahead when that was written. So it also ends when
this server has seen it unrenewed for a whole length, by its own steady clock (`Sightings`).
"""

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, update

from xpstore_server.core import cache, limits, project
from xpstore_server.core.cache import EntryKey, Found
from xpstore_server.core.errors import AlreadyExists, Conflict, InvalidArgument, Stale
from xpstore_server.core.process import Process
from xpstore_server.store import tables
from xpstore_server.store.clock import NowUs, steady_us
from xpstore_server.store.transaction import Transaction

lease = tables.cache_lease
entry = tables.cache_entry

ATTEMPTS = 5

_is_running = lease.c.failed_at_us.is_(None)
_RUNNING = select(lease, NowUs().label("now_us")).where(
    lease.c.project_uid == bindparam("project_uid"), lease.c.fingerprint == bindparam("fingerprint"), _is_running
)
_LOCK_RUNNING = _RUNNING.with_for_update()


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry, or else the lease on it, with the client-made id of that."""

    key: EntryKey
    lease_id: str
    holder: str
    max_age_us: int | None
    force: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """What came of it: the entry, the caller's own lease, or that of somebody else."""

    entry: Found | None = None
    granted: Row[Any] | None = None
    busy: Row[Any] | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a commit says of the entry that it completes."""

    lease_id: str
    fingerprint: str
    process: Process
    duration_us: int
    ttl_us: int | None
    fingerprint_format: int


@dataclass(frozen=True, slots=True)
class Waited:
    """A lease that somebody waits for."""

    key: EntryKey
    lease_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a lease: it goes on, it completed, it failed; none of these if it ended otherwise."""

    running: Row[Any] | None = None
    entry: Found | None = None
    failed: Row[Any] | None = None
    is_deadlock: bool = False  # it goes on, and waits for the one who waits for it


class Sightings:
    """Since when this server has seen leases as they are."""

    def __init__(self, length_us: int, steady: Callable[[], int] = steady_us) -> None:
        """`length_us` is that of a lease that is given or renewed."""
        self.length_us = length_us
        self._steady = steady
        self._lock = threading.Lock()
        self._first: dict[str, tuple[int, int]] = {}
        self._pruned_us = steady()

    def is_over(self, row: Row[Any], now_us: int) -> bool:
        """Whether a lease is past its time, by the database's clock or by ours."""
        with self._lock:
            at = self._steady()
            end, since = self._first.get(row.id, (row.expires_at_us, at))
            if end != row.expires_at_us:
                since = at  # it was renewed
            self._first[row.id] = (row.expires_at_us, since)
            if at - self._pruned_us > self.length_us:
                self._prune(at)
            return bool(row.expires_at_us <= now_us or at - since >= self.length_us)

    def _prune(self, at_us: int) -> None:
        """Forgets those that nobody asked about for long: they are gone, or are seen anew."""
        self._first = {id_: seen for id_, seen in self._first.items() if at_us - seen[1] < 4 * self.length_us}
        self._pruned_us = at_us


def id_of(token: bytes) -> str:
    """The id of a token's lease, which does not tell the token."""
    return str(uuid.UUID(bytes=hashlib.sha256(b"xpstore cache lease v1\n" + token).digest()[:16]))


def running(tx: Transaction, key: EntryKey, seen: Sightings) -> Row[Any] | None:
    """Returns the lease on an entry that somebody holds and that is not past its time."""
    row = tx.execute(_RUNNING, {"project_uid": key.project_uid, "fingerprint": key.fingerprint}).first()
    return row if row is not None and not seen.is_over(row, row.now_us) else None


def peek(tx: Transaction, principal: str, wanted: Wanted, seen: Sightings) -> Reservation | None:
    """Answers `reserve` where nothing needs to be written, else None."""
    if found := _hit(tx, principal, wanted):
        return Reservation(entry=found)
    other = running(tx, wanted.key, seen)
    return Reservation(busy=other) if other is not None and other.id != wanted.lease_id else None


def reserve(tx: Transaction, principal: str, wanted: Wanted, seen: Sightings) -> Reservation:
    """Returns the entry, or gives the caller the lease, or says who holds it.

    Of several callers the unique index lets one insert the lease. It looks for the entry once it has the lease: an
    entry that came before is then seen, and none can come after.
    """
    key = wanted.key
    project.get(tx, project_uid=key.project_uid)
    for _ in range(ATTEMPTS):
        held = tx.execute(_LOCK_RUNNING, {"project_uid": key.project_uid, "fingerprint": key.fingerprint}).first()
        now = tx.now_us()
        if held is not None and (held.id, held.held_by) == (wanted.lease_id, principal):
            renew(tx, principal, [wanted.lease_id], seen.length_us)
            return Reservation(granted=_get(tx, wanted.lease_id))
        if held is not None and not seen.is_over(held, now):
            return Reservation(busy=held)
        if held is not None:
            tx.execute(delete(lease).where(lease.c.id == held.id))
        if tx.insert_ignore(lease, _row(principal, wanted, now, seen.length_us)):
            if found := _hit(tx, principal, wanted):
                tx.execute(delete(lease).where(lease.c.id == wanted.lease_id))
                return Reservation(entry=found)
            return Reservation(granted=_get(tx, wanted.lease_id))
        if _get(tx, wanted.lease_id) is not None:
            hint = "Make a fresh token for every computation."
            raise AlreadyExists("cache lease", "token", f"of the lease {wanted.lease_id}", hint)
    raise Conflict("Leases on this entry come and go too fast. Repeat the call.")


def _hit(tx: Transaction, principal: str, wanted: Wanted) -> Found | None:
    row = cache.look(tx, wanted.key)
    # What was completed under this very lease answers its holder, also one that wants no older entry.
    is_own = (row.lease_id, row.completed_by, row.state) == (wanted.lease_id, principal, "live")
    is_hit = is_own or (not wanted.force and cache.state(row, wanted.max_age_us) == "hit")
    return next(cache.described(tx, [row])) if is_hit else None


def _row(principal: str, wanted: Wanted, now: int, length_us: int) -> dict[str, Any]:
    return {
        "id": wanted.lease_id,
        "project_uid": wanted.key.project_uid,
        "fingerprint": wanted.key.fingerprint,
        "holder": wanted.holder,
        "held_by": principal,
        "acquired_at_us": now,
        "expires_at_us": now + length_us,
    }


def _get(tx: Transaction, lease_id: str) -> Row[Any] | None:
    return tx.execute(select(lease).where(lease.c.id == lease_id)).first()


def renew(tx: Transaction, principal: str, lease_ids: Sequence[str], length_us: int) -> set[str]:
    """Extends leases of a key; returns those that still run."""
    mine = update(lease).where(lease.c.id.in_(lease_ids), lease.c.held_by == principal, _is_running)
    return set(tx.execute(mine.values(expires_at_us=tx.now_us() + length_us).returning(lease.c.id)).scalars())


def held(tx: Transaction, principal: str, lease_ids: Sequence[str]) -> frozenset[str]:
    """Which of these are running leases of a key."""
    mine = select(lease.c.id).where(lease.c.id.in_(lease_ids), lease.c.held_by == principal, _is_running)
    return frozenset(tx.execute(mine).scalars())


def fail(tx: Transaction, principal: str, lease_id: str, error: str) -> bool:
    """Ends a lease of a key with an error for those who wait for it. Returns whether this call did."""
    ended = update(lease).where(lease.c.id == lease_id, lease.c.held_by == principal, _is_running)
    return tx.execute(ended.values(failed_at_us=tx.now_us(), error=error, waits_for=None)).rowcount == 1


def release(tx: Transaction, principal: str, lease_id: str) -> bool:
    """Ends a lease of a key. Returns whether this call did."""
    mine = (lease.c.id == lease_id, lease.c.held_by == principal, _is_running)
    return tx.execute(delete(lease).where(*mine)).rowcount == 1


# What `publish` builds on.


def completed_version(tx: Transaction, principal: str, project_uid: str, done: Completion) -> str | None:
    """The version of the entry if it was completed under this very lease."""
    of_it = (entry.c.project_uid == project_uid, entry.c.fingerprint == done.fingerprint)
    mine = (*of_it, entry.c.completed_by == principal)
    return tx.execute(select(entry.c.version_id).where(*mine, entry.c.lease_id == done.lease_id)).scalar()


def replaced_version(tx: Transaction, key: EntryKey, artifact_id: str, digest: bytes) -> str | None:
    """The version of the entry that is there if it is a live one of this artifact and content."""
    version = tables.artifact_version
    same = (version.c.state == "live", version.c.artifact_id == artifact_id, version.c.digest == digest)
    query = select(version.c.id).join(entry, entry.c.version_id == version.c.id).where(*same)
    mine = (entry.c.project_uid == key.project_uid, entry.c.fingerprint == key.fingerprint)
    return tx.execute(query.where(*mine)).scalar()


def hold(tx: Transaction, principal: str, project_uid: str, done: Completion) -> None:
    """Locks the lease of a completion: nobody takes over until the end of the transaction.

    Raises:
        Stale: it has ended, is past its time, or is not of this key and project.
    """
    row = tx.execute(select(lease).where(lease.c.id == done.lease_id).with_for_update()).first()
    is_mine = row is not None and (row.held_by, row.project_uid) == (principal, project_uid)
    if row is None or not is_mine or row.failed_at_us is not None:
        raise Stale("The lease on this cache entry has ended. Nothing was published. Reserve the entry again.")
    if row.fingerprint != done.fingerprint:
        fix = f"is not what was reserved, {row.fingerprint}"
        raise InvalidArgument("cache_completion.fingerprint", done.fingerprint, fix)
    if row.expires_at_us <= tx.now_us():
        raise Stale("The lease on this cache entry is past its time. Nothing was published. Renew or reserve it again.")


def complete(tx: Transaction, principal: str, project_uid: str, version_id: str, done: Completion) -> None:
    """Puts the entry in place and ends its lease, which `hold` has locked."""
    now = tx.now_us()
    ttl_us = done.ttl_us or project.get(tx, project_uid=project_uid).cache_ttl_us
    tx.execute(delete(lease).where(lease.c.id == done.lease_id))
    tx.execute(delete(entry).where(entry.c.project_uid == project_uid, entry.c.fingerprint == done.fingerprint))
    row = {
        "project_uid": project_uid,
        "fingerprint": done.fingerprint,
        "version_id": version_id,
        "lease_id": done.lease_id,
        "process_name": done.process.name,
        "completed_at_us": now,
        "completed_by": principal,
        "duration_us": done.duration_us,
        "expires_at_us": None if ttl_us is None else now + ttl_us,
        "hits": 0,
        "fingerprint_format": done.fingerprint_format,
    }
    tx.insert(entry, row)


# Waiting.


def outcomes(tx: Transaction, waited: Sequence[Waited], seen: Sightings) -> dict[Waited, Outcome]:
    """Returns what became of leases."""
    query = select(lease, NowUs().label("now_us")).where(lease.c.id.in_([one.lease_id for one in waited]))
    rows = {Waited(EntryKey(row.project_uid, row.fingerprint), row.id): row for row in tx.execute(query)}
    found: dict[Waited, Outcome] = {}
    for one, row in rows.items():
        if row.failed_at_us is not None:
            found[one] = Outcome(failed=row)
        elif not seen.is_over(row, row.now_us):
            found[one] = Outcome(running=row)
    # After the leases: a completion that has ended one is seen now.
    gone = [one for one in waited if one not in found]
    entries = cache.live(tx, [one.key for one in gone]) if gone else []
    completed = {Waited(EntryKey(one.row.project_uid, one.row.fingerprint), one.row.lease_id): one for one in entries}
    ended = {one: Outcome(entry=completed.get(one)) for one in gone}
    return {one: found.get(one) or ended[one] for one in waited}


def begin_wait(tx: Transaction, held_ids: Iterable[str], lease_id: str) -> None:
    """Notes that the holder of leases waits for another."""
    tx.execute(update(lease).where(lease.c.id.in_(sorted(held_ids)), _is_running).values(waits_for=lease_id))


def end_wait(tx: Transaction, held_ids: Iterable[str], lease_id: str) -> None:
    """Takes that back."""
    mine = update(lease).where(lease.c.id.in_(sorted(held_ids)), lease.c.waits_for == lease_id)
    tx.execute(mine.values(waits_for=None))


def waits(tx: Transaction) -> dict[str, str]:
    """Which lease waits for which, on all replicas."""
    query = select(lease.c.id, lease.c.waits_for).where(lease.c.waits_for.is_not(None))
    return {row.id: row.waits_for for row in tx.execute(query)}


def is_deadlock(waits: dict[str, str], lease_id: str, held_ids: frozenset[str]) -> bool:
    """Whether a lease is one of those held, or waits for one, perhaps by way of others."""
    seen: set[str] = set()
    at: str | None = lease_id
    while at is not None and at not in seen:
        if at in held_ids:
            return True
        seen.add(at)
        at = waits.get(at)
    return False


def forget(tx: Transaction, now_us: int) -> int:
    """Removes some leases that failed, or that nobody renewed, long ago."""
    old = lease.c.expires_at_us <= now_us - limits.LEASE_KEPT_US
    some = select(lease.c.id).where(old).limit(cache.BATCH)
    return tx.execute(delete(lease).where(lease.c.id.in_(some), old)).rowcount
