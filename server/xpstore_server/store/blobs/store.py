"""What a place where packs rest must be able to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Spot:
    """Where clients read a range of an object by themselves, or write one.

    Attributes:
        url: of the object, for a GET or PUT with exactly these headers; "" where it is a file.
        path: of that file.
        headers: what is signed.
    """

    url: str = ""
    path: str = ""
    headers: Sequence[tuple[str, str]] = ()


class BlobStore(Protocol):
    """Immutable objects by key. Keys are made by the server, never from the wire.

    Every call may raise StoreUnavailable (nobody answers; it may be repeated) and StoreRefused (the store says no).

    Attributes:
        is_own_folder: whether whoever can reach an inlet could write the objects all the same.
    """

    is_own_folder: bool

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        """Stores an object, all of it or none, durably when this returns. Raises StoreFull where there is no room."""

    def get(self, key: str, offset: int, length: int) -> bytes:
        """Returns a range of an object, less only where it ends before; raises BlobMissing when there is none."""

    def spot(self, key: str, offset: int, length: int, seconds: int) -> Spot | None:
        """Where clients read a range for so long, past this process; None if this store cannot let them."""

    def inlet(self, key: str, size_bytes: int, crc32: int, seconds: int) -> Spot | None:
        """Where a client lays an object down by itself, which `adopt` then takes; None if this store has no such place.

        A URL is good for so long and one PUT, of this length and checksum. Raises StoreFull where there is no room.
        """

    def adopt(self, key: str, size_bytes: int) -> int:
        """Makes what was laid down at the inlet the object, durably; returns its size.

        Once more it is the object already, and that is answered.

        Args:
            key: of the object.
            size_bytes: for which the inlet was. A store that holds writers to it need not look: whoever reads the
                object sees whether it is there.

        Raises:
            BlobMissing: nothing was laid down.
        """

    def delete(self, key: str) -> None:
        """Frees the bytes of an object; one that is not there is no error. Raises BlobHeld if bytes of it stay."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yields key and size of each object whose key starts so, a few at a time, mostly in the order of keys."""

    def hidden(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yields, as `list`, what was deleted and is kept all the same; `delete` frees that too."""

    def check(self, timeout_seconds: float) -> None:
        """Returns if the store answers within so many seconds, whatever else waits for it; raises as other calls do."""

    def describe(self) -> Sequence[str]:
        """What an operator should know of this store: a line each, without secrets."""

    def close(self) -> None:
        """Gives up its connections."""
