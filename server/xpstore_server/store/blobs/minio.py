"""Blobs in a bucket of MinIO or any other S3 server. The only file that imports `minio`."""

import base64
import logging
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult

from minio.credentials.credentials import Credentials
from minio.helpers import BaseURL
from minio.signer import sign_v4_s3

from xpstore_server.store.blobs.s3.answers import Answer, Listing, Refused, Unbelieved, Version, failure
from xpstore_server.store.blobs.s3.direct import DirectURLs
from xpstore_server.store.blobs.s3.line import Line
from xpstore_server.store.blobs.s3.place import Place, read_place
from xpstore_server.store.blobs.store import Buffer, Spot
from xpstore_server.store.errors import (
    BlobHeld,
    BlobMissing,
    InvalidStoreURL,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)

log = logging.getLogger("xpstore")

T = TypeVar("T")

PAUSES_SECONDS = (0.2, 0.8)
# No attempt begins later than this after the first: a call costs at most one more attempt.
TRIED_SECONDS = 5.0
# A page of a list has at most 1,000 keys of at most 1,024 bytes.
LIST_BYTES = 8 << 20
START_SECONDS = 10.0
CHECK_PREFIX = "xpstore-check/"
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
# What servers answer to the deletion of a version that a lock holds.
_HELD_STATUSES = (400, 403, 405, 409)
_LIST = "ListBucketResult"
_MAY_NOT_LIST = "the key may not list it: `gc --verify-bucket` and `rebuild-index` cannot work"


