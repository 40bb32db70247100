"""Hits that are computed again, so that a wrong one is found and replaced.

hit -> compute -> the same bytes | an equal value: the hit
               -> compute once more -> equal to the first: that, in place of the entry
                                    -> another value again: the hit, as nothing can be said of it
whatever raises: the hit
"""

import contextlib
import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from blake3 import blake3

from xpstore._caching.computation import Computation, holds_lease
from xpstore._caching.equality import is_equal
from xpstore._caching.sampling import Samples
from xpstore._caching.state import Away, CacheState
from xpstore._files.manifest import bare_entry, tree_digest
from xpstore._files.scan import Source, scan
from xpstore._identity.libraries import libraries_of
from xpstore._identity.process import Process
from xpstore._identity.values import PartKind
from xpstore._machine.settings import setting
from xpstore._results import results
from xpstore._service.channel import Stubs
from xpstore._values.checks import invalid
from xpstore._values.ids import new_id
from xpstore._values.times import to_datetime
from xpstore.errors import Error
from xpstore.v1 import artifact_pb2, cache_pb2

log = logging.getLogger("xpstore")

SETTING = "XPSTORE_CACHE_VERIFY"

Same = Callable[[Any, Any], Any]

# What is checked in this context, or was within the outermost check: each once, else a recursive function that is
# cached would be computed as if it were not.
_checked: ContextVar["set[tuple[str, str]] | None"] = ContextVar("xpstore_checked", default=None)


class VerifyOptions(TypedDict, total=False):
    """What may be said about how hits are checked.

    Attributes:
        verify: the share of hits that are computed again and compared with what is cached, 0 to 1; default what
            `XPSTORE_CACHE_VERIFY` says, else 0. What is wrong is replaced, with a warning.
        same: says of two values, the cached one and a fresh one, whether they are close enough, such as
            `numpy.allclose`; default equality.
    """

    verify: float | None
    same: Same | None


@dataclass(frozen=True, slots=True)
class Verify:
    """How hits are checked; see `VerifyOptions`."""

    given: float | None
    same: Same | None

    @property
    def share(self) -> float:
        """The share of hits that are checked.

        Raises:
            InvalidArgument: the setting is malformed.
        """
        return _to_share(SETTING, setting(SETTING, 0)) if self.given is None else self.given


def to_verify(options: VerifyOptions) -> Verify:
    """Checks what was said.

    Raises:
        InvalidArgument: it is malformed.
    """
    given, same = options.get("verify"), options.get("same")
    if same is not None and not callable(same):
        raise invalid("same", same, "must be a function of two values")
    return Verify(None if given is None else _to_share("verify", given), same)


def _to_share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise invalid(name, value, "must be a number from 0 to 1")
    return float(value)


class _Moved(Exception):
    """The call is not any more what it was when the hit was found."""


class _Written(results.WrittenFiles):
    """A fresh value as files, to be read as a hit is: what the formats do not keep is no difference."""

    def __init__(self, value: Any, folder: Path, seconds: float) -> None:
        super().__init__(folder)
        self.value = value
        self.seconds = seconds
        self.digest = tree_digest([bare_entry(source, _digest(source)) for source in scan(folder)])


def _digest(source: Source) -> bytes:
    return blake3().update_mmap(source.location).digest() if isinstance(source.location, str) else bytes(32)


@dataclass(frozen=True, slots=True)
class Verification:
    """How the hits of one call are checked: the `check` of a `Computation`.

    Attributes:
        share: how many of the hits of its function, 0 to 1.
        same: says whether two values are close enough; default equality.
        function: what is cached.
        identify: says what the call is now.
    """

    share: float
    same: Same | None
    function: Callable[..., Any]
    identify: Callable[[], Process]

    def __call__(self, computation: Computation, version: artifact_pb2.ArtifactVersion, value: Any) -> Any:
        """Returns the value of a hit, or the fresh one if it was checked and is another. Raises nothing of its own."""
        if holds_lease() or computation.is_abandoned():  # others wait for it, and how long it takes is kept; or nobody
            return value
        key, checked = (computation.project.uid, computation.fingerprint), _checked.get() or set()
        samples = computation.project._client.kept(Samples)
        if key in checked or not samples.takes(computation.process.name, self.share):
            return value
        checked.add(key)
        before = _checked.set(checked)
        try:
            return _Check(self, computation, version, value).run()
        finally:
            _checked.reset(before)


def verification(verify: Verify, function: Callable[..., Any], identify: Callable[[], Process]) -> Verification | None:
    """How the hits of a call are checked; None if none is.

    Raises:
        InvalidArgument: the setting is malformed.
    """
    share = verify.share
    return Verification(share, verify.same, function, identify) if share else None


