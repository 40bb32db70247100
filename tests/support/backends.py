"""What a server stands on: a database and a blob store."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """A database and a blob store, empty and of their own for each test module."""

    name: str
    database_url: str
    blob_url: str
