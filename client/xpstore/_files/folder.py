"""A folder of this machine that files of the wire are laid down in."""

import contextlib
import os
import re
import stat
import sys
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from xpstore._files.leftovers import partial_path
from xpstore._files.local_faults import laying
from xpstore.errors import DataLoss, InvalidArgument
from xpstore.format.tree import fault_of_path

# What Windows does not take as a name, or takes as another one: devices, marks, and ends that it cuts off.
_NOT_ON_WINDOWS = re.compile(
    r'(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\..*)?|.*[<>:"|?*\x00-\x1f].*|.*[. ]',
    re.IGNORECASE | re.DOTALL,
)


class Habits(NamedTuple):
    """What a file system makes of names and permissions."""

    is_case_blind: bool
    file_mode: int


class Spot(NamedTuple):
    """Where a file goes, and what is there: a file or a link, or None."""

    path: str
    status: os.stat_result | None


class Folder:
    """A folder on this machine that paths from the wire are laid down in, and never leave.

    Of the folders in it only those above the last path are remembered: paths come in order, so that all of a folder
    come in a row, and in another order only more is looked at twice.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root_path = str(root)
        self._real_root = Path(os.path.realpath(root))  # Path.resolve raises where links lead to each other
        self._made: list[str] = []
        # Of the path before: its directory, and where that is, with a separator at its end.
        self._last = self._last_path = ""
        self._spelled: dict[str, str] = {}

    def target(self, path: str) -> Spot:
        """Where a file goes; the directories above it are made.

        Raises:
            DataLoss: the path is not one that a sound server sends.
            InvalidArgument: a link in the folder leads out of it, something is in the way, or this file system cannot
                hold the name beside those before.
        """
        folder, name = self.enter(path)
        return look_at(folder + name)

    def enter(self, path: str) -> tuple[str, str]:
        """The folder that a file goes to, with a separator at its end, and its name there. Raises as `target` does."""
        self._check(path)
        directory, _, name = path.rpartition("/")
        if not self._last_path or directory != self._last:
            self._make(directory)
            self._last, self._last_path = directory, os.path.join(self._root_path, directory, "")
        return self._last_path, name

    def make(self, path: str) -> None:
        """Makes a directory; raises as `target` does."""
        self._check(path)
        self._make(path)

    @cached_property
    def habits(self) -> Habits:
        """What the file system here makes of names and permissions."""
        probe = Path(partial_path(self._root / "probe"))
        try:
            descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except OSError:  # nothing can be written here, so nothing collides
            return Habits(is_case_blind=False, file_mode=0o644)
        try:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            return Habits(probe.with_name(probe.name.upper()).exists(), mode)
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)

    def _make(self, path: str) -> None:
        if not self._made:
            with laying(self._root):
                self._root.mkdir(parents=True, exist_ok=True)
            self._made.append("")
        while not is_within(path, self._made[-1]):
            self._made.pop()
        missing = []
        while path != self._made[-1]:
            missing.append(path)
            path = path.rpartition("/")[0]
        for path in reversed(missing):  # each once, and not by recursion: a tree may be a thousand folders deep
            directory = self._root / path
            with laying(directory):
                self._make_one(directory)
            self._made.append(path)

    def _make_one(self, directory: Path) -> None:
        # A link that was in the folder before must not lead what is written out of it either.
        if directory.is_symlink() and not self._is_inside(directory):
            raise InvalidArgument(f"{str(directory)!r} is a link that leads out of {self._root}: remove it first")
        try:
            directory.mkdir(exist_ok=True)
        except FileExistsError:  # a file, or a link to none: it is replaced, as a file of the same path is
            _refuse_special(str(directory), directory.lstat())
            directory.unlink()
            directory.mkdir()

    def _is_inside(self, directory: Path) -> bool:
        return Path(os.path.realpath(directory)).is_relative_to(self._real_root)

    def _check(self, path: str) -> None:
        if fault := fault_of_path(path):
            raise DataLoss(f"The server sent the path {path!r}, which could leave the target folder: it {fault}.")
        if sys.platform == "win32" and (fault := fault_on_windows(path)):
            raise InvalidArgument(f"{path!r} cannot be laid down on Windows: {fault}. Download it on another system")
        if not self._made:
            self._make("")
        if self.habits.is_case_blind:
            self._check_spelling(path)

    def _check_spelling(self, path: str) -> None:
        """Refuses what would fall together on a file system that knows no case, or no two ways to write a letter."""
        while path:
            known = self._spelled.setdefault(folded(path), path)
            if known != path:
                raise InvalidArgument(
                    f"{path!r} and {known!r} are the same name on the file system of {str(self._root)!r}: download one "
                    "of them alone (path=...), or choose a folder on another file system"
                )
            path = path.rpartition("/")[0]


def look_at(target: str) -> Spot:
    """What is where a file goes; an empty folder there is removed.

    Raises:
        InvalidArgument: something is in the way, or this file system cannot hold the name.
    """
    with laying(target):
        return Spot(target, _make_way(target))


def remove_tree(path: Path) -> None:
    """Removes what is at a path, as far as it can be: not by recursion, as a tree may be a thousand folders deep."""
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            path.unlink()
        return
    folders = [path]
    for folder in folders:  # more come meanwhile
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            folder.rmdir()


def is_within(path: str, folder: str) -> bool:
    """Whether a path inside a tree is this folder of it, or below it; "" is all of it."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def folded(path: str) -> str:
    """The same for all paths that a file system without case takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def fault_on_windows(path: str) -> str | None:
    """What keeps a path from being laid down on Windows under its own name; None if nothing does."""
    refused = [part for part in path.split("/") if _NOT_ON_WINDOWS.fullmatch(part)]
    return f"it does not take the name {refused[0]!r}" if refused else None


def _make_way(target: str) -> os.stat_result | None:
    """Removes an empty folder where a file goes. Returns what else is there, which the file replaces."""
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        with contextlib.suppress(OSError):
            os.rmdir(target)  # only if it is empty: what is in it is not this version's to remove
            return None
        raise InvalidArgument(f"{target!r} is a folder with something in it, where a file shall be: remove it")
    _refuse_special(target, status)
    return status


def _refuse_special(path: str, status: os.stat_result) -> None:
    """A pipe, socket or device is not replaced: it was put there for something else."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise InvalidArgument(f"{path!r} is a pipe, a socket or a device: remove it, or choose another folder")