@dataclass(slots=True)
class _Check:
    """One hit that is computed again."""

    how: Verification
    computation: Computation
    version: artifact_pb2.ArtifactVersion
    stored: Any
    _state: CacheState = field(init=False)
    _folders: contextlib.ExitStack = field(init=False, default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self._state = self.computation.project._client.kept(CacheState)

    def run(self) -> Any:
        try:
            with self._folders:
                outcome, fresh = self._outcome()
        except Exception as error:
            if self.computation.is_abandoned():
                raise
            outcome, fresh = cache_pb2.CACHE_VERIFICATION_FAILED, None
            reason = str(error) if isinstance(error, _Moved) else f"{type(error).__name__}: {error}"
            message = f"A hit of {self._name!r} could not be checked, and is returned as it is: {reason}"
            self._state.warn(f"failed check {self._name}", message)
        if fresh is not None:
            self._replace(fresh)
        self._report(outcome)
        return self.stored if fresh is None else fresh.value

    def _outcome(self) -> "tuple[cache_pb2.CacheVerification, _Written | None]":
        """What came out, and the value to replace the entry with, if it is another."""
        first = self._fresh()
        if first.digest == self.version.digest:
            return cache_pb2.CACHE_VERIFICATION_SAME, None
        value = self._read(first)
        if self._is_same(self.stored, value):
            return cache_pb2.CACHE_VERIFICATION_EQUAL, None
        self._stop_if_moved()
        second = self._fresh()
        if first.digest != second.digest and not self._is_same(value, self._read(second)):
            message = (
                f"{self._name!r} is not deterministic: computed again it gives another value each time, so its hits "
                "cannot be checked. The cached one is returned. same= says which values are close enough."
            )
            self._state.warn(f"unstable {self._name}", message)
            return cache_pb2.CACHE_VERIFICATION_UNSTABLE, None
        self._stop_if_moved()
        return cache_pb2.CACHE_VERIFICATION_DIFFERENT, second

    @property
    def _name(self) -> str:
        return self.computation.process.name

    @property
    def _stubs(self) -> Stubs:
        return self.computation.project._client.stubs

    def _fresh(self) -> _Written:
        began, terms = time.monotonic(), self.computation.terms
        value = self.computation.again()
        seconds = time.monotonic() - began
        folder = self._folders.enter_context(self._state.copies.making())
        results.write(value, folder, format=terms.format, trusted=terms.trusted)
        return _Written(value, folder, seconds)

    def _read(self, written: _Written) -> Any:
        terms, client = self.computation.terms, self.computation.project._client
        return results.read(client, written, format=terms.format, trusted=terms.trusted)

    def _is_same(self, one: Any, other: Any) -> bool:
        return is_equal(one, other) or (self.how.same is not None and bool(self.how.same(one, other)))

    def _stop_if_moved(self) -> None:
        if not self.computation.is_current():
            raise _Moved("its code changed while it ran")
        if _parameters(self.how.identify()) != _parameters(self.computation.process):
            raise _Moved("it changes its arguments")

    def _replace(self, fresh: _Written) -> None:
        """Puts the fresh value in place of the entry, which goes in any case, and says so."""
        made, became = "", ""
        with contextlib.suppress(Away, Error):
            request = artifact_pb2.GetArtifactVersionRequest(version_id=self.version.id)
            old = self._state.ask(self._stubs.artifacts.GetArtifactVersion, request).version
            made = f", made {to_datetime(old.created_at_us):%Y-%m-%d %H:%M:%S} UTC by {old.created_by}"
        try:
            new = self.computation.replace(fresh.value, int(fresh.seconds * 1_000_000))
            became = f"{new.id} is in its place" if new is not None else self._invalidate()
        except (Away, Error) as error:
            became = f"it could not be removed ({error})"
        message = (
            f"The cached result of {self._name!r} was wrong: computed again it is another value, twice the same, which "
            f"is returned. Cached was artifact {self.version.id}{made}; {became}. Something that it depends on changed "
            f"and does not count: {self._blame()}."
        )
        log.warning("%s", message)

    def _invalidate(self) -> str:
        uid, fingerprint = self.computation.project.uid, self.computation.fingerprint
        request = cache_pb2.InvalidateCacheEntriesRequest(project_uid=uid, fingerprint=fingerprint)
        self._state.ask(self._stubs.cache.InvalidateCacheEntries, request)
        return "it is removed"

    def _blame(self) -> str:
        """What may have changed without another key."""
        parts = self.computation.process.parts
        versions = sorted({part.text for part in parts if part.kind is PartKind.VERSION})
        depends = [part.name for part in parts if part.kind is PartKind.LIBRARY]
        suspects = [f"code behind version={version}" for version in versions]
        libraries: list[str] = []
        with contextlib.suppress(Exception):  # a hint, which code and metadata of others must not spoil
            libraries = libraries_of(self.how.function, depends)
        if libraries:
            suspects.append(f"versions of libraries, here {' and '.join(libraries)} (depends= makes them count)")
        return ", ".join([*suspects, "a file that it opens by itself, an environment variable, or the clock"])

    def _report(self, outcome: cache_pb2.CacheVerification) -> None:
        is_compared = outcome != cache_pb2.CACHE_VERIFICATION_FAILED
        self._state.count(verified=is_compared, different=outcome == cache_pb2.CACHE_VERIFICATION_DIFFERENT)
        request = cache_pb2.ReportCacheVerificationRequest(
            id=new_id(),
            project_uid=self.computation.project.uid,
            fingerprint=self.computation.fingerprint,
            outcome=outcome,
        )
        with contextlib.suppress(Away, Error):  # it is counted here
            self._state.ask(self._stubs.cache.ReportCacheVerification, request)


def _parameters(process: Process) -> dict[str, str]:
    return {part.name: part.fingerprint for part in process.parts if part.kind is PartKind.PARAMETER}
