"""What an answer of an S3 server means: the one table of statuses and codes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from xpstore_server.store.errors import BlobMissing, StoreError, StoreFull, StoreRefused, StoreUnavailable

# May be asked again. Not 501, which is for good, and 507: that there is no room.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_PASSING_CODES = {
    "BadDigest",  # the bytes changed on their way
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
    "RequestTimeout",
    "SlowDown",
    "OperationAborted",
    "ConditionalRequestConflict",
    "InternalError",
    "ServiceUnavailable",
}
_FULL_CODES = {
    "XMinioStorageFull",
    "XMinioBucketQuotaExceeded",
    "XMinioAdminBucketQuotaExceeded",
    "QuotaExceeded",
    "QuotaExceededException",
    "InsufficientStorage",
    "InsufficientStorageSpace",
    "InsufficientCapacity",
    "NotEnoughDiskSpace",
    "DiskFull",
    "StorageFull",
}
# The last: the object ends before the range, so the bytes that were stored are not there.
_GONE_CODES = {"NoSuchKey", "NoSuchObject", "NoSuchVersion", "InvalidRange"}
_KEYS = "XPSTORE_BLOB_URL or XPSTORE_BLOB_CREDENTIALS_FILE"
_CURES = {
    "AccessDenied": f"{_KEYS}: the key lacks the right to do this.",
    "AllAccessDisabled": f"{_KEYS}: the account or bucket is closed.",
    "InvalidAccessKeyId": f"{_KEYS}: the server does not know the key.",
    "SignatureDoesNotMatch": f"{_KEYS}: the secret is wrong; in the URL / # ? @ % must be percent-encoded.",
    "ExpiredToken": "XPSTORE_BLOB_CREDENTIALS_FILE: the session token is over.",
    "InvalidToken": "XPSTORE_BLOB_CREDENTIALS_FILE: the session token is wrong.",
    "RequestTimeTooSkewed": "The clocks of this machine and of the S3 server differ: set them.",
    "RequestExpired": "The clocks of this machine and of the S3 server differ: set them.",
    "NoSuchBucket": "XPSTORE_BLOB_URL: there is no such bucket.",
    "PermanentRedirect": "XPSTORE_BLOB_URL: the bucket is elsewhere: set its host and region.",
    "TemporaryRedirect": "XPSTORE_BLOB_URL: the bucket is elsewhere: set its host and region.",
    "AuthorizationHeaderMalformed": "XPSTORE_BLOB_URL: set the bucket's region.",
    "IllegalLocationConstraintException": "XPSTORE_BLOB_URL: set the bucket's region.",
}
_NAMES = {301: "PermanentRedirect", 307: "TemporaryRedirect", 403: "AccessDenied"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: all of it, or as much as the asker was ready to take."""

    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> str:
        """The code that S3 servers give in an error; empty if this is not one of theirs."""
        found = re.search(rb"<Code>\s*(\w{1,64})\s*</Code>", self.body[:65536])
        return found.group(1).decode() if found else ""

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))


class Unbelieved(StoreUnavailable):
    """An answer without the mark that only the store makes: it was not asked, and may be asked again."""

    def __init__(self, method: str, answer: Answer, lack: str) -> None:
        kind = re.sub(r"[^\w/+.;= -]", "", answer.header("Content-Type"))[:40] or "of no type"
        super().__init__(
            f"The answer {answer.status} to a {method} ({kind}, {len(answer.body)} bytes) is not the S3 server's: "
            f"it has {lack}. Something between answers for it."
        )


class Refused(StoreRefused):
    """The S3 server says no."""

    def __init__(self, status: int, code: str, what: str, hint: str = "") -> None:
        cure = " ".join(filter(None, [_CURES.get(code, ""), hint]))
        super().__init__(f"The S3 server answers {status} {code or 'without a code'} to {what}. {cure}".rstrip())
        self.status = status
        self.code = code


def failure(answer: Answer, method: str, what: str, *, key: str = "") -> StoreError | None:
    """What an answer fails with, if it does.

    Args:
        method: of the request.
        what: that was asked for, for a person.
        key: of the object that was asked for.
    """
    status, code = answer.status, answer.code
    if 200 <= status < 300:
        return None
    if code in _FULL_CODES or status == 507:
        return StoreFull(f"The S3 server answers {status} {code} to {what}: it has no room.")
    if code in _PASSING_CODES or status in _PASSING or (status > 504 and status != 507):
        return StoreUnavailable(f"The S3 server answers {status} {code or 'without a code'} to {what}.")
    if key and (code in _GONE_CODES or (method == "HEAD" and status == 404)):
        return BlobMissing(key)
    if status == 404 and not code and method != "HEAD":
        # A page of something between: it says nothing about what is stored.
        return Unbelieved(method, answer, "no code of S3")
    if not code and method == "HEAD":
        code = "NoSuchBucket" if status == 404 else ""
    return Refused(status, code or _NAMES.get(status, ""), what, _region(answer))


def _region(answer: Answer) -> str:
    found = re.search(rb"<Region>\s*([\w-]{1,64})\s*</Region>", answer.body[:65536])
    region = found.group(1).decode() if found else answer.header("x-amz-bucket-region")
    return f"It is in region={region}." if re.fullmatch(r"[\w-]{1,64}", region) else ""


@dataclass(frozen=True, slots=True)
class Version:
    """One of the versions that a bucket keeps of an object, or the mark of a deletion."""

    key: str
    id: str
    size_bytes: int
    is_latest: bool
    is_marker: bool


class Listing:
    """A page of a list."""

    def __init__(self, answer: Answer, root: str) -> None:
        try:
            self._tree = ElementTree.fromstring(answer.body)
        except ElementTree.ParseError:
            raise Unbelieved("GET", answer, "no list in it") from None
        if _local(self._tree.tag) != root:
            raise Unbelieved("GET", answer, f"no {root} in it")
        self._is_encoded = self.text("EncodingType") == "url"
        self.is_truncated = self.text("IsTruncated") == "true"

    def text(self, name: str) -> str:
        return self._tree.findtext(f"{{*}}{name}", "") or ""

    def key_text(self, name: str) -> str:
        """A key of the page's own, as the next request must say it."""
        return self._key(self.text(name))

    def objects(self) -> Iterator[tuple[str, int]]:
        for found in self._tree.findall("{*}Contents"):
            key = self._key(found.findtext("{*}Key", ""))
            if not key.endswith("/"):  # what some servers show for a folder
                yield key, int(found.findtext("{*}Size", "0") or 0)

    def versions(self) -> Iterator[Version]:
        for found in self._tree:
            kind = _local(found.tag)
            if kind in ("Version", "DeleteMarker"):
                yield Version(
                    self._key(found.findtext("{*}Key", "")),
                    found.findtext("{*}VersionId", "") or "null",
                    int(found.findtext("{*}Size", "0") or 0),
                    found.findtext("{*}IsLatest", "") == "true",
                    kind == "DeleteMarker",
                )

    def _key(self, text: str) -> str:
        return unquote_plus(text) if self._is_encoded else text


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
