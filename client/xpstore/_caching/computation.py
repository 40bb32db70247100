"""One call of a process: its result from the cache, else computed once for all who ask for it at the same time.

    look up -> hit
    reserve -> hit | lease: compute, store | somebody else's lease: wait -> hit | failure | reserve again

The server away, a deadlock or a wait that takes too long: computed here, without a lease and without storing.
"""

import concurrent.futures
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xpstore._artifacts.options import SaveOptions, make_draft
from xpstore._caching.hits import Hit, look_up, open_project
from xpstore._caching.lease import Lease
from xpstore._caching.state import REACH_SECONDS, TROUBLES, Away, CacheState
from xpstore._caching.terms import Terms
from xpstore._files.publish import publish
from xpstore._files.scan import scan
from xpstore._identity.message import to_wire
from xpstore._identity.process import Process
from xpstore._identity.values import FORMAT, fingerprint_process
from xpstore._results import results
from xpstore._results.copies import Damaged
from xpstore._session.project import ProjectBase
from xpstore._values.checks import to_text
from xpstore.errors import (
    ComputationFailed,
    Conflict,
    DeadlineExceeded,
    Error,
    InvalidArgument,
    NotFound,
    Stale,
)
from xpstore.v1 import artifact_pb2, cache_pb2

TYPE = "cached"
# Of one WaitForCacheEntry: the contract's longest.
WAIT_SECONDS = 20.0
# How often a hit whose artifacts or files go while they are read is tried again.
ATTEMPTS = 4
MAX_HOLDER_LENGTH = 256


class _Unreadable(Exception):
    """A result cannot be read here, on these terms."""


class _Broken(Exception):
    """A result cannot be read anywhere."""


@dataclass(frozen=True, slots=True)
class _Alone:
    """There will be no entry for this call; why."""

    error: Error


# Of an entry no more is looked at than a hit has.
Found = cache_pb2.CacheEntry | Hit


@dataclass(frozen=True, slots=True)
class _Inside:
    """A computation that runs in this context."""

    project_uid: str
    fingerprint: str
    token: bytes


_inside: ContextVar[tuple[_Inside, ...]] = ContextVar("xpstore_computations", default=())


