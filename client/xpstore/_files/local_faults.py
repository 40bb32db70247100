"""Errors of this machine's file system as errors of this package, which name the path and the cure."""

import errno
import os
import shutil

from xpstore.errors import Error, InvalidArgument, ResourceExhausted

# Bytes of the path of one file, as most systems take them.
_PATH_BYTES = 4_000
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_CURES = {
    errno.EACCES: "change who may write there, or choose another folder",
    errno.EPERM: "change who may write there, or choose another folder",
    errno.EROFS: "choose a folder on a disk that can be written to",
    errno.EISDIR: "remove the folder that is in the way, or choose another folder",
    errno.ENOTEMPTY: "remove the folder that is in the way, or choose another folder",
    errno.ENOTDIR: "remove the file that is in the way, or choose another folder",
    errno.EEXIST: "remove what is in the way, or choose another folder",
    errno.ELOOP: "remove the links that lead to each other, or choose another folder",
    errno.EFBIG: "choose a folder on a file system that takes files of this size",
    errno.ENOENT: "the folder was removed meanwhile: try again",
}
_REFUSED_NAME = "this file system does not take the name: choose a folder on another one"


class laying:
    """Types what goes wrong while a file of this size, or a folder, is laid down at a path. A context.

    Raises:
        ResourceExhausted: the disk is full, or this process has too many files open.
        InvalidArgument: it cannot be written there, for any other reason.
    """

    # Not made by `contextmanager`, which takes four times as long: each small file has three of them.
    __slots__ = ("_path", "_size_bytes")

    def __init__(self, path: str | os.PathLike[str], size_bytes: int = 0) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, Error):
            raise fault_of_laying(os.fspath(self._path), self._size_bytes, error) from error


def fault_of_laying(path: str, size_bytes: int, error: OSError) -> Error:
    """What went wrong while a file of this size was laid down at a path."""
    if isinstance(error, Error):  # some of ours are OSErrors too
        return error
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return ResourceExhausted(f"{path!r}: {reason}{_room(path, size_bytes)}: make room, then try again")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ResourceExhausted(f"{path!r}: {reason}: close files, or raise the limit (ulimit -n)")
    if error.errno == errno.ENAMETOOLONG:
        is_path = len(os.fsencode(path)) > _PATH_BYTES
        cure = "choose a folder whose own path is shorter" if is_path else _REFUSED_NAME
    else:
        fallback = _REFUSED_NAME if error.errno in (errno.EINVAL, getattr(errno, "EILSEQ", None)) else "see the disk"
        cure = _CURES.get(error.errno or 0, fallback)
    return InvalidArgument(f"{path!r} cannot be written ({reason}): {cure}")


def _room(path: str, size_bytes: int) -> str:
    try:
        free = shutil.disk_usage(os.path.dirname(path) or ".").free
    except OSError:
        return ""
    return f", {free:,} bytes are free and the file has {size_bytes:,}"