class MinioBlobs:
    """Objects of one bucket, which is made if it is missing.

    What the server says is believed by a mark that only it makes: of a PUT the checksum it computed, or the size and
    ETag that it gives afterwards; of a GET the range; of a list its XML. A refusal and a miss are asked once more.
    """

    is_own_folder = False

    def __init__(self, place: Place, connections: int, public_url: str = "") -> None:
        self._place = place
        try:
            self._url = BaseURL(f"http{'s' if place.is_secure else ''}://{place.host}", place.region)
            host = self._url.build(method="GET", region=place.region, bucket_name=place.bucket).netloc
        except ValueError as error:
            raise InvalidStoreURL(f"XPSTORE_BLOB_URL: {error}") from None
        try:
            public = BaseURL(public_url, place.region) if public_url else self._url
        except ValueError as error:
            raise InvalidStoreURL(f"XPSTORE_BLOB_PUBLIC_URL: {error}") from None
        own_of, public_of = (partial(_object_url, base, place) for base in (self._url, public))
        self._direct = DirectURLs(place, own_of, public_of, self, self._ask_signed, CHECK_PREFIX)
        self._connections = connections
        self._line = Line(place, host, connections)
        self._keeps_versions = False
        self._lines: list[str] = []

    @classmethod
    def from_url(
        cls,
        url: str,
        connections: int,
        *,
        credentials_file: Path | None = None,
        ca_file: Path | None = None,
        public_url: str = "",
    ) -> "MinioBlobs":
        """Opens `s3://KEY:SECRET@HOST:PORT/BUCKET?secure=true&region=us-east-1`."""
        blobs = cls(read_place(url, credentials_file=credentials_file, ca_file=ca_file), connections, public_url)
        try:
            blobs._open()
        except BaseException:
            blobs.close()
            raise
        return blobs

    def put(self, key: str, parts: Sequence[Buffer]) -> None:
        # The checksum costs a quarter of a second of CPU for each GB (MD5: one and a half), the server verifies it, and
        # buckets with a default retention take no PUT without one.
        checksum, size = 0, 0
        for part in parts:
            checksum, size = zlib.crc32(part, checksum), size + len(part)
        encoded = base64.b64encode(checksum.to_bytes(4, "big")).decode()
        self._settled(lambda: self._put_once(key, parts, size, encoded))

    def _put_once(self, key: str, parts: Sequence[Buffer], size: int, checksum: str) -> None:
        headers = {"Content-Length": str(size), "x-amz-checksum-crc32": checksum}
        answer = self._ask("PUT", key, headers=headers, body=parts)
        etag = answer.header("ETag").strip('"')
        if not etag:
            raise Unbelieved("PUT", answer, "no ETag")
        # The checksum in the answer is the server's own. One that gives none is asked what it has.
        if answer.header("x-amz-checksum-crc32") != checksum:
            self._confirm(key, etag, size)

    def _confirm(self, key: str, etag: str, size: int) -> None:
        try:
            answer = self._ask("HEAD", key)
        except BlobMissing:
            raise StoreUnavailable(f"The S3 server answers 200 to a PUT, and has no object {key}.") from None
        if answer.header("ETag").strip('"') != etag or answer.header("Content-Length") != str(size):
            raise Unbelieved("HEAD", answer, "another ETag or size than what was PUT")

    def get(self, key: str, offset: int, length: int) -> bytes:
        return self._settled(lambda: self._get_once(key, offset, length)) if length else b""

    def _get_once(self, key: str, offset: int, length: int) -> bytes:
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
        answer = self._ask("GET", key, headers=headers, most_bytes=length)
        range_ = _RANGE.fullmatch(answer.header("Content-Range")) if answer.status == 206 else None
        if range_ is None:
            is_whole = answer.status == 200 and offset == 0 and answer.header("Content-Length") == str(length)
            if not is_whole or len(answer.body) != length:
                raise Unbelieved("GET", answer, "not the range that was asked for")
            return answer.body
        first, last = int(range_[1]), int(range_[2])
        if first != offset or last - first + 1 != len(answer.body) or len(answer.body) > length:
            raise Unbelieved("GET", answer, "not the range that was asked for")
        if len(answer.body) < length and range_[3] != str(last + 1):
            raise Unbelieved("GET", answer, "less than the range that was asked for")
        return answer.body  # shorter only where the object ends

    def spot(self, key: str, offset: int, length: int, seconds: int) -> Spot | None:
        return self._direct.spot(key, offset, length, seconds)

    def inlet(self, key: str, size_bytes: int, crc32: int, seconds: int) -> Spot | None:
        return self._direct.inlet(key, size_bytes, crc32, seconds)

    def _ask_signed(self, method: str, target: str, headers: dict[str, str], body: Sequence[Buffer] = ()) -> Answer:
        return self._line.ask(method, target, {**headers, **self._line.headers()}, body, most_bytes=64 << 10)

    def adopt(self, key: str, size_bytes: int) -> int:
        return size_bytes  # is signed

    def delete(self, key: str) -> None:
        if not self._keeps_versions:
            answer = self._settled(lambda: self._delete_once(key))
            if not answer.header("x-amz-version-id") and answer.header("x-amz-delete-marker") != "true":
                return
            self._keep_versions()
        self._delete_versions(key)

    def _delete_once(self, key: str, query: dict[str, str] | None = None) -> Answer:
        try:
            answer = self._ask("DELETE", key, query=query)
        except BlobMissing:
            return Answer(204, Message(), b"")
        if answer.status != 204 and (answer.body or not answer.header("x-amz-request-id")):
            raise Unbelieved("DELETE", answer, "not 204")
        return answer

    def _delete_versions(self, key: str) -> None:
        """Each version by its id, and the marks of deletions: only that frees bytes in a bucket that keeps versions."""
        held = ""
        try:
            versions = [version for version in self._versions(key) if version.key == key]
        except StoreRefused as error:
            raise BlobHeld(f"{key}: its versions cannot be listed: {error}") from None
        for version in versions:
            try:
                self._settled(partial(self._delete_once, key, {"versionId": version.id}))
            except Refused as error:
                if error.status not in _HELD_STATUSES:
                    raise
                held = str(error)
        if held:
            raise BlobHeld(f"{key}: {held}")

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        query = {"list-type": "2", "prefix": prefix, "encoding-type": "url", "max-keys": "1000"}
        token = ""
        while True:
            page = self._page({**query, "continuation-token": token} if token else query, _LIST)
            yield from page.objects()
            if not page.is_truncated:
                return
            before, token = token, page.text("NextContinuationToken")
            if token in ("", before):
                raise StoreUnavailable("The S3 server ends a list in the middle, without saying where to go on.")

    def hidden(self, prefix: str) -> Iterator[tuple[str, int]]:
        key, size = "", 0
        is_deleted = False
        for version in self._versions(prefix) if self._keeps_versions else ():
            if version.key != key:
                if is_deleted:
                    yield key, size
                key, size, is_deleted = version.key, 0, False
            size += version.size_bytes
            is_deleted = is_deleted or (version.is_marker and version.is_latest)
        if is_deleted:
            yield key, size

    def _versions(self, prefix: str) -> Iterator[Version]:
        query = {"versions": "", "prefix": prefix, "encoding-type": "url", "max-keys": "1000"}
        after: dict[str, str] = {}
        while True:
            page = self._page({**query, **after}, "ListVersionsResult")
            yield from page.versions()
            if not page.is_truncated:
                return
            before = after
            after = {"key-marker": page.key_text("NextKeyMarker")}
            if id_ := page.text("NextVersionIdMarker"):
                after["version-id-marker"] = id_
            if after == before or not after["key-marker"]:
                raise StoreUnavailable("The S3 server ends a list in the middle, without saying where to go on.")

    def _page(self, query: dict[str, str], root: str) -> Listing:
        return self._settled(lambda: Listing(self._ask("GET", query=query, most_bytes=LIST_BYTES), root))

    def check(self, timeout_seconds: float) -> None:
        """Lists nothing, which has a mark that a HEAD has not. A key that may not list may still be answered so."""
        query = {"list-type": "2", "prefix": CHECK_PREFIX, "max-keys": "1"}
        try:
            Listing(self._ask("GET", query=query, most_bytes=LIST_BYTES, apart_seconds=timeout_seconds), _LIST)
        except Refused as error:
            if error.code != "AccessDenied" or _MAY_NOT_LIST not in self._lines:
                raise

    def describe(self) -> Sequence[str]:
        return [f"bucket {self._place.bucket} at {self._place.host}", *self._lines]

    def close(self) -> None:
        self._line.close()

    def _open(self) -> None:
        """Proves host, keys and bucket, makes that if it is missing, and looks at what it does with deletions."""
        try:
            self._check_start()
        except StoreError as error:
            text = str(error) if "XPSTORE_BLOB" in str(error) else f"XPSTORE_BLOB_URL: {error}"
            raise (StoreUnavailable if isinstance(error, StoreUnavailable) else StoreRefused)(text) from None
        if proxy := self._place.proxy():
            self._lines.append(f"reached through the proxy that {proxy.variable} names")
        self._look_at_versions()
        for line in self._lines:
            log.info("bucket %s: %s", self._place.bucket, line)

    def _check_start(self) -> None:
        try:
            self._settled(lambda: self.check(START_SECONDS))
        except Refused as error:
            if error.code == "NoSuchBucket":
                self._make_bucket()
            elif error.code == "AccessDenied":
                self._check_objects()
            else:
                raise

    def _check_objects(self) -> None:
        """A key need not be able to list. AWS denies such a one what is missing, too: only writing tells."""
        key = f"{CHECK_PREFIX}start"
        try:
            self._settled(lambda: self._get_once(key, 0, 1))
        except BlobMissing:
            pass
        except Refused:
            self.put(key, [b"1"])
            self._settled(lambda: self._delete_once(key))
        self._lines.append(_MAY_NOT_LIST)

    def _make_bucket(self) -> None:
        place = self._place
        url = self._url.build(method="PUT", region=place.region, bucket_name=place.bucket)
        where = "" if place.region == "us-east-1" else f"<LocationConstraint>{place.region}</LocationConstraint>"
        name = "CreateBucketConfiguration"
        space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
        body = f"<{name} {space}>{where}</{name}>".encode() if where else b""
        try:
            with closing(Line(place, url.netloc, 0)) as line:  # AWS has another host for it
                self._settled(lambda: self._ask("PUT", line=line, body=[body] if body else ()))
        except Refused as error:
            if error.code != "BucketAlreadyOwnedByYou":
                text = f"XPSTORE_BLOB_URL: there is no bucket {place.bucket}, and this key may not make it"
                raise StoreRefused(f"{text} ({error.status} {error.code}): make it, or name another one.") from None
        self._settled(lambda: self.check(START_SECONDS))

    def _look_at_versions(self) -> None:
        try:
            answer = self._settled(lambda: self._ask("GET", query={"versioning": ""}, most_bytes=LIST_BYTES))
            status = Listing(answer, "VersioningConfiguration").text("Status")
        except (StoreRefused, StoreUnavailable, BlobMissing, StoreFull):
            return  # it may not ask, or the server knows no versions: a deletion tells
        if status not in ("Enabled", "Suspended"):
            return  # there is no lock without versions
        self._keep_versions()
        try:
            answer = self._settled(lambda: self._ask("GET", query={"object-lock": ""}, most_bytes=LIST_BYTES))
        except (StoreRefused, StoreUnavailable, BlobMissing, StoreFull):
            return  # there is none
        if b"<ObjectLockEnabled>Enabled" in answer.body:
            rule = [re.search(rb"<%s>(\w{1,20})<" % name, answer.body) for name in (b"Mode", b"Days", b"Years")]
            mode, days, years = (found[1].decode() if found else "" for found in rule)
            length = f"{days} days" if days else f"{years} years"
            kept = f"for {length} ({mode})" if mode else "where an object is given one"
            self._lines.append(f"has object lock: what is deleted is freed when its retention ends, {kept}")

    def _keep_versions(self) -> None:
        if not self._keeps_versions:
            self._keeps_versions = True
            self._lines.append("keeps versions: a deletion removes all versions of an object, each by its id")

    def _settled(self, act: Callable[[], T]) -> T:
        """Acts again after what may pass; what is refused or missing is believed when it is said twice."""
        began, is_said = time.monotonic(), False
        for pause_seconds in (*PAUSES_SECONDS, None):
            try:
                return act()
            except (StoreUnavailable, StoreRefused, StoreFull, BlobMissing) as error:
                is_settled = is_said and not isinstance(error, StoreUnavailable)
                if pause_seconds is None or is_settled or time.monotonic() - began > TRIED_SECONDS:
                    raise
                is_said = not isinstance(error, StoreUnavailable)
            time.sleep(pause_seconds)
        raise AssertionError("the last attempt returns or raises")

    def _ask(
        self,
        method: str,
        key: str = "",
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: Sequence[Buffer] = (),
        most_bytes: int = 64 << 10,
        line: Line | None = None,
        apart_seconds: float = 0,
    ) -> Answer:
        """Asks once. Returns what is no failure."""
        line, place = line or self._line, self._place
        url = self._url.build(
            method=method,
            region=place.region,
            bucket_name=place.bucket,
            object_name=key or None,
            query_params=dict(query or {}),
        )
        signed = {**self._signed(method, url, headers or {}), **line.headers()}
        target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
        if apart_seconds:
            answer = line.ask_apart(method, target, signed, timeout_seconds=apart_seconds, most_bytes=most_bytes)
        else:
            answer = line.ask(method, target, signed, body, most_bytes=most_bytes)
        if error := failure(answer, method, f"a {method}", key=key):
            raise error
        self._direct.heard(answer)
        return answer

    def _signed(self, method: str, url: SplitResult, headers: dict[str, str]) -> dict[str, Any]:
        keys, now = self._place.keys(), datetime.now(UTC)
        unsigned: dict[str, Any] = {
            "Host": url.netloc,
            # Checksum and digests say more: a hash of all bytes would cost a fifth of the throughput.
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            **headers,
        }
        if keys.session_token:
            unsigned["x-amz-security-token"] = keys.session_token
        return sign_v4_s3(
            method=method,
            url=url,
            region=self._place.region,
            headers=unsigned,
            credentials=Credentials(keys.access_key, keys.secret_key),
            content_sha256="UNSIGNED-PAYLOAD",
            date=now,
        )


def _object_url(base: BaseURL, place: Place, key: str) -> SplitResult:
    return base.build(method="GET", region=place.region, bucket_name=place.bucket, object_name=key)
