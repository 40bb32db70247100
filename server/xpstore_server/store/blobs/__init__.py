"""Where packs rest: one narrow seam, two implementations."""

from collections.abc import Iterator, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from xpstore_server.store.errors import InvalidStoreURL

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

    def close(self) -> None:
        """Frees connections."""


def open_blobs(blob_url: str, connections: int) -> BlobStore:
    """Opens `file:///folder` or `s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=`."""
    parts = urlsplit(blob_url)
    if parts.scheme == "file" and not parts.netloc and parts.path:
        from xpstore_server.store.blobs.disk import DiskBlobs

        return DiskBlobs(parts.path)
    if parts.scheme == "s3":
        from xpstore_server.store.blobs.minio import MinioBlobs

        return MinioBlobs.from_url(blob_url, connections)
    raise InvalidStoreURL("XPSTORE_BLOB_URL: write file:///FOLDER or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true")
