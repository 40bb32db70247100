"""Packs that clients write into the folder of their server: taken whole or not at all, whoever dies in the middle."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from support.backends import Backend, sqlite_url
from support.raw import digest_of
from support.stores import Store
from xpstore.format.packs import PackedChunk, encode_footer
from xpstore_server.store import tables
from xpstore_server.store.blobs.disk import DiskBlobs
from xpstore_server.store.chunks import NONE
from xpstore_server.store.errors import StoreFull
from xpstore_server.store.packs import pack_key
from xpstore_server.store.sweep import Grace

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
    spot = disk.chunks.open_pack(disk.pool, pack_id, 2 << 20)
    assert spot is not None
    Path(spot.path).write_bytes(b"".join([*PIECES, encode_footer(disk.pool, placed())]) if data is None else data)
    return Path(spot.path)


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_pack_is_there_when_it_is_closed_and_not_before(disk: Store, folder: Path) -> None:
    pack_id, digests = str(uuid.uuid4()), [digest_of(piece) for piece in PIECES]
    lay_down(disk, pack_id)
    assert disk.chunks.missing(disk.pool, digests) == set(digests)
    assert disk.chunks.close_pack(disk.pool, pack_id)
    assert disk.chunks.missing(disk.pool, digests) == set()
    assert list(map(bytes, disk.chunks.read(disk.pool, digests))) == PIECES
    assert disk.chunks.close_pack(disk.pool, pack_id), "once more"
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
    assert not disk.chunks.close_pack(disk.pool, pack_id), "too late"


def test_a_server_that_dies_while_it_takes_one_goes_on(disk: Store) -> None:
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id)
    disk.blobs.adopt(pack_key(disk.pool, pack_id))  # and before the database knows
    assert disk.chunks.close_pack(disk.pool, pack_id)
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
    ],
)
def test_what_is_no_pack_is_not_taken(disk: Store, folder: Path, make: Callable[[Store], bytes]) -> None:
    pack_id = str(uuid.uuid4())
    lay_down(disk, pack_id, make(disk))
    assert not disk.chunks.close_pack(disk.pool, pack_id)
    assert left(folder) == [] and disk.count(tables.pack) == 0 and disk.count(tables.chunk) == 0


def test_links_and_pipes_are_not_followed(disk: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"".join([*PIECES, encode_footer(disk.pool, placed())]))
    for make in (lambda path: path.symlink_to(tmp_path / "elsewhere"), os.mkfifo, os.mkdir):
        pack_id = str(uuid.uuid4())
        path = lay_down(disk, pack_id)
        path.unlink()
        make(path)
        assert not disk.chunks.close_pack(disk.pool, pack_id)
    assert (tmp_path / "elsewhere").stat().st_size > 1 << 20


def test_no_pack_is_opened_on_a_full_disk(folder: Path) -> None:
    with pytest.raises(StoreFull, match="disk full"):
        DiskBlobs(folder, kept_mib=1 << 30).inlet("packs/a/b/c", 1)
