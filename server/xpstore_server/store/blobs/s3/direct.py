"""What lets clients read from a bucket by themselves: URLs for one range each, signed by the bucket's own clock.

A URL is only offered where the server holds to what is signed: one that ignored the range would hand out whole objects.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from xpstore_server.store.blobs.s3.answers import Answer
from xpstore_server.store.blobs.s3.place import Place
from xpstore_server.store.blobs.s3.presign import presigned
from xpstore_server.store.blobs.store import Spot
from xpstore_server.store.errors import StoreError

log = logging.getLogger("xpstore")

# Clocks that differ by less are alike: the header has whole seconds.
ALIKE_SECONDS = 2.0
# After a store that did not answer it is tried again.
AGAIN_SECONDS = 60.0
Ask = Callable[[str, dict[str, str]], Answer]
URLOf = Callable[[str], SplitResult]


class DirectReads:
    """Signs ranges of the objects of a bucket.

    Args:
        place: the bucket.
        own: the URL of an object for this process.
        public: its URL for clients. A signature holds for its host alone.
    """

    def __init__(self, place: Place, own: URLOf, public: URLOf) -> None:
        self._place = place
        self._own, self._public = own, public
        self._ahead_seconds = 0.0
        self._lock = threading.Lock()
        self._holds: bool | None = None
        self._asked_at = -AGAIN_SECONDS

    def heard(self, answer: Answer) -> None:
        """Notes what the server's clock says."""
        with suppress(ValueError, TypeError):
            ahead = parsedate_to_datetime(answer.header("Date")).timestamp() - time.time()
            self._ahead_seconds = ahead if abs(ahead) > ALIKE_SECONDS else 0.0

    def spot(self, key: str, offset: int, length: int, seconds: int) -> Spot:
        """A range for clients."""
        said = f"bytes={offset}-{offset + length - 1}"
        return Spot(url=self._url(self._public, key, said, seconds), headers=(("Range", said),))

    def are_bound(self, put: Callable[[str], None], ask: Ask, key: str) -> bool:
        """Whether the server gives the range that was signed, and no other: tried once, on an object of two bytes.

        Args:
            put: makes the object.
            ask: sends a GET to a path with a query.
            key: of the object.
        """
        with self._lock:
            if self._holds is None and time.monotonic() - self._asked_at > AGAIN_SECONDS:
                self._asked_at = time.monotonic()
                try:
                    put(key)
                    self._holds = self._try(ask, key)
                except StoreError as error:
                    log.info("the bucket is not offered to clients for now: %s", error)
                else:
                    text = "give" if self._holds else "do not keep to"
                    log.info("bucket %s: signed URLs %s the range that is signed", self._place.bucket, text)
            return bool(self._holds)

    def _try(self, ask: Ask, key: str) -> bool:
        said = "bytes=0-0"
        url = urlsplit(self._url(self._own, key, said, 60))
        right, other = (ask(_target(url), {"Host": url.netloc, "Range": one}) for one in (said, "bytes=1-1"))
        return right.status == 206 and right.body == b"1" and 400 <= other.status < 500

    def _url(self, url_of: URLOf, key: str, said: str, seconds: int) -> str:
        keys, region = self._place.keys(), self._place.region
        at = datetime.now(UTC) + timedelta(seconds=self._ahead_seconds)
        return presigned("GET", url_of(key), keys, region=region, at=at, seconds=seconds, headers={"range": said})


def _target(url: SplitResult) -> str:
    return f"{url.path}?{url.query}"
