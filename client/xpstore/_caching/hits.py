"""The look-up of hits: one call of the server for a fingerprint, or for many."""

from collections.abc import Sequence
from dataclasses import dataclass

from xpstore._caching.state import TROUBLES, CacheState
from xpstore._session.project import ProjectBase
from xpstore.v1 import artifact_pb2, cache_pb2

# The contract's bound of one LookupCacheEntries.
MAX_FINGERPRINTS = 1_000


@dataclass(frozen=True, slots=True)
class Hit:
    """What an entry says that is a hit, and no more than it takes to read it; a whole `CacheEntry` says it too.

    Attributes:
        version: its id, name, digest and size.
        duration_us: how long the computation took.
    """

    version: artifact_pb2.ArtifactVersion
    duration_us: int


def open_project(project: ProjectBase, state: CacheState) -> None:
    """Opens the project whose cache is asked.

    Raises:
        Away: the server is away.
    """
    state.check()
    try:
        project.open()
    except TROUBLES as error:
        raise state.away(error) from None


def look_up(project: ProjectBase, name: str, fingerprints: Sequence[str], max_age_us: int | None) -> list[Hit | None]:
    """Returns which of at most 1,000 fingerprints are hits, each at its position.

    Args:
        project: where.
        name: of the process, for errors.
        fingerprints: of calls of it.
        max_age_us: how old a hit may be.

    Raises:
        Away: the server is away.
    """
    state = project._client.kept(CacheState)
    open_project(project, state)
    request = cache_pb2.LookupCacheEntriesRequest(
        project_uid=project.uid, fingerprints=fingerprints, max_age_us=max_age_us
    )
    answer = state.ask(project._client.stubs.cache.LookupCacheEntries, request)
    found = {hit.position: _to_hit(hit, name) for hit in answer.hits}
    return [found.get(position) for position in range(len(fingerprints))]


def _to_hit(hit: cache_pb2.CacheHit, name: str) -> Hit:
    version = artifact_pb2.ArtifactVersion(id=hit.version_id, name=name, digest=hit.digest, size_bytes=hit.size_bytes)
    return Hit(version, hit.duration_us)
