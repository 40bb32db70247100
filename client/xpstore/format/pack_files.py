"""Packs as files, written around the page cache: by a server, and by clients that write into its folder."""

import errno
import mmap
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from xpstore.format.messages import Buffer

# Below this the page cache is as fast.
DIRECT_FROM_BYTES = 1 << 20
# What goes around the page cache goes in blocks of any disk, from a buffer that starts at one.
BLOCK_BYTES = 4 << 10
BUFFER_BYTES = 2 << 20


class PackBuffer:
    """Memory in which a pack is put together: it can go around the page cache as it lies.

    Args:
        size_bytes: of the largest pack.
    """

    def __init__(self, size_bytes: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, _in_blocks(size_bytes)))
        self.size_bytes = 0

    def add(self, part: Buffer) -> memoryview:
        """Appends a copy of some bytes, and returns it; good until `clear`."""
        start, self.size_bytes = self.size_bytes, self.size_bytes + len(part)
        view = self._memory[start : self.size_bytes]
        view[:] = part
        return view

    @property
    def blocks(self) -> memoryview:
        """What is in it, up to the end of a block."""
        return self._memory[: _in_blocks(self.size_bytes)]

    def clear(self) -> None:
        """Empties it, for the next pack."""
        self.size_bytes = 0


class PackWriter:
    """Writes files around the page cache, where the file system can do that (O_DIRECT).

    It makes an upload wait a third as long for a pack: pages that are synced at once are only a detour, and one that
    costs a virtual machine seconds for each GiB of memory that it has not touched before.
    """

    def __init__(self) -> None:
        self._flag: int = getattr(os, "O_DIRECT", 0)
        self._buffers = threading.local()

    def write(self, path: Path, parts: Sequence[Buffer]) -> None:
        """Writes and syncs a file; raises OSError."""
        if sum(map(len, parts)) < DIRECT_FROM_BYTES or not self._write_around(path, parts):
            _write(path, parts)

    def write_buffer(self, path: Path, pack: PackBuffer) -> None:
        """The same of a pack that was put together in memory of its own."""
        parts = [pack.blocks[: pack.size_bytes]]
        if pack.size_bytes < DIRECT_FROM_BYTES or not self._write_around(path, parts, pack):
            _write(path, parts)

    def _write_around(self, path: Path, parts: Sequence[Buffer], pack: PackBuffer | None = None) -> bool:
        """Writes it so; False if this file system cannot."""
        if not self._flag:
            return False
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | self._flag, 0o666)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._flag = 0
            return False
        try:
            if pack is None:
                self._fill(file, parts)
            else:
                _write_all(file, pack.blocks)
                os.ftruncate(file, pack.size_bytes)
            os.fdatasync(file)
        finally:
            os.close(file)
        return True

    def _fill(self, file: int, parts: Sequence[Buffer]) -> None:
        buffer, used = self._buffer(), 0
        for part in parts:
            view = memoryview(part)
            while view:
                some = view[: BUFFER_BYTES - used]
                buffer[used : used + len(some)] = some
                used, view = used + len(some), view[len(some) :]
                if used == BUFFER_BYTES:
                    _write_all(file, buffer)
                    used = 0
        if used:
            _write_all(file, buffer[: _in_blocks(used)])
            os.ftruncate(file, sum(map(len, parts)))

    def _buffer(self) -> memoryview:
        if not hasattr(self._buffers, "view"):
            self._buffers.view = memoryview(mmap.mmap(-1, BUFFER_BYTES))
        view: memoryview = self._buffers.view
        return view


def _in_blocks(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES


def _write(path: Path, parts: Sequence[Buffer]) -> None:
    with open(path, "wb", buffering=0) as file:
        # Part by part: one writev of them all took three times the CPU in the kernel.
        for part in parts:
            _write_all(file.fileno(), memoryview(part))
        os.fdatasync(file.fileno())


def _write_all(file: int, view: memoryview) -> None:
    while view:
        view = view[os.write(file, view) :]
