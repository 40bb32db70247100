"""Publishing: sources become chunks, a manifest and a committed version."""

import os
from pathlib import Path

from xpstore._files.index import FileIndex
from xpstore._files.manifest import entries_of, to_pages, tree_digest
from xpstore._files.scan import Source
from xpstore._files.upload import Uploader
from xpstore._machine.progress import Advance, progress
from xpstore._service.connection import Connection
from xpstore._values.checks import invalid
from xpstore._values.ids import new_id
from xpstore.errors import Conflict, DataLoss, InvalidArgument
from xpstore.format.tree import Cut, fault_of_path
from xpstore.v1 import artifact_pb2 as pb

# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5
# How often files are read that change meanwhile.
READ_ATTEMPTS = 3
# What is less is refused by the commit itself: a question takes as long as sending so much.
ASKED_BYTES = 256 << 10


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
    check_paths(sources)
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
            if sum(source.size_bytes for source in sources if source.path not in cuts) >= ASKED_BYTES and not attempt:
                ask(connection, project_uid, draft, completion)
            entries = send(uploader, index, sources, advance, cuts, is_own=completion is not None)
            version = commit(connection, project_uid, version_id, draft, entries, uploader, completion)
        if version is not None:
            return version, entries
    raise Conflict(f"{draft.name!r}: chunks were removed as fast as they were sent. Is a sweep without grace running?")


def check_paths(sources: list[Source]) -> None:
    """Refuses what the server would, before a byte is sent.

    Raises:
        InvalidArgument: a path could leave the folder it is joined to, on some system, or is too long.
    """
    for source in sources:
        if fault := fault_of_path(source.path):
            raise invalid("source", source.path, fault)


def ask(
    connection: Connection, project_uid: str, draft: pb.ArtifactDraft, completion: pb.CacheCompletion | None
) -> None:
    """Has the server refuse a version before it is sent: commits a page that nobody has, which publishes nothing.

    Raises:
        InvalidArgument: the name is of another kind, or a link or a used version is of another project.
        NotFound: a link or a used version is not there.
    """
    page = pb.ManifestPageRef(digest=os.urandom(32), size_bytes=1, first_path="none")
    request = pb.CommitArtifactRequest(
        project_uid=project_uid, version_id=new_id(), draft=draft, cache_completion=completion
    )
    request.manifest.pages.append(page)
    connection.call(connection.stubs.artifacts.CommitArtifact, request)


def send(
    uploader: Uploader,
    index: FileIndex,
    sources: list[Source],
    advance: Advance,
    cuts: dict[str, Cut],
    is_own: bool = False,
) -> list[pb.ManifestEntry]:
    """Sends what is missing of sources and returns their entries. Those whose cut is known are not read.

    All of them are as they were when they were looked at, at one moment: what changed until then is looked at and read
    again, in its place in `sources`. Nobody changes what is this package's own.

    Raises:
        InvalidArgument: a file is gone, or changes each time that it is read.
    """
    known, earlier = set(cuts), dict[str, bytes]()
    advance(sum(source.size_bytes for source in sources if source.path in known))
    for _ in range(READ_ATTEMPTS):
        for source in sources:
            if source.location is not None and source.path not in cuts:
                if not is_own:
                    source.settle()
                cuts[source.path] = uploader.add(source)
        touched = [place for place, source in enumerate(sources) if source.status and not source.is_unchanged()]
        # One that was read twice with the same bytes is those, whoever writes them again or changes its times.
        changed = [place for place in touched if earlier.get(path := sources[place].path) != cuts[path].digest]
        if not changed:
            break
        for place in changed:
            sources[place] = sources[place].again()
            earlier[sources[place].path] = cuts.pop(sources[place].path).digest
    else:
        names = ", ".join(repr(str(sources[place].location)) for place in changed[:3])
        raise InvalidArgument(f"source = {names}: changes while it is read; save a copy, or when nothing writes to it")
    done = known.union(sources[place].path for place in touched)
    index.put(
        (source.location, source.status, cuts[source.path])
        for source in sources
        if isinstance(source.location, Path) and source.status and source.path not in done
    )
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
    """Publishes what was sent as a version; None if some of it is gone again.

    Raises:
        DataLoss: the server acknowledges something else.
    """
    root, pages = to_pages(entries)
    uploader.add_pages(pages)
    uploader.finish()
    request = pb.CommitArtifactRequest(
        project_uid=project_uid, version_id=version_id, draft=draft, manifest=root, cache_completion=completion
    )
    # The server reads every page of a large tree again: it may take longer than other calls.
    timeout_seconds = connection.timeout_seconds + len(pages)
    response = connection.call(connection.stubs.artifacts.CommitArtifact, request, timeout_seconds=timeout_seconds)
    if not response.HasField("version"):
        return None
    if response.version.digest != tree_digest(entries):
        raise DataLoss(f"The server says that it has {draft.name!r}, and of other content than was sent.")
    return response.version
