"""What a server stands on: a database and a blob store."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """A database and a blob store, empty and of their own for each test module."""

    name: str
    database_url: str
    blob_url: str


def sqlite_url(file: Path) -> str:
    """The URL of a database in a file, whatever characters its path has."""
    return f"sqlite:///{quote(str(file))}"
