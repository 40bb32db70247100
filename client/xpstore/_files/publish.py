"""Publishing: sources become chunks, a manifest and a committed version."""

import os
from collections.abc import Iterable
from itertools import islice

from xpstore._files.cuts import Cuts
from xpstore._files.index import BATCH_ROWS, FileIndex
from xpstore._files.manifest import Manifest, hashed, to_pages
from xpstore._files.scan import Source, Sources
from xpstore._files.upload import Uploader
from xpstore._machine.progress import Advance, progress
from xpstore._service.connection import Connection
from xpstore._values.checks import invalid
from xpstore._values.ids import new_id
from xpstore.errors import Conflict, DataLoss, InvalidArgument
from xpstore.format.tree import TreeHash, fault_of_path
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
    sources: Iterable[Source],
    reread: bool = False,
    completion: pb.CacheCompletion | None = None,
) -> tuple[pb.ArtifactVersion, Iterable[pb.ManifestEntry]]:
    """Uploads sources and publishes them as one version; sends again what is swept in between.

    With a completion the version completes a cache entry too, or is not published (Stale). In memory are 150 bytes of a
    file that has one chunk, and its path as text (`Sources`, `Cuts`), beside what the uploader has under way.

    Returns:
        The version, and its manifest, made anew each time that it is gone through.
    """
    tree = sources if isinstance(sources, Sources) else Sources(sources)
    check_paths(tree)
    version_id = new_id()
    index = FileIndex.open_default()  # before anything is read: what changes after this moment is not remembered
    for attempt in range(COMMIT_ATTEMPTS):
        with (
            progress(f"Uploading {draft.name}", tree.size_bytes) as advance,
            Uploader(connection, project_uid, advance) as uploader,
        ):
            # What the index knows is checked by the commit itself, and only when something is missing beforehand too.
            cuts = Cuts(len(tree)) if reread else known_cuts(index, tree, uploader if attempt else None)
            unknown_bytes = sum(size for place, size in enumerate(tree.sizes()) if place not in cuts)
            if unknown_bytes >= ASKED_BYTES and not attempt:
                ask(connection, project_uid, draft, completion)
            entries = send(uploader, index, tree, advance, cuts, is_own=completion is not None)
            version = commit(connection, project_uid, version_id, draft, entries, uploader, completion)
        if version is not None:
            return version, entries
    raise Conflict(f"{draft.name!r}: chunks were removed as fast as they were sent. Is a sweep without grace running?")


def check_paths(sources: Sources) -> None:
    """Refuses what the server would, before a byte is sent.

    Raises:
        InvalidArgument: a path could leave the folder it is joined to, on some system, or is too long.
    """
    for path in sources.paths:
        if fault := fault_of_path(path):
            raise invalid("source", path, fault)


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
    uploader: Uploader, index: FileIndex, sources: Sources, advance: Advance, cuts: Cuts, is_own: bool = False
) -> Manifest:
    """Sends what is missing of sources and returns their entries. Those whose cut is known are not read.

    All of them are as they were when they were looked at, at one moment: what changed until then is looked at and read
    again, in its place in `sources`. Nobody changes what is this package's own.

    Raises:
        InvalidArgument: a file is gone, or changes each time that it is read.
    """
    is_new, earlier = bytearray(place not in cuts for place in range(len(cuts))), dict[int, bytes]()
    advance(sum(size for place, size in enumerate(sources.sizes()) if place in cuts))
    for _ in range(READ_ATTEMPTS):
        for place in range(len(sources)):
            if place not in cuts and (source := sources[place]).location is not None:
                if not is_own:
                    source.settle()
                cuts[place] = uploader.add(source)
        touched = list(sources.touched())
        # One that was read twice with the same bytes is those, whoever writes them again or changes its times.
        changed = [place for place in touched if earlier.get(place) != cuts.digest(place)]
        if not changed:
            break
        for place in changed:
            sources.look_again(place)
            earlier[place] = cuts.digest(place)
            cuts.forget(place)
    else:
        names = ", ".join(repr(str(sources[place].location)) for place in changed[:3])
        raise InvalidArgument(f"source = {names}: changes while it is read; save a copy, or when nothing writes to it")
    for place in touched:
        is_new[place] = False
    if any(is_new):
        uploader.meanwhile(
            lambda: index.put(
                (location, status, cuts[place]) for place, location, status in sources.files() if is_new[place]
            )
        )
    return Manifest(sources, cuts)


def known_cuts(index: FileIndex, sources: Sources, uploader: Uploader | None) -> Cuts:
    """How unchanged files were cut; with an uploader, only those whose chunks are all there."""
    cuts = Cuts(len(sources))
    files = sources.files()
    while some := list(islice(files, BATCH_ROWS)):
        found = index.get([(location, status) for _, location, status in some])
        known = [(place, cut) for (place, _, _), cut in zip(some, found, strict=True) if cut is not None]
        if uploader is not None:
            present = iter(uploader.has([digest for _, cut in known for digest, _ in cut.chunks]))
            known = [(place, cut) for place, cut in known if all([next(present) for _ in cut.chunks])]
        for place, cut in known:
            cuts[place] = cut
    return cuts


def commit(
    connection: Connection,
    project_uid: str,
    version_id: str,
    draft: pb.ArtifactDraft,
    entries: Iterable[pb.ManifestEntry],
    uploader: Uploader,
    completion: pb.CacheCompletion | None = None,
) -> pb.ArtifactVersion | None:
    """Publishes what was sent as a version; None if some of it is gone again.

    Raises:
        DataLoss: the server acknowledges something else.
    """
    root, tree = pb.ManifestRoot(), TreeHash()
    uploader.add_pages(to_pages(hashed(entries, tree), root))
    uploader.finish()
    request = pb.CommitArtifactRequest(
        project_uid=project_uid, version_id=version_id, draft=draft, manifest=root, cache_completion=completion
    )
    # The server reads every page of a large tree again: it may take longer than other calls.
    timeout_seconds = connection.timeout_seconds + len(root.pages)
    response = connection.call(connection.stubs.artifacts.CommitArtifact, request, timeout_seconds=timeout_seconds)
    if not response.HasField("version"):
        return None
    if response.version.digest != tree.digest():
        raise DataLoss(f"The server says that it has {draft.name!r}, and of other content than was sent.")
    return response.version
