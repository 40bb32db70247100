"""API keys. Only their hashes are stored: a key has 256 random bits, so a plain SHA-256 cannot be searched."""

import base64
import hashlib
import os
from typing import Any

from sqlalchemy import Row, select, update

from xpstore_server.core.errors import AlreadyExists, NotFound
from xpstore_server.store.ids import new_id
from xpstore_server.store.tables import api_key
from xpstore_server.store.transaction import Transaction

ADMIN = "admin"
PREFIX = "xps_"


def new_key() -> str:
    """A fresh API key."""
    return PREFIX + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def key_hash(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def find(tx: Transaction, hash_: bytes) -> str | None:
    """The name of a key by its hash, None if unknown or revoked."""
    live = select(api_key.c.name).where(api_key.c.hash == hash_, api_key.c.revoked_at_us.is_(None))
    return tx.execute(live).scalar()


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


def ensure_admin(tx: Transaction, key: str | None) -> str | None:
    """Makes `key` the admin's, or makes one if there is none yet. Returns the key it made."""
    made = key or new_key()
    if tx.insert_ignore(api_key, _row(tx, ADMIN, made)) == 1:
        return None if key else made
    if key:
        admin = update(api_key).where(api_key.c.name == ADMIN)
        tx.execute(admin.values(hash=key_hash(key), revoked_at_us=None))
    return None


def _row(tx: Transaction, name: str, key: str) -> dict[str, Any]:
    id_ = new_id()
    return {"id": id_, "name": name, "hash": key_hash(key), "created_at_us": tx.now_us()}
