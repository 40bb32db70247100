"""API keys. Only their hashes are stored: a key has 256 random bits, so a plain SHA-256 cannot be searched."""

import base64
import hashlib
import os
import zlib
from itertools import pairwise
from typing import Any

from sqlalchemy import Row, select, update

from xpstore_server.core.errors import AlreadyExists, NotFound
from xpstore_server.store.ids import new_id
from xpstore_server.store.tables import api_key
from xpstore_server.store.transaction import Transaction

ADMIN = "admin"
PREFIX = "xps_"
# A key that a server made: 43 characters have its 256 bits, 6 check them, so that a mistyped one is told without a
# look-up. Keys of the first release have no check characters.
RANDOM_LENGTH, CHECK_LENGTH = 43, 6
LENGTH = len(PREFIX) + RANDOM_LENGTH + CHECK_LENGTH
FIRST_LENGTH = len(PREFIX) + RANDOM_LENGTH
# Of a key that an admin made: as few bits as that, should each character be a random hexadecimal digit, are 160.
LEAST_LENGTH = 40
LEAST_VARIETY = 10
# What the first release took from a key file.
SHORTEST, LONGEST = 16, 4096


def new_key() -> str:
    """A fresh API key."""
    key = PREFIX + _text(os.urandom(32))
    return key + _check(key)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _check(key: str) -> str:
    return _text(zlib.crc32(key.encode()).to_bytes(4, "big"))


def is_possible(key: str) -> bool:
    """Whether this can be a key by its form."""
    if not SHORTEST <= len(key) < LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        return False
    if len(key) == LENGTH and key.startswith(PREFIX):
        return _check(key[:-CHECK_LENGTH]) == key[-CHECK_LENGTH:]
    return True


def is_strong(key: str) -> bool:
    """Whether a possible key is as hard to guess as one that a server makes, as far as its form tells."""
    if key.startswith(PREFIX) and len(key) in (LENGTH, FIRST_LENGTH):
        key = key[len(PREFIX) :]
    elif len(key) < LEAST_LENGTH:
        return False
    is_repeated = key in (key + key)[1:-1]
    steps = {ord(after) - ord(before) for before, after in pairwise(key)}
    return not is_repeated and min(len({*key}), len(steps)) >= LEAST_VARIETY


def key_hash(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def find(tx: Transaction, hash_: bytes) -> str | None:
    """The name of a key by its hash, None if unknown or revoked."""
    live = select(api_key.c.name).where(api_key.c.hash == hash_, api_key.c.revoked_at_us.is_(None))
    return tx.execute(live).scalar()


def live(tx: Transaction, most: int) -> dict[bytes, str]:
    """The names of keys that are not revoked by their hashes, the newest ones."""
    newest = select(api_key.c.hash, api_key.c.name).where(api_key.c.revoked_at_us.is_(None))
    rows = tx.execute(newest.order_by(api_key.c.created_at_us.desc()).limit(most))
    return {bytes(row.hash): row.name for row in rows}


def create(tx: Transaction, name: str) -> str:
    """Makes a key and returns it, the only time it is seen."""
    key = new_key()
    if tx.insert_ignore(api_key, _row(tx, name, key)) == 0:
        raise AlreadyExists("API key", "name", name, "Revoked keys keep their names.")
    return key


def list_all(tx: Transaction) -> list[Row[Any]]:
    """All keys, oldest first; their hashes stay here."""
    columns = (api_key.c.name, api_key.c.created_at_us, api_key.c.revoked_at_us)
    return list(tx.execute(select(*columns).order_by(api_key.c.created_at_us)).all())


def revoke(tx: Transaction, name: str) -> None:
    """Makes a key worthless."""
    revoked = update(api_key).where(api_key.c.name == name, api_key.c.revoked_at_us.is_(None))
    if tx.execute(revoked.values(revoked_at_us=tx.now_us())).rowcount == 0:
        raise NotFound("API key", name)


def ensure_admin(tx: Transaction, key: str | None) -> tuple[str | None, bool]:
    """Makes `key` the admin's, or makes one if there is none yet.

    Returns:
        The key it made, and whether the admin had another one, which is refused from now on.
    """
    made = key or new_key()
    if tx.insert_ignore(api_key, _row(tx, ADMIN, made)) == 1:
        return (None if key else made), False
    if not key:
        return None, False
    admin = update(api_key).where(api_key.c.name == ADMIN)
    changed = tx.execute(admin.where(api_key.c.hash != key_hash(key)).values(hash=key_hash(key))).rowcount
    tx.execute(admin.values(revoked_at_us=None))
    return None, changed > 0


def _row(tx: Transaction, name: str, key: str) -> dict[str, Any]:
    id_ = new_id()
    return {"id": id_, "name": name, "hash": key_hash(key), "created_at_us": tx.now_us()}
