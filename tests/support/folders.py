"""Folders with files: made, and read back."""

from pathlib import Path


def lay(folder: Path, files: dict[str, bytes | None]) -> Path:
    """Makes files, and empty directories where there is None."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        target = folder / path
        (target if data is None else target.parent).mkdir(parents=True, exist_ok=True)
        if data is not None:
            target.write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes | None]:
    """What is in a folder, as `lay` takes it."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }
