"""The cache of a project: what was computed, by what and of what, why a call would hit or miss, and what it saved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Unpack

from xpstore._caching.computation import Computation
from xpstore._caching.state import CacheState, Counts
from xpstore._caching.terms import CacheOptions, to_terms
from xpstore._identity.describe import describe
from xpstore._identity.message import from_wire, part_from_wire, to_wire
from xpstore._identity.process import Process, fingerprint
from xpstore._identity.values import Part, PartKind, fingerprint_process
from xpstore._service.paging import iterate
from xpstore._session.project import ProjectBase
from xpstore._values.checks import invalid, to_name
from xpstore._values.times import to_datetime
from xpstore.artifact import Artifact, CachedArtifact
from xpstore.errors import InvalidArgument
from xpstore.v1 import artifact_pb2
from xpstore.v1 import cache_pb2 as pb

STATES = {
    pb.CACHE_STATE_HIT: "hit",
    pb.CACHE_STATE_ABSENT: "absent",
    pb.CACHE_STATE_EXPIRED: "expired",
    pb.CACHE_STATE_DELETED: "deleted",
    pb.CACHE_STATE_RUNNING: "running",
}
OUTCOMES = {
    pb.CACHE_VERIFICATION_SAME: "same",
    pb.CACHE_VERIFICATION_EQUAL: "equal",
    pb.CACHE_VERIFICATION_DIFFERENT: "different",
    pb.CACHE_VERIFICATION_UNSTABLE: "unstable",
    pb.CACHE_VERIFICATION_FAILED: "failed",
}


class HasProcess(Protocol):
    """A cached function."""

    @property
    def process(self) -> Process:
        """Which computation it is."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One result in the cache.

    Attributes:
        fingerprint: that of the process with its parameters, 64 hexadecimal digits.
        process: name of the process.
        artifact: what it produced; None if that was deleted.
        completed_at: when, UTC.
        completed_by: name of the API key that computed it.
        duration_seconds: how long that took.
        expires_at: when it stops being a hit; None means never.
        hits: how often it was a hit; the last seconds may be missing.
        last_hit_at: when it was last a hit.
        fingerprint_format: that of its fingerprint: no client of today finds one before the newest.
    """

    fingerprint: str
    process: str
    artifact: CachedArtifact | None
    completed_at: datetime
    completed_by: str
    duration_seconds: float
    expires_at: datetime | None
    hits: int
    last_hit_at: datetime | None
    fingerprint_format: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How one part of a call differs from the most similar one that is known.

    Attributes:
        asked: the part in the call asked about; None if it has none of this kind and name.
        known: the part in the known call; None if it has none.
    """

    asked: Part | None
    known: Part | None

    def __str__(self) -> str:
        part = self.asked or self.known
        assert part is not None
        what = f"{part.kind.name.lower()} {part.name}"
        if self.known is None:
            return f"{what}: new, {part.text}"
        if self.asked is None:
            return f"{what}: gone, was {part.text}"
        if self.asked.text == self.known.text:
            return f"{what}: changed"
        return f"{what}: {self.asked.text}, was {self.known.text}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a call would hit or miss; `print` it.

    Attributes:
        state: "hit", "absent", "expired" (too old), "deleted" (its artifact was), or "running" (somebody computes it).
        fingerprint: that of the call.
        process: name of the process.
        entry: the entry, if there is one.
        holder: who computes it now, if somebody does.
        nearest: for a miss, the most similar entry of this process; None if there is none. Of `explain_entry` also for
            a hit.
        differences: how the call differs from `nearest`.
        parts: what the fingerprint was made of; of `explain_entry` none if there is no artifact that tells them.
    """

    state: str
    fingerprint: str
    process: str
    entry: CacheEntry | None
    holder: str | None
    nearest: CacheEntry | None
    differences: list[Difference]
    parts: tuple[Part, ...]

    @property
    def is_hit(self) -> bool:
        """Whether the call would return without computing."""
        return self.state == "hit"

    def __str__(self) -> str:
        lines = [f"{self.process or self.fingerprint}: {self._reason()}"]
        if self.nearest is not None:
            lines.append(
                f"The most similar known call is of {self.nearest.completed_at:%Y-%m-%d %H:%M:%S} UTC. Differences:"
            )
            lines += [f"  {difference}" for difference in self.differences] or ["  none"]
        return "\n".join(lines)

    def _reason(self) -> str:
        match self.state, self.entry:
            case "hit", CacheEntry() as entry:
                return (
                    f"a hit, computed in {entry.duration_seconds:.3g} s by {entry.completed_by}, hit {entry.hits} times"
                )
            case "expired", CacheEntry() as entry:
                return f"a miss: what was computed at {entry.completed_at:%Y-%m-%d %H:%M:%S} UTC is too old"
            case "deleted", _:
                return "a miss: the artifact was deleted"
            case "running", _:
                return f"a miss: {self.holder} computes it now"
        return "a miss: it was never computed with these parts"


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What the cache of a project holds and saved.

    Attributes:
        entries: how many results it has.
        hits: how often they were hits, of all users.
        saved_seconds: the computing time that those hits saved.
        size_bytes: sum of the sizes of the results, before deduplication.
        outdated: how many of the results no client of today finds, as their fingerprints have an older format.
        outdated_size_bytes: sum of the sizes of those.
        verifications: what came out when hits were computed again in the last 90 days, and how often: "same", "equal",
            "different", "unstable", "failed".
        here: what this client counted in this process.
    """

    entries: int
    hits: int
    saved_seconds: float
    size_bytes: int
    outdated: int
    outdated_size_bytes: int
    verifications: dict[str, int]
    here: Counts


