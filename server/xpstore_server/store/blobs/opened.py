"""The place where packs rest, by its URL."""

from pathlib import Path

from xpstore_server.locations import FILE, path_in
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.errors import InvalidStoreURL


def open_blobs(
    blob_url: str,
    connections: int,
    *,
    credentials_file: Path | None = None,
    ca_file: Path | None = None,
    public_url: str = "",
    kept_mib: int | None = None,
) -> BlobStore:
    """Opens `file:///folder` or `s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=`.

    Args:
        blob_url: where.
        connections: how many of a bucket may be open.
        credentials_file, ca_file: of S3.
        public_url: where clients reach a bucket, if that is another host than the server's.
        kept_mib: how much room of a folder's disk stays free for deletions; default as of `Disk`.
    """
    if blob_url.startswith("s3:"):  # read there: a secret may have anything in it
        from xpstore_server.store.blobs.minio import MinioBlobs  # here, as it brings much with it

        return MinioBlobs.from_url(
            blob_url, connections, credentials_file=credentials_file, ca_file=ca_file, public_url=public_url
        )
    if (folder := bucket_folder(blob_url)) is not None:
        from xpstore_server.store.blobs.disk import DiskBlobs  # here, as a server has one of the two

        return DiskBlobs(folder, kept_mib)
    raise InvalidStoreURL("XPSTORE_BLOB_URL: write file:///FOLDER or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true")


def bucket_folder(blob_url: str) -> Path | None:
    """The folder that a URL names; None if it names none."""
    if not blob_url.startswith(f"{FILE}/"):
        return None
    try:
        return Path(path_in(FILE, blob_url))
    except ValueError as error:
        raise InvalidStoreURL(f"XPSTORE_BLOB_URL: {error}") from None
