"""Packs that clients write into the folder of their server: taken whole or not at all, whoever dies in the middle."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from support.backends import Backend, sqlite_url
from support.raw import digest_of
from support.stores import HOUR_US, Store
from xpstore.format.packs import PackedChunk, encode_footer
from xpstore_server.core import limits
from xpstore_server.store import tables
from xpstore_server.store.blobs.disk import DiskBlobs
from xpstore_server.store.encoded import NONE, EncodedChunk
from xpstore_server.store.errors import StoreFull
from xpstore_server.store.packs import pack_key
from xpstore_server.store.sweep import Grace
from xpstore_server.store.transfers.announced import (
    OPEN_BYTES,
    OPEN_PACKS,
    NewPack,
    PackTaken,
    TooManyOpen,
    TooMuchOpen,
)
from xpstore_server.store.transfers.client_packs import PACK_CHUNKS

PIECES = [os.urandom(size) for size in (1 << 20, 5, 70_000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def disk(tmp_path: Path, folder: Path) -> Store:
    return Store(Backend(name="own", database_url=sqlite_url(tmp_path / "x.db"), blob_url=folder.as_uri()))


def placed(pieces: list[bytes] = PIECES, **changes: int) -> list[PackedChunk]:
    found, offset = [], changes.get("offset", 0)
    for piece in pieces:
        size = len(piece) + changes.get("size", 0)
        found.append(PackedChunk(digest_of(piece), changes.get("codec", NONE), offset, size, len(piece)))
        offset += len(piece) + changes.get("gap", 0)
    return found


def lay_down(disk: Store, pack_id: str, data: bytes | None = None) -> Path:
    """What a client does between the two calls."""
    (spot,) = disk.client_packs.open(disk.pool, "me", [NewPack(pack_id, 2 << 20, 0)], 60) or []
    Path(spot.path).write_bytes(b"".join([*PIECES, encode_footer(disk.pool, placed())]) if data is None else data)
    return Path(spot.path)


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_pack_is_there_when_it_is_closed_and_not_before(disk: Store, folder: Path) -> None:
    pack_id, digests = str(uuid.uuid4()), [digest_of(piece) for piece in PIECES]
    lay_down(disk, pack_id)
    assert disk.chunks.missing(disk.pool, digests) == set(digests)
    assert disk.client_packs.close(disk.pool, "me", pack_id)
    assert disk.chunks.missing(disk.pool, digests) == set()
    assert list(map(bytes, disk.chunks.read(disk.pool, digests))) == PIECES
    assert disk.client_packs.close(disk.pool, "me", pack_id), "once more"
    assert left(folder) == [pack_id]
    version = disk.commit(*PIECES)
    assert disk.sweep() == (0, 0) and disk.digest(version)


@pytest.mark.parametrize("is_written", [False, True])
def test_a_client_that_dies_leaves_nothing(disk: Store, folder: Path, is_written: bool) -> None:
    pack_id = str(uuid.uuid4())
    path = lay_down(disk, pack_id)
    if not is_written:
        path.unlink()
    assert disk.sweep(Grace()) == (0, 0) and len(left(folder)) == is_written
    assert disk.sweep()[1] == 1
    assert left(folder) == [] and disk.count(tables.pack_pending) == 0
    assert not disk.client_packs.close(disk.pool, "me", pack_id), "too late"


def test_a_server_that_dies_while_it_takes_one_goes_on(disk: Store) -> None:
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id)
    disk.blobs.adopt(pack_key(disk.pool, pack_id), 0)  # and before the database knows
    assert disk.client_packs.close(disk.pool, "me", pack_id)
    assert list(map(bytes, disk.chunks.read(disk.pool, [digest_of(PIECES[0])]))) == PIECES[:1]


def other_project(disk: Store) -> bytes:
    return b"".join([*PIECES, encode_footer(str(uuid.uuid4()), placed())])


@pytest.mark.parametrize(
    "make",
    [
        lambda disk: b"",
        lambda disk: os.urandom(1_000),
        lambda disk: b"".join(PIECES),
        other_project,
        lambda disk: b"".join([*PIECES, encode_footer(disk.pool, placed(gap=1))]),
        lambda disk: b"".join([*PIECES, encode_footer(disk.pool, placed(offset=1))]),
        lambda disk: b"".join([*PIECES, encode_footer(disk.pool, placed(codec=9))]),
        lambda disk: b"".join([*PIECES, encode_footer(disk.pool, placed(size=1))]),
        lambda disk: b"".join([*PIECES[:-1], encode_footer(disk.pool, placed())]),
        lambda disk: b"".join([b"more", *PIECES, encode_footer(disk.pool, placed())]),
        lambda disk: encode_footer(disk.pool, []),
        lambda disk: os.urandom(2 << 20) + encode_footer(disk.pool, placed([bytes(2 << 20)])),
        lambda disk: bytes(PACK_CHUNKS + 1) + encode_footer(disk.pool, placed([b"1"] * (PACK_CHUNKS + 1))),
    ],
)
def test_what_is_no_pack_is_not_taken(disk: Store, folder: Path, make: Callable[[Store], bytes]) -> None:
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id, make(disk))
    assert not disk.client_packs.close(disk.pool, "me", pack_id)
    assert not disk.client_packs.close(disk.pool, "me", pack_id), "once more"
    assert disk.count(tables.pack) == 0 and disk.count(tables.chunk) == 0
    assert disk.sweep() == (0, 1) and left(folder) == [] and disk.count(tables.pack_pending) == 0


def test_links_and_pipes_are_not_followed(disk: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"".join([*PIECES, encode_footer(disk.pool, placed())]))
    for make in (lambda path: path.symlink_to(tmp_path / "elsewhere"), os.mkfifo, os.mkdir):
        pack_id = str(uuid.uuid4())
        path = lay_down(disk, pack_id)
        path.unlink()
        make(path)
        assert not disk.client_packs.close(disk.pool, "me", pack_id)
    assert (tmp_path / "elsewhere").stat().st_size > 1 << 20


def test_a_pack_of_the_most_chunks_is_taken(disk: Store) -> None:
    assert PACK_CHUNKS == limits.DIGESTS
    pieces = [number.to_bytes(2, "big") for number in range(PACK_CHUNKS)]
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id, b"".join([*pieces, encode_footer(disk.pool, placed(pieces))]))
    assert disk.client_packs.close(disk.pool, "me", pack_id) and disk.count(tables.chunk) == PACK_CHUNKS


def test_no_pack_is_opened_on_a_full_disk(folder: Path) -> None:
    with pytest.raises(StoreFull, match="disk full"):
        DiskBlobs(folder, kept_mib=1 << 30).inlet("packs/a/b/c", 1, 0, 60)


def test_what_is_closed_is_not_opened_again(disk: Store) -> None:
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id)
    assert lay_down(disk, pack_id), "a repeated call"
    assert disk.client_packs.close(disk.pool, "me", pack_id)
    with pytest.raises(PackTaken, match=pack_id):
        lay_down(disk, pack_id)


def test_an_announcement_that_comes_too_late_takes_nothing(disk: Store) -> None:
    """One call waited so long that the same call, repeated, was answered, and the pack was written and closed."""
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id)
    assert disk.client_packs.close(disk.pool, "me", pack_id)
    version = disk.commit(*PIECES)
    late = {"id": pack_id, "pool": disk.pool, "state": "writing", "created_at_us": 1, "principal": "me"}
    disk.database.write(lambda tx: tx.insert(tables.pack_pending, late))
    assert disk.client_packs.close(disk.pool, "me", pack_id)
    assert disk.sweep() == (0, 0) and disk.digest(version)
    assert disk.count(tables.pack_pending) == 0


def test_a_pack_that_two_calls_close_is_there(disk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id)
    adopt = disk.blobs.adopt

    def after_the_other(key: str, size_bytes: int) -> int:
        monkeypatch.undo()
        assert disk.client_packs.close(disk.pool, "me", pack_id)
        return adopt(key, size_bytes)

    monkeypatch.setattr(disk.blobs, "adopt", after_the_other)
    assert disk.client_packs.close(disk.pool, "me", pack_id)
    assert disk.sweep() == (1, 1), "nothing needs it, and it was there until now"


def test_ids_of_others_are_not_taken(disk: Store) -> None:
    pack_id = str(uuid.uuid4())
    new = [NewPack(pack_id, 1_000, 0)]
    disk.client_packs.open(disk.pool, "me", new, 60)
    for pool, who, size in ((str(uuid.uuid4()), "me", 1_000), (disk.pool, "you", 1_000), (disk.pool, "me", 1_001)):
        with pytest.raises(PackTaken):
            disk.client_packs.open(pool, who, [NewPack(pack_id, size, 0)], 60)
    disk.chunks.write_pack(disk.pool, [EncodedChunk(digest_of(b"1"), NONE, 1, b"1")])
    (live,) = disk.database.read(lambda tx: tx.execute(select(tables.pack.c.id)).scalars().all())
    with pytest.raises(PackTaken):
        disk.client_packs.open(disk.pool, "me", [NewPack(live, 1_000, 0)], 60)


def test_each_has_so_many_open(disk: Store) -> None:
    def opened(who: str, count: int, size: int) -> list[str]:
        new = [NewPack(str(uuid.uuid4()), size, 0) for _ in range(count)]
        disk.client_packs.open(disk.pool, who, new, 60)
        return [one.id for one in new]

    ids = opened("me", OPEN_PACKS, 10)
    with pytest.raises(TooManyOpen):
        opened("me", 1, 10)
    disk.client_packs.open(disk.pool, "me", [NewPack(ids[0], 10, 0)], 60)
    opened("you", 16, OPEN_BYTES // 16)
    with pytest.raises(TooMuchOpen):
        opened("you", 1, 1)
    disk.age(tables.pack_pending, "created_at_us", 2 * HOUR_US)
    disk.sweep(Grace())
    opened("me", OPEN_PACKS, 10)


def test_an_index_made_anew_believes_no_client(disk: Store, folder: Path) -> None:
    """The bytes of a pack that was never closed lie in the bucket, and no database knows of them any more."""
    true, lie = str(uuid.uuid4()), str(uuid.uuid4())
    lay_down(disk, true)
    assert disk.client_packs.close(disk.pool, "me", true)
    wrong = b"".join([os.urandom(len(piece)) for piece in PIECES])
    lay_down(disk, lie, wrong + encode_footer(disk.pool, placed()))
    disk.blobs.adopt(pack_key(disk.pool, lie), 0)
    for lost in (tables.chunk, tables.pack, tables.pack_pending):
        disk.database.write(lambda tx, lost=lost: tx.execute(delete(lost)).rowcount)  # type: ignore[misc]
    told = list[str]()
    rebuilt = disk.index_builder.run(told.append)
    assert (rebuilt.added_packs, rebuilt.damaged_objects) == (1, 1) and lie in told[0]
    assert list(map(bytes, disk.chunks.read(disk.pool, [digest_of(piece) for piece in PIECES]))) == PIECES
