"""A folder of this machine that files of the wire are laid down in."""

from pathlib import Path

from xpstore.errors import DataLoss, InvalidArgument
from xpstore.format.tree import fault_of_path


class Folder:
    """A folder on this machine that paths from the wire are laid down in, and never leave."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._made: set[str] = set()

    def target(self, path: str) -> Path:
        """Where a file goes; the directories above it are made.

        Raises:
            DataLoss: the path is not one that a sound server sends.
            InvalidArgument: a link in the folder leads out of it.
        """
        _check_safe(path)
        directory, _, name = path.rpartition("/")
        if directory not in self._made:
            self._make(directory)
        return self._root / directory / name

    def make(self, path: str) -> None:
        """Makes a directory; raises as `target` does."""
        _check_safe(path)
        self._make(path)

    def _make(self, path: str) -> None:
        directory = self._root / path
        # A link that was in the folder before must not lead what is written out of it either.
        if not directory.resolve().is_relative_to(self._real_root):
            raise InvalidArgument(f"{directory} is a link that leads out of {self._root}: remove it first")
        directory.mkdir(parents=True, exist_ok=True)
        self._made.add(path)


def _check_safe(path: str) -> None:
    if fault := fault_of_path(path):
        raise DataLoss(f"The server sent the path {path!r}, which could leave the target folder: it {fault}.")
