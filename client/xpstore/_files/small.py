"""Files that arrive whole, as one chunk: verified in memory, written to a name of their own, renamed."""

import contextlib
import os
from typing import NamedTuple

from blake3 import blake3

from xpstore._files.leftovers import CREATE_FLAGS, partial_path
from xpstore._files.local_faults import fault_of_laying
from xpstore._files.partial import ATTEMPTS, executable_too
from xpstore.errors import Conflict
from xpstore.v1 import artifact_pb2 as pb

# Permissions that a partial file has from the start, as most files have no others. What somebody else can write to is
# not taken for one of ours.
PLAIN = 0o644


class SmallFile(NamedTuple):
    """Where a file of at most one chunk goes, and what it shall be.

    Attributes:
        folder: with a separator at its end.
        name: in there.
        entry: what it shall be.
    """

    folder: str
    name: str
    entry: pb.ManifestEntry


class SmallFiles:
    """Lays down files of at most one chunk each.

    Each is under another name for a moment, and its bytes are in memory meanwhile: it needs no lock, as what somebody
    takes away is written again. So one name does for all of a folder, that of a partial file of the first of them. What
    a killed process leaves there goes when the same files are laid down again.
    """

    def __init__(self) -> None:
        self._folder = ""
        self._partial = ""

    def lay(self, file: SmallFile, data: bytes | memoryview, mode: int) -> bool:
        """Puts a file in place; False if these are not its bytes.

        Args:
            file: which.
            data: what arrived of it.
            mode: the permissions of a new file there.

        Raises:
            ResourceExhausted: the disk is full; nothing is left of the file.
            InvalidArgument: it cannot be put there.
            Conflict: another program takes it away, again and again.
        """
        if blake3(data).digest() != file.entry.digest:
            return False
        if file.folder != self._folder:
            self._folder, self._partial = file.folder, partial_path(file.folder + file.name)
        target = file.folder + file.name
        try:
            self._put(target, data, executable_too(mode) if file.entry.executable else mode)
        except OSError as error:
            raise fault_of_laying(target, len(data), error) from error
        return True

    def _put(self, target: str, data: bytes | memoryview, mode: int) -> None:
        plain = mode & PLAIN
        for _ in range(ATTEMPTS):
            file = os.open(self._partial, CREATE_FLAGS, plain)
            try:
                try:
                    written = os.write(file, data)
                    while written < len(data):
                        written += os.write(file, memoryview(data)[written:])
                    if mode != plain:
                        os.chmod(self._partial, mode)
                finally:
                    os.close(file)
                os.replace(self._partial, target)
            except FileNotFoundError:
                continue  # taken away since; where the folder is, the next one does not open
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(self._partial)
                raise
            return
        raise Conflict(f"{target!r}: what is on its way there was taken away {ATTEMPTS} times: try again")