@dataclass(slots=True, kw_only=True)
class Computation:
    """One call.

    Args:
        project: where its result is.
        process: what is computed, and of what.
        compute: computes it.
        terms: how it is kept and found.
        used: ids of the artifacts among its parameters.
        is_abandoned: whether nobody wants the result any more.
        is_current: whether the code still is that of the process, asked after computing: an autoreload or a mock may
            have changed it meanwhile, and what was computed is of neither then.
    """

    project: ProjectBase
    process: Process
    compute: Callable[[], Any]
    terms: Terms
    used: list[str] = field(default_factory=list)
    is_abandoned: Callable[[], bool] = lambda: False
    is_current: Callable[[], bool] = lambda: True
    fingerprint: str = field(init=False)
    _state: CacheState = field(init=False)
    _token: bytes = field(init=False)
    # Why what was computed is not stored.
    _problem: Exception | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.fingerprint = fingerprint_process(self.process.name, self.process.parts)
        self._state = self.project._client.kept(CacheState)
        self._token = os.urandom(16)

    def value(self, hit: Hit | None = None, *, is_missing: bool = False) -> Any:
        """The result. Only the computation's own errors are raised, and those of a call that makes no sense.

        Args:
            hit: what a look-up found a moment ago.
            is_missing: whether it found nothing.
        """
        force, look_up = self.terms.force, _found_nothing if is_missing else self._look_up
        try:
            for _ in range(ATTEMPTS):
                found, hit = hit or self._obtain(force, look_up), None
                if isinstance(found, Lease):
                    return self._under(found)[0]
                if isinstance(found, _Alone):
                    break
                try:
                    value = self._read(found.version)
                except NotFound:  # it, or an artifact that is part of it, has been deleted
                    force = True
                    continue
                except _Broken as error:
                    force = True
                    reason = f"A cached result of {self.process.name!r} cannot be read and is replaced: {error}"
                    self._state.warn(f"read {self.process.name}", reason)
                    continue
                self._state.count(hits=1, saved_us=found.duration_us)
                return value
        except Away:
            pass
        except _Unreadable as error:
            reason = f"A result of {self.process.name!r} is cached but cannot be read, so it is computed again: {error}"
            self._state.warn(f"read {self.process.name}", reason)
        self._state.count(uncached=1)
        return self.compute()

    def version(self) -> artifact_pb2.ArtifactVersion:
        """The artifact version of the result.

        Raises:
            Unavailable: the server is away.
            Conflict: it is asked for inside its own computation, or two computations wait for each other.
            DeadlineExceeded: somebody else's computation takes too long.
            InvalidArgument: the result is of a type that has no safe format.
        """
        force = self.terms.force
        for _ in range(ATTEMPTS):
            try:
                found = self._obtain(force, self._look_up_entry)
            except Away as away:
                raise away.error from None
            if isinstance(found, _Alone):
                raise found.error
            if not isinstance(found, Lease):
                self._state.count(hits=1, saved_us=found.duration_us)
                return found.version
            _, version = self._under(found)
            if version is not None:
                return version
            if self._problem is not None:
                raise self._problem
            force = False  # somebody took over and computes: theirs it is
        raise Conflict(f"{self.process.name!r}: the lease was lost {ATTEMPTS} times. Is this process often stopped?")

    def _read(self, version: artifact_pb2.ArtifactVersion) -> Any:
        terms = self.terms
        try:
            return results.load(
                self._state.copies, self.project._client, version, format=terms.format, trusted=terms.trusted
            )
        except TROUBLES as error:
            raise self._state.away(error) from None
        except (InvalidArgument, OSError) as error:  # of these terms, of this machine
            raise _Unreadable(str(error)) from error
        except (NotFound, MemoryError):
            raise
        except Exception as error:  # of the library that reads it: a first call did not raise, so no later one may
            raise _Broken(f"{type(error).__name__}: {error}") from error

    @property
    def is_inside_itself(self) -> bool:
        """Whether it is asked for while it is computed, in this context."""
        return any((one.project_uid, one.fingerprint) == (self.project.uid, self.fingerprint) for one in _inside.get())

    def _look_up(self) -> Hit | None:
        return look_up(self.project, self.process.name, [self.fingerprint], self.terms.max_age_us)[0]

    def _look_up_entry(self) -> cache_pb2.CacheEntry | None:
        request = cache_pb2.LookupCacheEntryRequest(**self._key)
        answer = self._state.ask(self.project._client.stubs.cache.LookupCacheEntry, request)
        return answer.entry if answer.HasField("entry") else None

    def _obtain(self, force: bool, look_up: Callable[[], Found | None]) -> "Found | Lease | _Alone":
        """An entry, or the lease to compute it, after waiting for others."""
        open_project(self.project, self._state)
        if self.is_inside_itself:
            return _Alone(Conflict(f"{self.process.name!r} asks for its own result while it computes it."))
        if not force and (found := look_up()):
            return found
        state, stub = self._state, self.project._client.stubs.cache
        deadline = time.monotonic() + self.terms.max_wait_seconds
        while True:
            reserve = cache_pb2.ReserveCacheEntryRequest(**self._key, token=self._token, holder=_holder(), force=force)
            reserved = state.ask(stub.ReserveCacheEntry, reserve)
            if reserved.HasField("entry"):
                return reserved.entry
            if reserved.HasField("granted"):
                return state.leases.hold(self._token, reserved.renew_every_us / 1_000_000)
            ended = self._wait(reserved.busy, deadline)
            if ended is not None:
                return ended

    def _wait(self, busy: cache_pb2.CacheLease, deadline: float) -> "cache_pb2.CacheEntry | _Alone | None":
        """Waits for somebody else's computation; None if the entry is to be reserved again."""
        state, stub = self._state, self.project._client.stubs.cache
        while (left := deadline - time.monotonic()) > 0 and not self.is_abandoned():
            seconds = min(left, WAIT_SECONDS)
            answer = state.ask(
                stub.WaitForCacheEntry,
                cache_pb2.WaitForCacheEntryRequest(
                    project_uid=self.project.uid,
                    fingerprint=self.fingerprint,
                    lease_id=busy.id,
                    timeout_us=int(seconds * 1_000_000),
                    held_tokens=[one.token for one in _inside.get()],
                ),
                extra_seconds=seconds,
            )
            match answer.WhichOneof("outcome"):
                case "entry":
                    return answer.entry
                case "failure":
                    raise ComputationFailed(f"{self.process.name!r}, computed by {busy.holder}: {answer.failure.error}")
                case "vacant":
                    return None
                case "deadlock":
                    return _Alone(Conflict(f"{self.process.name!r} and another computation wait for each other."))
        waited = f"{self.process.name!r}: {busy.holder} has not finished it in {self.terms.max_wait_seconds:g} s."
        return _Alone(DeadlineExceeded(waited))

    def _under(self, lease: Lease) -> "tuple[Any, artifact_pb2.ArtifactVersion | None]":
        """Computes and stores. Returns the value, and the version unless it could not be stored."""
        leases, began = self._state.leases, time.monotonic()
        before = _inside.set((*_inside.get(), _Inside(self.project.uid, self.fingerprint, lease.token)))
        try:
            value = self.compute()
        except (MemoryError, concurrent.futures.CancelledError):
            leases.release(lease)
            raise
        except Exception as error:
            leases.fail(lease, error)
            raise
        except BaseException:  # interrupted: another one may go on at once
            leases.release(lease)
            raise
        finally:
            _inside.reset(before)
        duration_us = int((time.monotonic() - began) * 1_000_000)
        version = self._stored(lease, value, duration_us) if self._is_still(lease) else None
        self._state.count(computed=version is not None, uncached=version is None)
        return value, version

    def _is_still(self, lease: Lease) -> bool:
        if self.is_current():
            return True
        self._state.leases.release(lease)
        self._problem = Conflict(
            f"The code of {self.process.name!r} changed while it ran, so its result is not cached."
        )
        self._state.warn(f"changed {self.process.name}", str(self._problem))
        return False

    def _stored(self, lease: Lease, value: Any, duration_us: int) -> "artifact_pb2.ArtifactVersion | None":
        """Publishes a value and completes the entry. Whatever goes wrong, the value is not lost."""
        state = self._state
        try:
            if state.was_away and not state.leases.is_held(lease, REACH_SECONDS):
                return None
            return self._publish(lease, value, duration_us) if lease.is_mine else None
        except Stale:
            state.leases.drop(lease)
        except Exception as error:
            state.leases.release(lease)
            self._problem = error
            if isinstance(error, TROUBLES):
                self._problem = state.away(error).error
            else:
                reason = f"A result of {self.process.name!r} is returned but not cached: {error}"
                state.warn(f"store {self.process.name}", reason)
        except BaseException:
            state.leases.release(lease)
            raise
        return None

    def _publish(self, lease: Lease, value: Any, duration_us: int) -> artifact_pb2.ArtifactVersion:
        copies, terms = self._state.copies, self.terms
        completion = artifact_pb2.CacheCompletion(
            token=lease.token,
            fingerprint=self.fingerprint,
            process=to_wire(self.process),
            duration_us=duration_us,
            ttl_us=terms.ttl_us,
            fingerprint_format=FORMAT,
        )
        with copies.making() as folder:
            within = results.write(value, folder, format=terms.format, trusted=terms.trusted)
            options: SaveOptions = {"used": list(dict.fromkeys([*self.used, *within]))}
            draft = make_draft(self.process.name, TYPE, {"format": "value"}, options)
            # The index of files knows nothing of a folder that was just made.
            version, entries = publish(
                self.project._client, self.project.uid, draft, scan(folder), reread=True, completion=completion
            )
            self._state.leases.drop(lease)
            with contextlib.suppress(Damaged, OSError):  # it is stored, that is what counts
                copies.keep(folder, version.digest, version.size_bytes, entries)
        copies.trim()
        return version

    @property
    def _key(self) -> dict[str, Any]:
        max_age_us = self.terms.max_age_us
        return {"project_uid": self.project.uid, "fingerprint": self.fingerprint, "max_age_us": max_age_us}


def _found_nothing() -> None:
    """Stands for a look-up that was done before."""


def _holder() -> str:
    """Who computes, in words for people."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in ("", "-c") else "python"
    return to_text(f"{program} on {socket.gethostname()}, process {os.getpid()}", MAX_HOLDER_LENGTH)
