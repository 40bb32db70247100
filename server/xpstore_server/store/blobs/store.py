"""What a place where packs rest must be able to do."""

from collections.abc import Iterator, Sequence
from typing import Protocol

Buffer = bytes | memoryview


class BlobStore(Protocol):
    """Immutable objects by key. Keys are made by the server, never from the wire."""

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        """Stores an object, all of it or none, durably when this returns."""

    def get(self, key: str, offset: int, length: int) -> bytes:
        """Returns a range of an object; raises BlobMissing when there is none."""

    def delete(self, key: str) -> None:
        """Removes an object; one that is not there is no error."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yields key and size of each object whose key starts so, a few at a time, mostly in the order of keys."""

    def check(self, timeout_seconds: float) -> None:
        """Sees whether it answers within this time."""

    def close(self) -> None:
        """Frees connections."""
