"""The place where packs rest, by its URL."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.errors import InvalidStoreURL


def open_blobs(
    blob_url: str, connections: int, *, credentials_file: Path | None = None, ca_file: Path | None = None
) -> BlobStore:
    """Opens `file:///folder` or `s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=`."""
    if blob_url.startswith("s3:"):  # read there: a secret may have anything in it
        from xpstore_server.store.blobs.minio import MinioBlobs  # here, as it brings much with it

        return MinioBlobs.from_url(blob_url, connections, credentials_file=credentials_file, ca_file=ca_file)
    parts = urlsplit(blob_url)
    if parts.scheme == "file" and (parts.query or parts.fragment):
        raise InvalidStoreURL("XPSTORE_BLOB_URL: write %3F for a ? and %23 for a # in the path of a file:// URL")
    if parts.scheme == "file" and not parts.netloc and parts.path:
        from xpstore_server.store.blobs.disk import DiskBlobs  # here, as a server has one of the two

        return DiskBlobs(unquote(parts.path))
    raise InvalidStoreURL("XPSTORE_BLOB_URL: write file:///FOLDER or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true")
