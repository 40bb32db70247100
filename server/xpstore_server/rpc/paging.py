"""Page tokens: opaque, bound to the list, its filters and its order, and signed: nobody else can make one."""

import base64
import hmac
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message

from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.paging import Key, Page
from xpstore_server.store.secrets import PAGE_TOKEN, Secrets

# Of this process; read before it serves, and every minute.
SECRETS = Secrets(PAGE_TOKEN)
_MAC_BYTES = 16
# A search may be ordered by eight texts of up to 1,024 characters each.
_TOKEN_LENGTH = 1 << 17


M = TypeVar("M", bound=Message)


def fitting(rows: Iterable[tuple[Any, M]], key: Key | None, *names: str) -> tuple[list[M], Key | None]:
    """Cuts a page whose rows have more hanging on them than a message takes. At least one is left.

    Args:
        rows: the page, each with the message it makes; read no further than it fits.
        key: where the next page begins if nothing is cut.
        names: the columns of the key.
    """
    some, size, last = list[M](), 0, None
    for row, message in rows:
        size += message.ByteSize()
        if some and size > limits.PAGE_BYTES:
            return some, tuple(getattr(last, name) for name in names)
        some.append(message)
        last = row
    return some, key


class Pager:
    """One list with its filters: reads the request's page and writes the next token."""

    def __init__(self, what: str, *filters: Any, descending: bool = False) -> None:
        self._identity = json.dumps([what, *filters, descending]).encode()
        self._descending = descending

    def page(self, page_size: int, page_token: str, max_size: int = limits.PAGE_SIZE_MAX) -> Page:
        if page_size < 0:
            raise InvalidArgument("page_size", page_size, "must not be negative")
        size = min(page_size or limits.PAGE_SIZE, max_size)
        return Page(size, self._key(page_token) if page_token else None, self._descending)

    def token(self, key: Key | None) -> str:
        if key is None:
            return ""
        body = json.dumps(list(key), ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(self._mac(SECRETS.signing(), body) + body).decode().rstrip("=")

    def _key(self, token: str) -> Key:
        fix = "must be the next_page_token of the page before, with the same filters"
        try:
            padded = token[:_TOKEN_LENGTH] + "=" * (-len(token[:_TOKEN_LENGTH]) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except ValueError:
            raise InvalidArgument("page_token", token, fix) from None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, self._mac(secret, body)) for secret in SECRETS.believed()):
            raise InvalidArgument("page_token", token, fix)
        return tuple(json.loads(body))  # it was written here: its values have the types of the list's keys

    def _mac(self, secret: bytes, body: bytes) -> bytes:
        return hmac.digest(secret, self._identity + body, "sha256")[:_MAC_BYTES]
