"""The spool's folders and files: where they are, how they are made, how much they take."""

import errno
import json
import mmap
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from xpstore._machine import locks


def server_folder(root: Path, server: str) -> Path:
    """The folder of what waits for one server."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", server)[-40:].strip("_.")
    return root / f"{readable}-{sha256(server.encode()).hexdigest()[:12]}"


@dataclass(slots=True)
class Segment:
    """A file of records, in memory."""

    number: int
    path: Path
    descriptor: int
    memory: mmap.mmap
    size: int


def size_bytes(root: Path) -> int:
    """How much all spools below a folder take."""
    return sum(_sizes([root]))


def _sizes(folders: Iterable[str | Path]) -> Iterable[int]:
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:  # shipped and deleted just now
            continue
        yield from _sizes(entry.path for entry in found if entry.is_dir(follow_symlinks=False))
        for entry in found:
            if entry.name.endswith(".log"):
                try:
                    yield entry.stat(follow_symlinks=False).st_size
                except OSError:
                    continue


def make_folder(server: Path, writer_id: str, header: dict[str, Any]) -> tuple[Path, int]:
    """Makes the folder of a writer and takes its lock before anybody can see it."""
    server.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server.mkdir(mode=0o700, exist_ok=True)
    new, folder = server / f".{writer_id}", server / writer_id
    new.mkdir(mode=0o700)
    try:
        descriptor = os.open(new / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not locks.take(descriptor):
            raise OSError(errno.EAGAIN, "the lock of a new folder is taken")
        os.write(descriptor, json.dumps(header).encode())
        new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return folder, descriptor


def make_segment(path: Path, number: int, size: int) -> Segment:
    """Makes a segment that the disk has room for."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # A store into a page that the disk has no room for would kill the process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            _fill(descriptor, size)
        return Segment(number, path, descriptor, mmap.mmap(descriptor, size), size)
    except BaseException:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise


def _fill(descriptor: int, size: int) -> None:
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        os.pwrite(descriptor, zeros[: size - start], start)
