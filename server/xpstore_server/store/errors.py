"""What can go wrong below the rules."""


class StoreError(Exception):
    """Root of the store's errors."""


class StoreUnavailable(StoreError):
    """The database or the blob store does not answer for now; the same call may work later."""


class StoreRefused(StoreError):
    """The database or the blob store answers, and says no; waiting does not help. The message has its code."""


class StoreFull(StoreError):
    """There is no room to write; the message says where. Deleting and freeing go on."""


class StoreLimit(StoreError):
    """A bound of this server was met.

    Attributes:
        limit: its name.
        most: its value, where it is a number; for times in microseconds.
    """

    limit = ""

    def __init__(self, message: str, most: int | None = None) -> None:
        super().__init__(message)
        self.most = most


class StoreBusy(StoreLimit, StoreUnavailable):
    """Too much waits for its turn already."""

    limit = "max_queue"


class StoreTooLong(StoreLimit, StoreUnavailable):
    """A statement was ended, as it took longer than it may. At a quieter time it may be done."""

    limit = "statement_time"


class StoreTooComplex(StoreLimit, StoreRefused):
    """A statement that the database cannot take, as it is too long or too deep."""

    limit = "statement_size"


class BlobMissing(StoreError):
    """No object of this key. After a repack a reader resolves once again before it believes this."""


class BlobDamaged(StoreError):
    """Stored bytes are not those that were stored."""


class BlobHeld(StoreError):
    """An object whose bytes stay although it was deleted: its bucket holds versions of it."""


class MissingChunks(StoreError):
    """The index does not know these chunks; `digests` names them."""

    def __init__(self, digests: list[bytes]) -> None:
        super().__init__(f"{len(digests)} chunks are not in the index")
        self.digests = digests


class InvalidStoreURL(StoreError):
    """A database or blob URL that cannot be used; the message says why and how to write it."""
