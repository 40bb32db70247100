"""What fsspec is told of projects, versions and files, and the errors that it expects."""

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import Any

from xpstore._session.project import ProjectBase
from xpstore._values.times import to_datetime
from xpstore.errors import InvalidArgument, NotFound, Unauthenticated
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


def inner_path(info: Info) -> str:
    """The path inside its version of a file."""
    if info["type"] != "file":
        raise IsADirectoryError(errno.EISDIR, "It is a directory: name a file in it", f"xpstore://{info['name']}")
    return ArtifactPath.of(str(info["name"])).path


def missing(place: ArtifactPath) -> FileNotFoundError:
    """The error of a version that has nothing there."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"xpstore://{place.written(place.path)}")


def raise_unless_missing(error: OSError) -> None:
    """Passes over what is missing, and over nothing else."""
    if not isinstance(error, FileNotFoundError):
        raise error


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
