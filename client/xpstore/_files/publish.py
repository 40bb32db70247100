"""Saving: sources become chunks, a manifest and a committed version. Staging is the first half of it."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from xpstore._files.index import Cut, FileIndex
from xpstore._files.scan import Source, entries_of, paginate, scan
from xpstore._files.upload import Uploader
from xpstore._machine.progress import Advance, progress
from xpstore._session.current import get_project
from xpstore._values.checks import to_json
from xpstore.client import Client, new_id
from xpstore.errors import Conflict, InvalidArgument
from xpstore.project import Project
from xpstore.v1 import artifact_pb2 as pb

if TYPE_CHECKING:
    from xpstore.artifact import Artifact
    from xpstore.iteration import Iteration
    from xpstore.model import Model

PathOrBytes = str | PathLike[str] | bytes
# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5


@cache
def background() -> ThreadPoolExecutor:
    """The threads of `save(wait=False)`. The interpreter waits for them when it ends."""
    return ThreadPoolExecutor(4, "xpstore-save")


class SaveOptions(TypedDict, total=False):
    """What may be said about a version when it is saved or committed.

    Attributes:
        description: free text of this version.
        metadata: a JSON object.
        aliases: names that shall point to this version, wherever they pointed before.
        model: the model it belongs to.
        iteration: the iteration it belongs to; implies its model.
        step: the training step it was saved at.
        used: versions it was made from, or their ids.
        force: make a new version whatever the newest one is.
        reread: read every file, also those that did not change since this machine saved them last.
        project: where to; default the current project.
    """

    description: str | None
    metadata: Mapping[str, Any] | None
    aliases: Iterable[str]
    model: "Model | None"
    iteration: "Iteration | None"
    step: int | None
    used: "Sequence[Artifact | str]"
    force: bool
    reread: bool
    project: Project | None


@dataclass(frozen=True, slots=True)
class Staged:
    """Files whose bytes are stored, not yet part of any version. Small, and may be pickled to another process.

    Kept by the server for 24 hours after the upload.

    Attributes:
        project_id: the caller's id of the project.
        size_bytes: sum of the sizes of the files.
    """

    project_id: str
    project_uid: str
    size_bytes: int
    page: bytes

    def entries(self) -> list[pb.ManifestEntry]:
        """The files as manifest entries."""
        return list(pb.ManifestPage.FromString(self.page).entries)


def stage(path: PathOrBytes, *, project: Project | None = None, reread: bool = False) -> Staged:
    """Uploads a file or directory without publishing it: `DirectoryArtifact.commit` makes versions of such parts.

    Args:
        path: a file or directory; or the bytes of a file named "data".
        project: where to; default the current project.
        reread: see `SaveOptions`.

    Raises:
        InvalidArgument: the path is missing or unreadable.
    """
    project = project or get_project()
    sources = scan(path)
    size_bytes = sum(source.size_bytes for source in sources)
    with progress("Staging", size_bytes) as advance, Uploader(project._client, project.uid, advance) as uploader:
        index = FileIndex.open_default()
        cuts = {} if reread else _known(index, sources, uploader)
        entries = _send(uploader, index, sources, advance, cuts)
        uploader.finish()
    return Staged(project.id, project.uid, size_bytes, pb.ManifestPage(entries=entries).SerializeToString())


def merge(parts: Iterable[Staged], project: Project) -> list[pb.ManifestEntry]:
    """Puts staged parts together, sorted.

    The same file in two of them counts once; a directory that is empty in one and has files in another is not empty.

    Raises:
        InvalidArgument: two parts have different files of the same path, or a part is of another project.
    """
    files: dict[str, list[pb.ManifestEntry]] = {}
    for part in parts:
        if part.project_uid != project.uid:
            raise InvalidArgument(f"staged: a part belongs to the project {part.project_id!r}, not to {project.id!r}")
        mine: dict[str, list[pb.ManifestEntry]] = {}
        for entry in part.entries():
            mine.setdefault(entry.path, []).append(entry)
        for path, entries in mine.items():
            known = files.setdefault(path, entries)
            if known[0].digest != entries[0].digest:
                raise InvalidArgument(f"staged: two parts have different files named {path!r}")
    filled = {path[:end] for path in files for end, character in enumerate(path) if character == "/"}
    return [
        entry
        for path in sorted(files, key=str.encode)
        for entry in files[path]
        if entry.type != pb.FILE_TYPE_DIRECTORY or path not in filled
    ]


def make_draft(name: str, type_: str, implied: dict[str, Any], options: SaveOptions) -> pb.ArtifactDraft:
    """What the version shall be. `implied` is metadata that the content says, beside what the caller does.

    Raises:
        InvalidArgument: `metadata` is no JSON object, or a step is given without what it is of.
    """
    metadata, link = options.get("metadata"), _link(options)
    is_said = metadata is not None
    if is_said and not isinstance(metadata, Mapping):
        raise InvalidArgument(f"metadata is a {type(metadata).__name__}: must be a dictionary")
    whole = {**implied, **(metadata or {})}
    aliases = options.get("aliases", ())
    return pb.ArtifactDraft(
        name=str(name),
        type=type_,
        description=options.get("description"),
        metadata_json=to_json("metadata", whole, is_canonical=True) if is_said or implied else "",
        metadata_is_implied=not is_said,
        aliases=[aliases] if isinstance(aliases, str) else list(aliases),
        links=[link] if link is not None else [],
        used_version_ids=[one if isinstance(one, str) else one.id for one in options.get("used", ())],
        force=options.get("force", False),
    )


def _link(options: SaveOptions) -> pb.ArtifactLink | None:
    model, iteration, step = options.get("model"), options.get("iteration"), options.get("step")
    owner = model.id if model is not None else iteration.model_id if iteration is not None else None
    if owner is None:
        if step is not None:
            raise InvalidArgument(f"step = {step}: a step needs the model or iteration it is of")
        return None
    iteration_id = str(iteration.id) if iteration is not None else None
    return pb.ArtifactLink(model_id=str(owner), iteration_id=iteration_id, step=step)


def upload(
    project: Project,
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
    client, version_id = project._client, new_id()
    total_bytes = sum(source.size_bytes for source in sources)
    index = FileIndex.open_default()  # before anything is read: what changes after this moment is not remembered
    for attempt in range(COMMIT_ATTEMPTS):
        with (
            progress(f"Uploading {draft.name}", total_bytes) as advance,
            Uploader(client, project.uid, advance) as uploader,
        ):
            # What the index knows is checked by the commit itself, and only when something is missing beforehand too.
            cuts = {} if reread else _known(index, sources, uploader if attempt else None)
            entries = _send(uploader, index, sources, advance, cuts)
            version = _commit(client, project.uid, version_id, draft, entries, uploader, completion)
        if version is not None:
            return version, entries
    raise Conflict(f"{draft.name!r}: chunks were removed as fast as they were sent. Is a sweep without grace running?")


def commit_staged(project: Project, draft: pb.ArtifactDraft, parts: Iterable[Staged]) -> pb.ArtifactVersion:
    """Publishes staged parts as one version.

    Raises:
        Conflict: a part was staged too long ago: its bytes are gone.
    """
    client, entries = project._client, merge(parts, project)
    with Uploader(client, project.uid, _ignore) as uploader:
        version = _commit(client, project.uid, new_id(), draft, entries, uploader)
    if version is None:
        raise Conflict("Staged files are kept for 24 hours, and some are gone. Stage them again.")
    return version


def _send(
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


def _known(index: FileIndex, sources: list[Source], uploader: Uploader | None) -> dict[str, Cut]:
    """How unchanged files were cut; with an uploader, only those whose chunks are all there."""
    files = [source for source in sources if isinstance(source.location, Path) and source.status is not None]
    found = index.get([(source.location, source.status) for source in files])  # type: ignore[misc]
    known = [(source.path, cut) for source, cut in zip(files, found, strict=True) if cut is not None]
    if uploader is None:
        return dict(known)
    present = iter(uploader.has([digest for _, cut in known for digest, _ in cut.chunks]))
    return {path: cut for path, cut in known if all([next(present) for _ in cut.chunks])}


def _commit(
    client: Client,
    project_uid: str,
    version_id: str,
    draft: pb.ArtifactDraft,
    entries: list[pb.ManifestEntry],
    uploader: Uploader,
    completion: pb.CacheCompletion | None = None,
) -> pb.ArtifactVersion | None:
    root, pages = paginate(entries)
    uploader.add_pages(pages)
    uploader.finish()
    request = pb.CommitArtifactRequest(
        project_uid=project_uid, version_id=version_id, draft=draft, manifest=root, cache_completion=completion
    )
    # The server reads every page of a large tree again: it may take longer than other calls.
    timeout_seconds = client.timeout_seconds + len(pages)
    response = client.call(client.stubs.artifacts.CommitArtifact, request, timeout_seconds=timeout_seconds)
    return response.version if response.HasField("version") else None


def _ignore(size_bytes: int) -> None:
    pass