class Cache:
    """The cache of a project; get it as `project.cache`."""

    def __init__(self, project: ProjectBase) -> None:
        self._project = project

    def get_or_compute(
        self,
        process: str,
        parameters: Mapping[str, Any],
        compute: Callable[[], Any],
        *,
        version: str | int | None = None,
        **options: Unpack[CacheOptions],
    ) -> CachedArtifact:
        """Returns the result of a process with these parameters, computing it if nobody has.

        Args:
            process: its name; the same name with the same parameters is the same computation.
            parameters: what the result depends on.
            compute: computes the value; not called for a hit.
            version: change it when `compute` computes something else.
            options: see `CacheOptions`.

        Returns:
            The artifact, the same one each time; `.load()` gives the value.

        Raises:
            InvalidArgument: a parameter has no fingerprint, or the value has no safe format.
            ComputationFailed: somebody else computed it meanwhile, and it raised an exception.
            Unavailable: the server is away.

        Example:
            ```python
            artifact = project.cache.get_or_compute("tokenize", {"path": "corpus.txt", "size": 8}, lambda: tokenize(8))
            tokens = artifact.load()
            ```
        """
        computation = Computation(
            project=self._project,
            process=_process(process, parameters, version),
            compute=compute,
            terms=to_terms(options),
            used=artifacts_in(parameters),
        )
        return CachedArtifact._from_wire(computation.version(), self._project._client, self._project)

    def explain(self, process: str, parameters: Mapping[str, Any], *, version: str | int | None = None) -> Explanation:
        """Says why `get_or_compute` would hit or miss."""
        return self._explain(_process(process, parameters, version), None)

    def explain_entry(self, fingerprint: str) -> Explanation:
        """Says what there is under a fingerprint, and how the most similar other entry of its process differs.

        Args:
            fingerprint: that of a call, as `artifact.hash_` or `list` say it.

        Raises:
            InvalidArgument: it has not 64 hexadecimal digits.
        """
        # The server needs the name of a process to compare with; which one it is, only the entry tells.
        wire = self._ask(fingerprint, artifact_pb2.ArtifactProcess(name="unknown"), None)
        process = wire.entry.version.process
        # Of a hit it says nothing that is near: so none is young enough.
        near = self._ask(fingerprint, process, 0) if process.name else pb.ExplainCacheEntryResponse()
        return self._explanation(fingerprint, from_wire(process), wire, near)

    def list(self, process: str | HasProcess | None = None) -> "list[CacheEntry]":
        """Returns the entries, oldest first; of one process if given. Some may be too old to be hits."""
        client = self._project._client
        request = pb.ListCacheEntriesRequest(project_uid=self._project.uid, process_name=_name_of(process))
        wires = iterate(client, client.stubs.cache.ListCacheEntries, request, "entries")
        return [self._entry(wire) for wire in wires]

    def invalidate(
        self,
        process: str | HasProcess | None = None,
        *,
        fingerprint: str | None = None,
        outdated: bool = False,
        delete_artifacts: bool = False,
    ) -> int:
        """Removes entries, so that the next call computes. Returns how many there were.

        Args:
            process: the name of a process, or a cached function: all its results. Neither this, `fingerprint` nor
                `outdated`: all of the project.
            fingerprint: only this result, as `artifact.hash_` or `explain` say it.
            outdated: those that no client of today finds, as their fingerprints have an older format.
            delete_artifacts: delete the artifacts too, but for those that an alias points to.

        Raises:
            InvalidArgument: more than one of them is given.
        """
        if sum((process is not None, fingerprint is not None, outdated)) > 1:
            raise InvalidArgument("of process, fingerprint and outdated one selects entries: more are given")
        request = pb.InvalidateCacheEntriesRequest(project_uid=self._project.uid, delete_artifacts=delete_artifacts)
        if fingerprint is not None:
            request.fingerprint = fingerprint
        elif process is not None:
            request.process_name = _name_of(process) or ""
        elif outdated:
            request.outdated = True
        else:
            request.all = True
        client = self._project._client
        return client.call(client.stubs.cache.InvalidateCacheEntries, request).removed_count

    def statistics(self) -> CacheStatistics:
        """Returns what the cache holds and saved."""
        client = self._project._client
        request = pb.GetCacheStatisticsRequest(project_uid=self._project.uid)
        wire = client.call(client.stubs.cache.GetCacheStatistics, request)
        return CacheStatistics(
            entries=wire.entry_count,
            hits=wire.hits,
            saved_seconds=wire.saved_us / 1_000_000,
            size_bytes=wire.size_bytes,
            outdated=wire.outdated_count,
            outdated_size_bytes=wire.outdated_size_bytes,
            verifications={OUTCOMES.get(one.outcome, "other"): one.count for one in wire.verifications},
            here=client.kept(CacheState).counts,
        )

    def _explain(self, process: Process, max_age_us: int | None) -> Explanation:
        key = fingerprint_process(process.name, process.parts)
        wire = self._ask(key, to_wire(process), max_age_us)
        return self._explanation(key, process, wire, wire)

    def _ask(
        self, key: str, process: artifact_pb2.ArtifactProcess, max_age_us: int | None
    ) -> pb.ExplainCacheEntryResponse:
        client = self._project._client
        request = pb.ExplainCacheEntryRequest(
            project_uid=self._project.uid, fingerprint=key, process=process, max_age_us=max_age_us
        )
        return client.call(client.stubs.cache.ExplainCacheEntry, request)

    def _explanation(
        self, key: str, process: Process, wire: pb.ExplainCacheEntryResponse, near: pb.ExplainCacheEntryResponse
    ) -> Explanation:
        differences = [
            Difference(
                part_from_wire(one.asked) if one.HasField("asked") else None,
                part_from_wire(one.known) if one.HasField("known") else None,
            )
            for one in near.differences
        ]
        return Explanation(
            state=STATES.get(wire.state, "absent"),
            fingerprint=key,
            process=process.name,
            entry=self._entry(wire.entry) if wire.HasField("entry") else None,
            holder=wire.lease.holder if wire.HasField("lease") else None,
            nearest=self._entry(near.nearest) if near.HasField("nearest") else None,
            differences=differences,
            parts=process.parts,
        )

    def _entry(self, wire: pb.CacheEntry) -> CacheEntry:
        artifact = None
        if wire.HasField("version"):
            artifact = CachedArtifact._from_wire(wire.version, self._project._client, self._project)
        return CacheEntry(
            fingerprint=wire.fingerprint,
            process=wire.version.process.name,
            artifact=artifact,
            completed_at=to_datetime(wire.completed_at_us),
            completed_by=wire.completed_by,
            duration_seconds=wire.duration_us / 1_000_000,
            expires_at=to_datetime(wire.expires_at_us) if wire.HasField("expires_at_us") else None,
            hits=wire.hits,
            last_hit_at=to_datetime(wire.last_hit_at_us) if wire.HasField("last_hit_at_us") else None,
            fingerprint_format=wire.fingerprint_format,
        )

    def __repr__(self) -> str:
        return f"Cache({self._project!r})"


def artifacts_in(value: Any) -> "list[str]":
    """The ids of the artifact versions in the arguments of a call."""
    found, left = list[str](), [value]
    while left:
        item = left.pop()
        if isinstance(item, Artifact):
            found.append(item.id)
        elif isinstance(item, Mapping):
            left += item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            left += item
    return found[::-1]  # in the order in which they stand


def _process(name: str, parameters: Mapping[str, Any], version: str | int | None) -> Process:
    if not isinstance(parameters, Mapping):
        raise invalid("parameters", parameters, "must be a dictionary")
    parts = [
        Part(PartKind.PARAMETER, to_name("parameters", key, 512), fingerprint(value, key), describe(value))
        for key, value in parameters.items()
    ]
    if version is not None:
        parts.append(Part(PartKind.VERSION, "version", fingerprint(str(version), "version"), str(version)))
    return Process(to_name("process", name), tuple(parts))


def _name_of(process: str | HasProcess | None) -> str | None:
    return process if process is None or isinstance(process, str) else process.process.name
