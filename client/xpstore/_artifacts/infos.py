"""What fsspec is told of projects, versions and files, and the errors that it expects."""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from xpstore._session.project import ProjectBase
from xpstore._values.times import to_datetime
from xpstore.errors import Error, InvalidArgument, NotFound, Unauthenticated
from xpstore.format.url import ArtifactPath, quote
from xpstore.v1 import artifact_pb2 as pb

Info = dict[str, Any]


@contextlib.contextmanager
def os_errors(place: ArtifactPath) -> Iterator[None]:
    """Has errors of the service look as those of files do."""
    try:
        yield
    except (NotFound, InvalidArgument) as error:  # of a malformed name there is nothing either
        raise FileNotFoundError(errno.ENOENT, str(error), f"xpstore://{place.written(place.path)}") from error
    except Unauthenticated as error:
        raise PermissionError(errno.EACCES, str(error), f"xpstore://{place.written(place.path)}") from error


@contextlib.contextmanager
def laid(target: Path) -> Iterator[None]:
    """Has errors of this machine name the file that is put in place, and not the name that it is written to first.

    Raises:
        FileExistsError: there is a pipe, a socket or a device, which was put there for something else.
    """
    try:
        mode = target.lstat().st_mode if os.path.lexists(target) else stat.S_IFREG
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
            raise FileExistsError(errno.EEXIST, "A pipe, a socket or a device is there, and not replaced: remove it")
        yield
    except Error:  # of which some are OSErrors too
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def inner_path(info: Info) -> str:
    """The path inside its version of a file."""
    if info["type"] != "file":
        raise IsADirectoryError(errno.EISDIR, "It is a directory: name a file in it", f"xpstore://{info['name']}")
    return ArtifactPath.of(str(info["name"])).path


def missing(place: ArtifactPath) -> FileNotFoundError:
    """The error of a version that has nothing there."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"xpstore://{place.written(place.path)}")


def walk(
    ls: Callable[[str], list[Info]],
    path: str,
    depth: int | None,
    is_topdown: bool,
    on_error: Any,
    has_detail: bool,
) -> Iterator[tuple[str, Any, Any]]:
    """As the `walk` of fsspec, but not by recursion: Python bounds that, and paths may be deeper.

    Args:
        ls: what is directly in a directory.
        path: where to begin, as `ls` writes it.
        depth: how many levels; default all.
        is_topdown: whether a directory comes before what is in it; its caller may take names out of it then.
        on_error: is told of what cannot be listed, and may raise; "raise" to have that raised, "omit" to pass over what
            is missing, and nothing else.
        has_detail: whether there are dictionaries with what is known of each, and not lists of names.

    Raises:
        ValueError: it shall go down no level.
    """
    if depth is not None and depth < 1:
        raise ValueError(f"maxdepth = {depth}: must be at least 1")
    pending: list[Any] = [(path, 1)]
    while pending:
        step = pending.pop()
        if len(step) == 3:
            yield step
            continue
        folder, level = step
        try:
            found = ls(folder)
        except OSError as error:
            if on_error == "raise" or (on_error == "omit" and not isinstance(error, FileNotFoundError)):
                raise
            if callable(on_error):
                on_error(error)
            continue
        folders = {info["name"].rpartition("/")[2]: info for info in found if _is_below(folder, info)}
        files = {
            info["name"].rpartition("/")[2] if info["name"] != folder else "": info
            for info in found
            if not _is_below(folder, info)
        }
        paths = {name: info["name"] for name, info in folders.items()}
        seen = (folder, folders, files) if has_detail else (folder, list(folders), list(files))
        if is_topdown:
            yield seen
        else:
            pending.append(seen)
        if depth is None or level < depth:
            pending += [(paths[name], level + 1) for name in reversed(list(seen[1]))]


def _is_below(folder: str, info: Info) -> bool:
    return bool(info["type"] == "directory" and info["name"] != folder)


def project_info(project: ProjectBase) -> Info:
    """What is known of a project, as a directory."""
    made = project.created_at
    return {"name": quote(project.id), "type": "directory", "size": 0, "created": made, "mtime": made}


def version_info(version: pb.ArtifactVersion) -> Info:
    """What is known of a whole version, as a directory; its caller knows the name."""
    made = to_datetime(version.created_at_us)
    return {
        "type": "directory",
        "size": 0,
        "created": made,
        "mtime": made,
        "version": version.version,
        "version_id": version.id,
        "digest": version.digest.hex(),
    }


def file_info(whole: Info, file: pb.ArtifactFile, is_itself: bool) -> Info:
    """What is known of a file, or of a directory on its way, of a version."""
    if is_itself and file.type == pb.FILE_TYPE_FILE:
        digest = file.digest.hex()
        return {**whole, "type": "file", "size": file.size_bytes, "digest": digest, "executable": file.executable}
    return {**whole, "digest": None}


def local_path(path: Any) -> Any:
    """A path on this machine as it is meant now: the program may go to another folder meanwhile. Open files stay."""
    if not isinstance(path, str | os.PathLike) or str(path).startswith(("~", "file:", "local:")):
        return path
    return os.path.join(os.getcwd(), path)  # a slash at its end has a meaning
