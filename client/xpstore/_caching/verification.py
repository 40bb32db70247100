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
from typing import Any

from blake3 import blake3

from xpstore._caching.computation import Computation, holds_lease
from xpstore._caching.equality import is_equal
from xpstore._caching.sampling import Same, Samples
from xpstore._caching.state import Away, CacheState
from xpstore._files.manifest import bare_entry, tree_digest
from xpstore._files.scan import Source, scan
from xpstore._identity.libraries import libraries_of
from xpstore._identity.process import Process
from xpstore._identity.values import PartKind
from xpstore._results import results
from xpstore._results.formats import OwnBuffer, read_file
from xpstore._service.channel import Stubs
from xpstore._values.ids import new_id
from xpstore._values.times import to_datetime
from xpstore.errors import Error
from xpstore.v1 import artifact_pb2, cache_pb2

log = logging.getLogger("xpstore")

# What is checked in this context, or was within the outermost check: each once, else a recursive function that is
# cached would be computed as if it were not.
_checked: ContextVar["set[tuple[str, str]] | None"] = ContextVar("xpstore_checked", default=None)


class _Moved(Exception):
    """The call is not any more what it was when the hit was found."""


class _Written:
    """A fresh value as files, to be read as a hit is: what the formats do not keep is no difference."""

    def __init__(self, value: Any, folder: Path, seconds: float) -> None:
        self.value = value
        self.seconds = seconds
        self._folder = folder
        self.digest = tree_digest([bare_entry(source, _digest(source)) for source in scan(folder)])

    def read(self, path: str) -> OwnBuffer:
        return read_file(self._folder / path)

    def path(self, path: str) -> Path:
        return self._folder / path


def _digest(source: Source) -> bytes:
    return blake3().update_mmap(source.location).digest() if isinstance(source.location, Path) else bytes(32)


def verified(
    computation: Computation,
    value: Any,
    share: float,
    same: Same | None,
    function: Callable[..., Any],
    identify: Callable[[], Process],
) -> Any:
    """Returns a hit's value, or the fresh one if it was checked and is another. Raises nothing of its own.

    Args:
        computation: what was a hit; one that was computed is returned as it is.
        value: what was read.
        share: how many hits are checked, 0 to 1.
        same: says whether two values are close enough; default equality.
        function: what is cached.
        identify: says what the call is now.
    """
    version = computation.hit
    # Under a lease others wait, and how long it took is kept.
    if not share or version is None or holds_lease() or computation.is_abandoned():
        return value
    key, checked = (computation.project.uid, computation.fingerprint), _checked.get() or set()
    samples = computation.project._client.kept(Samples)
    if key in checked or not samples.takes(computation.process.name, share):
        return value
    checked.add(key)
    before = _checked.set(checked)
    try:
        return _Check(computation, version, value, same, function, identify).run()
    finally:
        _checked.reset(before)


@dataclass(slots=True)
class _Check:
    """One hit that is computed again."""

    computation: Computation
    version: artifact_pb2.ArtifactVersion
    stored: Any
    same: Same | None
    function: Callable[..., Any]
    identify: Callable[[], Process]
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
        return is_equal(one, other) or (self.same is not None and bool(self.same(one, other)))

    def _stop_if_moved(self) -> None:
        if not self.computation.is_current():
            raise _Moved("its code changed while it ran")
        if _parameters(self.identify()) != _parameters(self.computation.process):
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
        if libraries := libraries_of(self.function, depends):
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
