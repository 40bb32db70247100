"""Blobs in a bucket of MinIO or any other S3 server. The only file that imports `minio`."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from xpstore_server.store.blobs import Buffer
from xpstore_server.store.errors import BlobMissing, InvalidStoreURL, StoreUnavailable

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
# Above any pack, so that a pack is always one PUT: nothing to list or abort after a crash.
PART_BYTES = 64 << 20
# The last: the object ends before the range, so the bytes that were stored are not there.
_GONE = ("NoSuchKey", "NoSuchObject", "InvalidRange")


class MinioBlobs:
    """Objects of one bucket, which is made if it is missing."""

    def __init__(
        self, host: str, access_key: str, secret_key: str, bucket: str, *, secure: bool, region: str, connections: int
    ) -> None:
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=connections,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._bucket = bucket
        try:
            self._client = Minio(
                endpoint=host,
                access_key=access_key,
                secret_key=secret_key,
                secure=secure,
                region=region,
                http_client=self._pool,
            )
            with _translated():
                if not self._client.bucket_exists(bucket_name=bucket):
                    self._client.make_bucket(bucket_name=bucket)
        except ValueError as error:
            raise InvalidStoreURL(f"XPSTORE_BLOB_URL: {error}") from None

    @classmethod
    def from_url(cls, url: str, connections: int) -> "MinioBlobs":
        """Opens `s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=us-east-1`."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        bucket = parts.path.strip("/")
        secure = options.pop("secure", "true").lower()
        region = options.pop("region", "us-east-1")
        host = parts.netloc.rpartition("@")[2]
        is_sound = host and bucket and "/" not in bucket and parts.username and parts.password and not options
        if not is_sound or secure not in ("true", "false"):
            raise InvalidStoreURL("XPSTORE_BLOB_URL: write s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=NAME")
        access_key, secret_key = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(
            host, access_key, secret_key, bucket, secure=secure == "true", region=region, connections=connections
        )

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        data = b"".join(parts)
        with _translated(key):
            self._client.put_object(
                bucket_name=self._bucket,
                object_name=key,
                data=io.BytesIO(data),
                length=len(data),
                part_size=PART_BYTES,
            )

    def get(self, key: str, offset: int, length: int) -> bytes:
        with _translated(key):
            response = self._client.get_object(bucket_name=self._bucket, object_name=key, offset=offset, length=length)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

    def delete(self, key: str) -> None:
        with _translated(key):
            self._client.remove_object(bucket_name=self._bucket, object_name=key)

    def close(self) -> None:
        self._pool.clear()


@contextmanager
def _translated(key: str = "") -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _GONE:
            raise BlobMissing(key) from None
        raise StoreUnavailable(f"The S3 server answers {error.code}: {error.message}") from error
    except (HTTPError, MinioException, InvalidResponseError, ServerError, OSError) as error:
        raise StoreUnavailable(f"The S3 server does not answer ({type(error).__name__}).") from error
