"""Saving: sources become chunks, a manifest and a committed version. Staging is the first half of it."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from os import PathLike

from xpstore.client import Client, new_id
from xpstore.errors import Conflict, InvalidArgument
from xpstore.progress import progress
from xpstore.project import Project
from xpstore.session import get_project
from xpstore.transfer import Uploader
from xpstore.tree import Source, paginate, scan
from xpstore.v1 import artifact_pb2 as pb

PathOrBytes = str | PathLike[str] | bytes
# How often chunks that were swept between upload and commit are sent again.
COMMIT_ATTEMPTS = 5


@cache
def background() -> ThreadPoolExecutor:
    """The threads of `save(wait=False)`. The interpreter waits for them when it ends."""
    return ThreadPoolExecutor(4, "xpstore-save")


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


def stage(path: PathOrBytes, *, project: Project | None = None) -> Staged:
    """Uploads a file or directory without publishing it: `DirectoryArtifact.commit` makes versions of such parts.

    Args:
        path: a file or directory; or the bytes of a file named "data".
        project: where to; default the current project.

    Raises:
        InvalidArgument: the path is missing or unreadable.
    """
    project = project or get_project()
    sources = scan(path)
    size_bytes = sum(source.size_bytes for source in sources)
    with progress("Staging", size_bytes) as advance:
        uploader = Uploader(project._client, project.uid, advance)
        entries = uploader.add(sources)
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


def upload(project: Project, draft: pb.ArtifactDraft, sources: list[Source]) -> pb.ArtifactVersion:
    """Uploads sources and publishes them as one version; sends again what is swept in between."""
    client, version_id = project._client, new_id()
    total_bytes = sum(source.size_bytes for source in sources)
    for _ in range(COMMIT_ATTEMPTS):
        with progress(f"Uploading {draft.name}", total_bytes) as advance:
            uploader = Uploader(client, project.uid, advance)
            entries = uploader.add(sources)
            version = _commit(client, project.uid, version_id, draft, entries, uploader)
        if version is not None:
            return version
    raise Conflict(f"{draft.name!r}: chunks were removed as fast as they were sent. Is a sweep without grace running?")


def commit_staged(project: Project, draft: pb.ArtifactDraft, parts: Iterable[Staged]) -> pb.ArtifactVersion:
    """Publishes staged parts as one version.

    Raises:
        Conflict: a part was staged too long ago: its bytes are gone.
    """
    client, entries = project._client, merge(parts, project)
    version = _commit(client, project.uid, new_id(), draft, entries, Uploader(client, project.uid, _ignore))
    if version is None:
        raise Conflict("Staged files are kept for 24 hours, and some are gone. Stage them again.")
    return version


def _commit(
    client: Client,
    project_uid: str,
    version_id: str,
    draft: pb.ArtifactDraft,
    entries: list[pb.ManifestEntry],
    uploader: Uploader,
) -> pb.ArtifactVersion | None:
    root, pages = paginate(entries)
    uploader.add_pages(pages)
    uploader.finish()
    request = pb.CommitArtifactRequest(project_uid=project_uid, version_id=version_id, draft=draft, manifest=root)
    # The server reads every page of a large tree again: it may take longer than other calls.
    timeout_seconds = client.timeout_seconds + len(pages)
    response = client.call(client.stubs.artifacts.CommitArtifact, request, timeout_seconds=timeout_seconds)
    return response.version if response.HasField("version") else None


def _ignore(size_bytes: int) -> None:
    pass
