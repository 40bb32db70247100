"""Blobs in a bucket of MinIO or any other S3 server. The only file that imports `minio`."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from xpstore_server.store.blobs.store import Buffer
from xpstore_server.store.errors import BlobMissing, InvalidStoreURL, StoreUnavailable

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
# A pack is always one PUT: nothing to list or abort after a crash.
PUT_EXPIRES = timedelta(minutes=10)
PAUSES_SECONDS = (0.2, 0.8)
BLOCK_BYTES = 64 << 10
# The last: the object ends before the range, so the bytes that were stored are not there.
_GONE = ("NoSuchKey", "NoSuchObject", "InvalidRange")


class _ServerError(StoreUnavailable):
    """The S3 server failed; the next try may succeed."""


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
        # By a presigned URL: the client's own way to PUT hashes the payload once more, with SHA-256 or MD5, and every
        # chunk has its digest already.
        with _translated(key):
            url = self._client.presigned_put_object(bucket_name=self._bucket, object_name=key, expires=PUT_EXPIRES)
            headers = {"Content-Length": str(sum(map(len, parts)))}
            for pause_seconds in PAUSES_SECONDS:
                try:
                    answer = self._put_once(url, parts, headers)
                    break
                except (HTTPError, _ServerError):
                    # Also a connection that was idle and that the server closed.
                    time.sleep(pause_seconds)
            else:
                answer = self._put_once(url, parts, headers)
        if answer.status >= 300:
            raise StoreUnavailable(f"The S3 server answers {answer.status} to a PUT: {_code(answer.data)}")

    def _put_once(self, url: str, parts: Sequence[Buffer], headers: dict[str, str]) -> BaseHTTPResponse:
        body: Any = _blocks(parts)  # read anew each time, so retries are not left to urllib3
        answer = self._pool.request("PUT", url, body=body, headers=headers, retries=False)
        if answer.status >= 500:
            raise _ServerError(f"The S3 server answers {answer.status} to a PUT: {_code(answer.data)}")
        return answer

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

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        with _translated(prefix):
            for found in self._client.list_objects(bucket_name=self._bucket, prefix=prefix, recursive=True):
                if not found.is_dir:
                    yield str(found.object_name), found.size or 0

    def check(self, timeout_seconds: float) -> None:
        """Sees whether it answers."""
        with _translated():
            self._client.bucket_exists(bucket_name=self._bucket)

    def close(self) -> None:
        self._pool.clear()


def _blocks(parts: Sequence[Buffer]) -> Iterator[Buffer]:
    """Puts small parts together: each block is one write to a socket."""
    some: list[Buffer] = []
    size = 0
    for part in parts:
        if len(part) >= BLOCK_BYTES:
            yield b"".join(some)
            yield part
            some, size = [], 0
            continue
        some.append(part)
        size += len(part)
        if size >= BLOCK_BYTES:
            yield b"".join(some)
            some, size = [], 0
    yield b"".join(some)


def _code(answer: bytes) -> str:
    found = re.search(rb"<Code>(\w{1,64})</Code>", answer)
    return found.group(1).decode() if found else "no reason"


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
