"""Sessions of browsers: each acts as the API key that it was begun with, until it ends or that key is refused.

Of what the browser keeps, its token with 256 random bits, only the SHA-256 is stored. So it is of the key, and not the
key's id: the admin's key of a file may be replaced by another one, and its row stays.

A token is signed: so those that strangers make up cost no look-up, and whoever has a session is not refused because of
strangers behind the same address.
"""

import base64
import hmac
import os
from typing import Any

from sqlalchemy import Row, delete, select, update

from xpstore_server.core.access import key_hash
from xpstore_server.store.tables import session
from xpstore_server.store.transaction import Transaction

HOUR_US = 3_600_000_000
IDLE_US = 12 * HOUR_US
LONGEST_US = 7 * 24 * HOUR_US
# How much of the time without use may pass before it is written down that there was some.
RENEWED_US = HOUR_US // 4
# Of one key; with one more the oldest goes.
MOST = 100
BATCH = 1_000
RANDOM_BYTES, SIGNATURE_BYTES = 32, 16
LENGTH = 64  # of a token: base64 of them


def new_token(secret: bytes) -> str:
    """A fresh token, signed with a secret of the server."""
    random = os.urandom(RANDOM_BYTES)
    return base64.urlsafe_b64encode(random + _signature(secret, random)).decode()


def is_possible(token: str, secrets: list[bytes]) -> bool:
    """Whether a token was signed with one of the secrets."""
    if len(token) != LENGTH:
        return False
    try:
        data = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return False
    random, signature = data[:RANDOM_BYTES], data[RANDOM_BYTES:]
    return any(hmac.compare_digest(_signature(secret, random), signature) for secret in secrets)


def _signature(secret: bytes, random: bytes) -> bytes:
    return hmac.digest(secret, b"session " + random, "sha256")[:SIGNATURE_BYTES]


def begin(tx: Transaction, key: bytes, token: str) -> None:
    """Begins a session of the key with this hash."""
    now = tx.now_us()
    of_key = session.c.key_hash == key
    kept = select(session.c.hash).where(of_key).order_by(session.c.created_at_us.desc()).limit(MOST - 1)
    tx.execute(delete(session).where(of_key, session.c.hash.not_in(kept)))
    times = {"created_at_us": now, "ends_at_us": now + IDLE_US}
    tx.insert(session, {"hash": key_hash(token), "key_hash": key, **times})


def find(tx: Transaction, hash_: bytes) -> tuple[bytes, int, bool] | None:
    """Of a session that has not ended: the hash of its key, how many microseconds are left, whether to `renew` it."""
    row: Row[Any] | None = tx.execute(select(session).where(session.c.hash == hash_)).first()
    now = tx.now_us()
    if row is None or row.ends_at_us <= now:
        return None
    is_due = _end(row.created_at_us, now) - row.ends_at_us >= RENEWED_US
    return bytes(row.key_hash), row.ends_at_us - now, is_due


def renew(tx: Transaction, hash_: bytes) -> None:
    """Notes that a session is used, so that it goes on."""
    now = tx.now_us()
    created = tx.execute(select(session.c.created_at_us).where(session.c.hash == hash_)).scalar()
    if created is not None:
        # Never earlier: two that note it at once may come in either order.
        used = update(session).where(session.c.hash == hash_, session.c.ends_at_us.between(now, _end(created, now)))
        tx.execute(used.values(ends_at_us=_end(created, now)))


def _end(created_us: int, now_us: int) -> int:
    return min(now_us + IDLE_US, created_us + LONGEST_US)


def end(tx: Transaction, hash_: bytes) -> None:
    """Ends a session, if there is one."""
    tx.execute(delete(session).where(session.c.hash == hash_))


def forget(tx: Transaction, now_us: int) -> int:
    """Removes some sessions that have ended."""
    some = select(session.c.hash).where(session.c.ends_at_us <= now_us).limit(BATCH)
    return tx.execute(delete(session).where(session.c.hash.in_(some))).rowcount
