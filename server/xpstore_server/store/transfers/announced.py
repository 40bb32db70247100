"""Packs that clients have said they will write: rows of `pack_pending` with the principal whose client it is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, bindparam, func, select, update

from xpstore_server.store.errors import StoreError, StoreLimit, StoreRefused
from xpstore_server.store.tables import pack, pack_pending
from xpstore_server.store.transaction import Transaction

# Of one principal: what is not closed lies in the store for two hours.
OPEN_PACKS = 64
OPEN_BYTES = 1 << 30


# Made once: there are three calls for each pack.
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_KNOWN = select(pack_pending).where(pack_pending.c.id.in_(_IDS))
_TAKEN = select(pack.c.id).where(pack.c.id.in_(_IDS))
_OPEN = select(func.count().label("packs"), func.coalesce(func.sum(pack_pending.c.size_bytes), 0).label("bytes")).where(
    pack_pending.c.principal == bindparam("principal"), pack_pending.c.state == "writing"
)
_THIS = (
    pack_pending.c.id == bindparam("pack_id"),
    pack_pending.c.pool == bindparam("of_pool"),
    pack_pending.c.state == "writing",
)
_ANNOUNCED = select(pack_pending.c.size_bytes).where(*_THIS, pack_pending.c.principal.is_not(None))
_LIVE = select(pack.c.id).where(pack.c.id == bindparam("pack_id"), pack.c.pool == bindparam("of_pool"))
_REJECT = update(pack_pending).where(*_THIS).values(state="trash", created_at_us=bindparam("now_us"), size_bytes=0)


class NewPack(NamedTuple):
    """A pack that a client is about to write."""

    id: str
    size_bytes: int
    crc32: int


class PackTaken(StoreError):
    """An id that another pack has. The message is the id."""


class TooManyOpen(StoreLimit, StoreRefused):
    """A principal has announced as many packs as it may."""

    limit = "max_open_packs"


class TooMuchOpen(StoreLimit, StoreRefused):
    """A principal has announced as many bytes as it may."""

    limit = "max_open_bytes"


def announce(tx: Transaction, pool: str, principal: str, packs: Sequence[NewPack]) -> None:
    """Says that a client writes packs; those that it has announced before stay so.

    Raises:
        PackTaken: a pack of this id is there, or is announced otherwise.
        TooManyOpen, TooMuchOpen: the principal must close some first.
    """
    sizes = {one.id: one.size_bytes for one in packs}
    # What is announced first: it becomes a pack, and never the other way round.
    for row in tx.execute(_KNOWN, {"ids": list(sizes)}).all():
        if (row.pool, row.state, row.principal, row.size_bytes) != (pool, "writing", principal, sizes.pop(row.id)):
            raise PackTaken(row.id)
    # A row beside a live pack would have its bytes removed as what somebody began and left.
    if (taken := tx.execute(_TAKEN, {"ids": list(sizes)}).scalars().first()) is not None:
        raise PackTaken(taken)
    if not sizes:
        return
    now_open = tx.execute(_OPEN, {"principal": principal}).one()
    if now_open.packs + len(sizes) > OPEN_PACKS:
        raise TooManyOpen(f"At most {OPEN_PACKS} packs may be announced and not closed.", OPEN_PACKS)
    if int(now_open.bytes) + sum(sizes.values()) > OPEN_BYTES:
        raise TooMuchOpen(f"At most {OPEN_BYTES >> 20} MiB of packs may be announced and not closed.", OPEN_BYTES)
    new = {"pool": pool, "state": "writing", "created_at_us": tx.now_us(), "principal": principal}
    tx.insert_ignore(pack_pending, *({**new, "id": id_, "size_bytes": size} for id_, size in sizes.items()))


def announced_bytes(tx: Transaction, pool: str, pack_id: str) -> int | None:
    """For how many bytes a pack was announced that a client may have written by now; None: for none."""
    size: int | None = tx.execute(_ANNOUNCED, {"pack_id": pack_id, "of_pool": pool}).scalar()
    return size


def is_live(tx: Transaction, pool: str, pack_id: str) -> bool:
    """Whether a pool has a pack."""
    return tx.execute(_LIVE, {"pack_id": pack_id, "of_pool": pool}).first() is not None


def reject(tx: Transaction, pool: str, pack_id: str) -> int:
    """Leaves the bytes of an announced pack to the sweep: nothing will name them."""
    return tx.execute(_REJECT, {"pack_id": pack_id, "of_pool": pool, "now_us": tx.now_us()}).rowcount
