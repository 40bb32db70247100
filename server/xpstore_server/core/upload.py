"""The state of one UploadFile: a row that says how far the durable bytes reach, and which stream may go on."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select, update

from xpstore_server.core import limits, project
from xpstore_server.core.errors import AlreadyExists, NotFound, Stale
from xpstore_server.core.manifest import Entry
from xpstore_server.store.tables import upload, upload_part
from xpstore_server.store.transaction import Transaction

_CHUNK = struct.Struct("<32sI")
# Chunks in one manifest entry: at 36 bytes each, half a page.
ENTRY_CHUNKS = 12_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream's hold on an upload; `offset` is how much was durable when it took it."""

    id: str
    project_uid: str
    epoch: int
    offset: int


def open_stream(
    tx: Transaction, principal: str, *, upload_id: str, project_uid: str, header_hash: bytes, offset: int
) -> Opened | str:
    """Takes an upload over from whoever held it; returns the id of its version if it is finished."""
    project.get(tx, project_uid=project_uid)
    now = tx.now_us()
    tx.execute(delete(upload).where(upload.c.id == upload_id, upload.c.expires_at_us <= now))
    row = {
        "id": upload_id,
        "project_uid": project_uid,
        "principal": principal,
        "header_hash": header_hash,
        "epoch": 0,
        "offset": 0,
        "expires_at_us": now + limits.UPLOAD_EXPIRES_AFTER_US,
    }
    tx.insert_ignore(upload, row)
    found = tx.execute(select(upload).where(upload.c.id == upload_id).with_for_update()).one()
    if (found.principal, found.project_uid) != (principal, project_uid):
        raise AlreadyExists("upload", "upload_id", upload_id, "Make a fresh id for every upload.")
    if found.header_hash != header_hash:
        hint = "Its header was another one: send the same, or make a fresh id."
        raise AlreadyExists("upload", "upload_id", upload_id, hint)
    if found.result_version_id is not None:
        return str(found.result_version_id)
    if offset > found.offset:
        raise Stale(f"Of the upload {found.offset} bytes are durable, not {offset}. Go on from there.", found.offset)
    tx.execute(update(upload).where(upload.c.id == upload_id).values(epoch=found.epoch + 1))
    return Opened(upload_id, project_uid, found.epoch + 1, found.offset)


def get(tx: Transaction, principal: str, upload_id: str) -> Row[Any]:
    """Returns an upload of this caller that has not expired."""
    mine = select(upload).where(upload.c.id == upload_id, upload.c.principal == principal)
    row = tx.first(mine.where(upload.c.expires_at_us > tx.now_us()), {})
    if row is None:
        raise NotFound("upload", upload_id)
    return row


def advance(tx: Transaction, opened: Opened, offset: int, chunks: Sequence[tuple[bytes, int]]) -> None:
    """Says that the chunks of a stretch that starts at `offset` are durable."""
    end = offset + sum(size for _, size in chunks)
    _held(tx, opened, offset, offset=end)
    packed = b"".join(_CHUNK.pack(digest, size) for digest, size in chunks)
    tx.insert(upload_part, {"upload_id": opened.id, "offset": offset, "chunks": packed})


def finish(tx: Transaction, opened: Opened, offset: int, version_id: str) -> None:
    """Keeps the result, for those who ask again, and drops the rest."""
    _held(tx, opened, offset, result_version_id=version_id)
    tx.execute(delete(upload_part).where(upload_part.c.upload_id == opened.id))


def restart(tx: Transaction, opened: Opened, offset: int) -> None:
    """Puts an upload back to its start."""
    _held(tx, opened, offset, offset=0)
    tx.execute(delete(upload_part).where(upload_part.c.upload_id == opened.id))


def parts(tx: Transaction, opened: Opened) -> list[tuple[int, list[tuple[bytes, int]]]]:
    """Each durable stretch: its offset, and digest and size of its chunks."""
    mine = select(upload.c.id).where(upload.c.id == opened.id, upload.c.epoch == opened.epoch)
    if tx.execute(mine).first() is None:
        raise _lost(tx, opened)
    rows = tx.execute(select(upload_part).where(upload_part.c.upload_id == opened.id).order_by(upload_part.c.offset))
    return [(row.offset, list(_CHUNK.iter_unpack(row.chunks))) for row in rows]


def entries(
    path: str, size_bytes: int, digest: bytes, parts: Iterable[tuple[int, list[tuple[bytes, int]]]]
) -> Iterator[Entry]:
    """Yields the file as manifest entries of bounded size."""
    offset = 0
    pending: list[tuple[bytes, int]] = []

    def entry() -> Entry:
        digests, sizes = zip(*pending, strict=True) if pending else ((), ())
        return Entry(path, False, False, size_bytes, digest, offset, tuple(digests), tuple(sizes))

    for _, chunks in parts:
        pending.extend(chunks)
        if len(pending) >= ENTRY_CHUNKS:
            yield entry()
            offset += sum(size for _, size in pending)
            pending = []
    if pending or offset == 0:
        yield entry()


def _held(tx: Transaction, opened: Opened, expected_offset: int, **values: Any) -> None:
    mine = update(upload).where(
        upload.c.id == opened.id, upload.c.epoch == opened.epoch, upload.c.offset == expected_offset
    )
    if tx.execute(mine.values(**values)).rowcount != 1:
        raise _lost(tx, opened)


def _lost(tx: Transaction, opened: Opened) -> Stale:
    at = tx.execute(select(upload.c.offset).where(upload.c.id == opened.id)).scalar() or 0
    return Stale("Another stream of this upload took over.", at)
