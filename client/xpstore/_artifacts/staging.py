"""Staging: files whose bytes are stored before anybody says what version they are part of."""

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike

from xpstore._files.cuts import Cuts
from xpstore._files.index import FileIndex
from xpstore._files.manifest import to_pages
from xpstore._files.publish import check_paths, commit, known_cuts, send
from xpstore._files.scan import scan
from xpstore._files.upload import Uploader
from xpstore._machine.progress import progress, unseen
from xpstore._session.project import ProjectBase, get_project
from xpstore._values.ids import new_id
from xpstore.errors import Conflict, InvalidArgument
from xpstore.v1 import artifact_pb2 as pb

PathOrBytes = str | PathLike[str] | bytes


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


def stage(path: PathOrBytes, *, project: ProjectBase | None = None, reread: bool = False) -> Staged:
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
    check_paths(sources)
    size_bytes = sources.size_bytes
    with progress("Staging", size_bytes) as advance, Uploader(project._client, project.uid, advance) as uploader:
        index = FileIndex.open_default()
        cuts = Cuts(len(sources)) if reread else known_cuts(index, sources, uploader)
        entries = send(uploader, index, sources, advance, cuts)
        uploader.finish()
    page = b"".join(to_pages(entries, pb.ManifestRoot()))  # pages in a row are a page
    return Staged(project.id, project.uid, size_bytes, page)


def merge(parts: Iterable[Staged], project: ProjectBase) -> list[pb.ManifestEntry]:
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


def commit_staged(project: ProjectBase, draft: pb.ArtifactDraft, parts: Iterable[Staged]) -> pb.ArtifactVersion:
    """Publishes staged parts as one version.

    Raises:
        Conflict: a part was staged too long ago: its bytes are gone.
    """
    client, entries = project._client, merge(parts, project)
    with Uploader(client, project.uid, unseen) as uploader:
        version = commit(client, project.uid, new_id(), draft, entries, uploader)
    if version is None:
        raise Conflict("Staged files are kept for 24 hours, and some are gone. Stage them again.")
    return version


# Pickled by the name that users know, wherever it stands.
Staged.__module__ = "xpstore.artifact"
