"""Blobs on disk: whole or not there, of any size, on file systems with and without a way around the page cache."""

import os
from pathlib import Path

import pytest

from xpstore.format.pack_files import BLOCK_BYTES, BUFFER_BYTES, DIRECT_FROM_BYTES, PackBuffer, PackWriter
from xpstore_server.store.blobs.disk import DiskBlobs
from xpstore_server.store.errors import StoreUnavailable

SIZES = [
    0,
    1,
    DIRECT_FROM_BYTES - 1,
    DIRECT_FROM_BYTES,
    DIRECT_FROM_BYTES + 1,
    BUFFER_BYTES,
    BUFFER_BYTES + BLOCK_BYTES,
    3 * BUFFER_BYTES + 777,
]
SHARED_MEMORY = Path("/dev/shm")


@pytest.mark.parametrize("size", SIZES)
def test_an_object_has_exactly_the_bytes_put(size: int, tmp_path: Path) -> None:
    blobs, data = DiskBlobs(tmp_path), os.urandom(size)
    blobs.put("packs/a/b", [data[: size // 3], memoryview(data)[size // 3 :]])
    assert list(blobs.list("")) == [("packs/a/b", size)]
    assert blobs.get("packs/a/b", 0, size + 1) == data
    assert blobs.get("packs/a/b", size // 2, 10) == data[size // 2 : size // 2 + 10]


@pytest.mark.parametrize("folder", ["disk", "memory"])
def test_packs_go_as_they_were_put_together(folder: str, tmp_path: Path) -> None:
    if folder == "memory" and not SHARED_MEMORY.is_dir():
        pytest.skip("no file system in memory")
    path = tmp_path / "pack" if folder == "disk" else SHARED_MEMORY / f"xpstore-{os.urandom(8).hex()}"
    writer, pack = PackWriter(), PackBuffer(SIZES[-1])
    try:
        for size in SIZES:
            data = os.urandom(size)
            views = [pack.add(data[: size // 3]), pack.add(memoryview(data)[size // 3 :])]
            writer.write_buffer(path, pack)
            assert path.read_bytes() == data == b"".join(views)
            pack.clear()
    finally:
        path.unlink(missing_ok=True)


def test_a_draft_that_a_crash_left_is_written_over(tmp_path: Path) -> None:
    blobs, data = DiskBlobs(tmp_path), os.urandom(DIRECT_FROM_BYTES + 5)
    (tmp_path / ".key").write_bytes(os.urandom(4 * BUFFER_BYTES))
    blobs.put("key", [data])
    assert (tmp_path / "key").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no file system in memory")
def test_file_systems_in_memory_serve_too() -> None:
    folder = SHARED_MEMORY / f"xpstore-{os.urandom(8).hex()}"
    blobs, data = DiskBlobs(folder), os.urandom(2 * DIRECT_FROM_BYTES + 5)
    try:
        for key in ("one", "two"):
            blobs.put(key, [data])
            assert blobs.get(key, 0, len(data)) == data
    finally:
        for key in ("one", "two"):
            blobs.delete(key)
        folder.rmdir()


def test_a_folder_in_the_way_is_told_and_leaves_no_draft(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    (tmp_path / "key").mkdir()
    with pytest.raises(StoreUnavailable, match="Is a directory"):
        blobs.put("key", [os.urandom(DIRECT_FROM_BYTES)])
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
