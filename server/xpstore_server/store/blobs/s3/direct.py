"""What lets clients read from a bucket and write into it by themselves: URLs for one request each.

A URL to read is bound to one range, one to write to a length, a checksum and the first write. Both are signed by the
bucket's own clock, and only offered where the server was seen to hold to what is signed: one that ignored it would hand
out whole objects, or let anybody who has seen a URL write over what was read back.
"""

import base64
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import SplitResult, urlsplit
from zlib import crc32

from xpstore_server.store.blobs.s3.answers import Answer
from xpstore_server.store.blobs.s3.place import Place
from xpstore_server.store.blobs.s3.presign import presigned
from xpstore_server.store.blobs.store import BlobStore, Buffer, Spot
from xpstore_server.store.errors import StoreError

log = logging.getLogger("xpstore")

# Clocks that differ by less are alike: the header has whole seconds.
ALIKE_SECONDS = 2.0
# After a store that did not answer it is tried again.
AGAIN_SECONDS = 60.0
URLOf = Callable[[str], SplitResult]


class Ask(Protocol):
    """Sends a request that is signed already."""

    def __call__(self, method: str, target: str, headers: dict[str, str], body: Sequence[Buffer] = ()) -> Answer: ...


class DirectURLs:
    """Signs requests for objects of a bucket.

    Args:
        place: the bucket.
        own: the URL of an object for this process.
        public: its URL for clients. A signature holds for its host alone.
        bucket, ask: to try it.
        prefix: of objects that are made for that.
    """

    def __init__(self, place: Place, own: URLOf, public: URLOf, bucket: BlobStore, ask: Ask, prefix: str) -> None:
        self._place = place
        self._own, self._public = own, public
        self._bucket, self._ask, self._prefix = bucket, ask, prefix
        self._ahead_seconds = 0.0
        self._reads = _Trial("signed URLs to read", self._try_reads)
        self._writes = _Trial("signed URLs to write", self._try_writes)

    def heard(self, answer: Answer) -> None:
        """Notes what the server's clock says."""
        with suppress(ValueError, TypeError):
            ahead = parsedate_to_datetime(answer.header("Date")).timestamp() - time.time()
            self._ahead_seconds = ahead if abs(ahead) > ALIKE_SECONDS else 0.0

    def spot(self, key: str, offset: int, length: int, seconds: int) -> Spot | None:
        """A range that clients may read; None where the server does not hold to it."""
        return self._spot("GET", self._public, key, _range(offset, length), seconds) if self._reads.passes() else None

    def inlet(self, key: str, size_bytes: int, checksum: int, seconds: int) -> Spot | None:
        """An object that clients may write once; None where the server does not hold to it."""
        if not self._writes.passes():
            return None
        return self._spot("PUT", self._public, key, _first_write(size_bytes, checksum), seconds)

    def _spot(self, method: str, url_of: URLOf, key: str, headers: dict[str, str], seconds: int) -> Spot:
        keys, region = self._place.keys(), self._place.region
        at = datetime.now(UTC) + timedelta(seconds=self._ahead_seconds)
        signed = {name.lower(): value for name, value in headers.items()}
        url = presigned(method, url_of(key), keys, region=region, at=at, seconds=seconds, headers=signed)
        return Spot(url=url, headers=tuple(headers.items()))

    def _try_reads(self) -> bool:
        """Whether it gives the range that was signed, and no other."""
        key = f"{self._prefix}range"
        self._bucket.put(key, [b"12"])
        spot = self._spot("GET", self._own, key, _range(0, 1), 60)
        right, other = (self._send("GET", spot, said) for said in ({}, _range(1, 1)))
        return right.status == 206 and right.body == b"1" and _is_refused(other)

    def _try_writes(self) -> bool:
        """Whether it takes what was signed, once, and nothing else."""
        key = f"{self._prefix}write-{secrets.token_hex(8)}"
        spot = self._spot("PUT", self._own, key, _first_write(2, crc32(b"12")), 60)
        try:
            others = [
                self._send("PUT", spot, {}, b"21"),
                self._send("PUT", spot, {"Content-Length": "3"}, b"123"),
                self._send("PUT", spot, _first_write(2, crc32(b"21")), b"21"),
            ]
            first, again = (self._send("PUT", spot, {}, b"12") for _ in range(2))
            is_first = 200 <= first.status < 300 and all(map(_is_refused, [*others, again]))
            return is_first and self._bucket.get(key, 0, 3) == b"12"
        finally:
            self._bucket.delete(key)

    def _send(self, method: str, spot: Spot, changed: dict[str, str], body: bytes = b"") -> Answer:
        url = urlsplit(spot.url)
        headers = {"Host": url.netloc, **dict(spot.headers), **changed}
        return self._ask(method, f"{url.path}?{url.query}", headers, [body] if body else ())


class _Trial:
    """What a server was seen to do, once: it is tried when it is first needed."""

    def __init__(self, what: str, run: Callable[[], bool]) -> None:
        self._what = what
        self._run = run
        self._lock = threading.Lock()
        self._passes: bool | None = None
        self._tried_at = -AGAIN_SECONDS

    def passes(self) -> bool:
        """Whether it held to what was signed; not for now where it does not answer."""
        with self._lock:
            if self._passes is None and time.monotonic() - self._tried_at > AGAIN_SECONDS:
                self._tried_at = time.monotonic()
                try:
                    self._passes = self._run()
                except StoreError as error:
                    log.info("%s are not offered for now: %s", self._what, error)
                else:
                    log.info("%s %s", self._what, "are held to" if self._passes else "are not held to, and not offered")
            return bool(self._passes)


def _range(offset: int, length: int) -> dict[str, str]:
    return {"Range": f"bytes={offset}-{offset + length - 1}"}


def _first_write(size_bytes: int, checksum: int) -> dict[str, str]:
    encoded = base64.b64encode(checksum.to_bytes(4, "big")).decode()
    return {"Content-Length": str(size_bytes), "If-None-Match": "*", "x-amz-checksum-crc32": encoded}


def _is_refused(answer: Answer) -> bool:
    return 400 <= answer.status < 500
