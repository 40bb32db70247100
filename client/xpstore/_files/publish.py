"""Publishing: sources become chunks, a manifest and a committed version."""

from pathlib import Path

from xpstore._files.index import FileIndex
from xpstore._files.manifest import entries_of, to_pages
from xpstore._files.scan import Source
from xpstore._files.upload import Uploader
from xpstore._machine.progress import Advance, progress
from xpstore._service.connection import Connection
from xpstore._values.ids import new_id
from xpstore.errors import Conflict
from xpstore.format.tree import Cut
from xpstore.v1 import artifact_pb2 as pb

# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5


def publish(
    connection: Connection,
    project_uid: str,
    draft: pb.ArtifactDraft,
    sources: list[Source],
    reread: bool = False,
    completion: pb.CacheCompletion | None = None,
) -> tuple[pb.ArtifactVersion, list[pb.ManifestEntry]]:
    """Uploads sources and publishes them as one version; sends again what is swept in between.

    With a completion the version completes a cache entry too, or is not published (Stale).

    Returns:
        The version, and its manifest.
    """
    version_id = new_id()
    total_bytes = sum(source.size_bytes for source in sources)
    index = FileIndex.open_default()  # before anything is read: what changes after this moment is not remembered
    for attempt in range(COMMIT_ATTEMPTS):
        with (
            progress(f"Uploading {draft.name}", total_bytes) as advance,
            Uploader(connection, project_uid, advance) as uploader,
        ):
            # What the index knows is checked by the commit itself, and only when something is missing beforehand too.
            cuts = {} if reread else known_cuts(index, sources, uploader if attempt else None)
            entries = send(uploader, index, sources, advance, cuts)
            version = commit(connection, project_uid, version_id, draft, entries, uploader, completion)
        if version is not None:
            return version, entries
    raise Conflict(f"{draft.name!r}: chunks were removed as fast as they were sent. Is a sweep without grace running?")


def send(
    uploader: Uploader, index: FileIndex, sources: list[Source], advance: Advance, cuts: dict[str, Cut]
) -> list[pb.ManifestEntry]:
    """Sends what is missing of sources and returns their entries. Those whose cut is known are not read."""
    fresh = []
    for source in sources:
        if source.location is None:
            continue
        if cut := cuts.get(source.path):
            advance(source.size_bytes)
            continue
        cuts[source.path] = cut = uploader.add(source)
        if isinstance(source.location, Path) and source.status is not None and source.is_unchanged():
            fresh.append((source.location, source.status, cut))
    index.put(fresh)
    return [entry for source in sources for entry in entries_of(source, cuts.get(source.path))]


def known_cuts(index: FileIndex, sources: list[Source], uploader: Uploader | None) -> dict[str, Cut]:
    """How unchanged files were cut; with an uploader, only those whose chunks are all there."""
    files = [source for source in sources if isinstance(source.location, Path) and source.status is not None]
    found = index.get([(source.location, source.status) for source in files])  # type: ignore[misc]
    known = [(source.path, cut) for source, cut in zip(files, found, strict=True) if cut is not None]
    if uploader is None:
        return dict(known)
    present = iter(uploader.has([digest for _, cut in known for digest, _ in cut.chunks]))
    return {path: cut for path, cut in known if all([next(present) for _ in cut.chunks])}


def commit(
    connection: Connection,
    project_uid: str,
    version_id: str,
    draft: pb.ArtifactDraft,
    entries: list[pb.ManifestEntry],
    uploader: Uploader,
    completion: pb.CacheCompletion | None = None,
) -> pb.ArtifactVersion | None:
    """Publishes what was sent as a version; None if some of it is gone again."""
    root, pages = to_pages(entries)
    uploader.add_pages(pages)
    uploader.finish()
    request = pb.CommitArtifactRequest(
        project_uid=project_uid, version_id=version_id, draft=draft, manifest=root, cache_completion=completion
    )
    # The server reads every page of a large tree again: it may take longer than other calls.
    timeout_seconds = connection.timeout_seconds + len(pages)
    response = connection.call(connection.stubs.artifacts.CommitArtifact, request, timeout_seconds=timeout_seconds)
    return response.version if response.HasField("version") else None
