"""A full disk: what writes is refused at once and says why, what frees goes on, and nothing that was logged is lost."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpstore
from support.operation.operating import ServerInside, SmallDisk, assert_one_line, run
from support.raw import MIB
from xpstore import errors
from xpstore.artifact import DirectoryArtifact
from xpstore_server.door import interceptor
from xpstore_server.store.blobs.disk import DiskBlobs
from xpstore_server.store.errors import StoreFull, StoreRefused, StoreUnavailable
from xpstore_server.store.room import Disk, Measured, Reserve, Room, translated

# A refusal is told within a second; a busy machine may take more, the client's time-out is 30 s.
SOON_SECONDS = 10.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", "size=40m") as disk:
        yield disk


@pytest.fixture
def server(disk: SmallDisk, tmp_path: Path) -> Iterator[ServerInside]:
    with ServerInside(disk, tmp_path) as server:
        yield server


@pytest.fixture
def client(server: ServerInside) -> Iterator[xpstore.Client]:
    client = xpstore.Client(server.api_key, server.address)
    yield client
    client.close()


def save(folder: Path, size: int, name: str) -> DirectoryArtifact:
    file = folder / name
    file.write_bytes(os.urandom(size))
    return DirectoryArtifact.save(file, name)


def reserved(disk: SmallDisk) -> int:
    """How much is kept for a deletion."""
    return (disk.seen / "data" / "xpstore.db.reserve").stat().st_size


def same(saved: DirectoryArtifact, folder: Path) -> bool:
    """Whether it can be read as it was."""
    return (saved.download(folder / "back") / saved.name).read_bytes() == (folder / saved.name).read_bytes()


def refused(folder: Path, size: int) -> errors.ResourceExhausted:
    """What a save is told, soon."""
    began = time.monotonic()
    with pytest.raises(errors.ResourceExhausted, match="disk full") as caught:
        save(folder, size, f"too large {size}")
    assert time.monotonic() - began < SOON_SECONDS
    assert caught.value.metadata["limit"] == "disk" and caught.value.reason == "RESOURCE_EXHAUSTED"
    return caught.value


def until(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_disk_that_saves_filled_is_emptied(
    client: xpstore.Client, server: ServerInside, disk: SmallDisk, tmp_path: Path
) -> None:
    with client.project("p") as project:
        kept = save(tmp_path, 4 * MIB, "kept")
        large = save(tmp_path, 12 * MIB, "large")
        refused(tmp_path, 60 * MIB)
        assert disk.free_bytes >= 5 * MIB, "an eighth stays free"
        assert project.experiment("small things still fit").name
        large.delete()
        assert server.command("gc", "--now").returncode == 0
        assert disk.free_bytes > 25 * MIB
        save(tmp_path, 10 * MIB, "again")
        assert same(kept, tmp_path)
    assert server.command("gc", "--now", "--verify-bucket").returncode == 0


def test_disk_that_another_program_filled_is_emptied(
    client: xpstore.Client, server: ServerInside, disk: SmallDisk, tmp_path: Path
) -> None:
    """At 0 bytes free: reads, deletions and both kinds of `gc`; what was logged meanwhile arrives afterwards."""
    with client.project("p") as project:
        model = project.experiment("e").model("m")
        gone, kept = save(tmp_path, 8 * MIB, "gone"), save(tmp_path, MIB, "kept")
        assert reserved(disk) > 0
        filler = disk.fill()
        assert disk.free_bytes == 0
        until(lambda: "nothing is written but deletions" in server.log.read_text())
        refused(tmp_path, MIB)
        with pytest.raises(errors.ResourceExhausted, match="disk full"):
            project.experiment("another")
        for step in range(100):
            model.metrics.log("loss", step / 2, step=step)
        began = time.monotonic()
        with pytest.raises(errors.ResourceExhausted, match=r"disk full.*stays in"):
            client.flush()
        assert time.monotonic() - began < SOON_SECONDS
        assert same(kept, tmp_path)
        server.wait_ready()  # health says SERVING: else nobody would send it the deletions that empty it
        gone.delete()
        freed = server.command("gc", "--now")
        assert freed.returncode == 0, freed.stderr
        assert "purged versions" in freed.stdout and disk.free_bytes > 7 * MIB
        assert server.command("gc").returncode == 0
        filler.unlink()
        client.flush(60)
        assert model.metrics.read("loss").values.tolist() == [step / 2 for step in range(100)]
    until(lambda: reserved(disk) > 0)
    assert "Traceback" not in server.log.read_text()
    lines = [line for line in server.log.read_text().splitlines() if "nothing is written but deletions" in line]
    assert len(lines) == 2, "the database's disk and the bucket's, once each"


def test_server_starts_on_a_disk_without_a_byte_and_deletes(disk: SmallDisk, tmp_path: Path) -> None:
    with ServerInside(disk, tmp_path) as server:
        client = xpstore.Client(server.api_key, server.address)
        with client.project("p"):
            gone = save(tmp_path, 6 * MIB, "gone")
        assert reserved(disk) > 0
        server.kill()
        disk.fill()
        server.start()
        gone.delete()
        assert server.command("gc", "--now").returncode == 0
        assert disk.free_bytes > 5 * MIB
        client.close()


def test_model_with_pending_points_is_deleted_from_a_full_disk(
    client: xpstore.Client, disk: SmallDisk, server: ServerInside
) -> None:
    with client.project("p") as project:
        models = project.experiment("e").models
        gone, kept = models.create("gone"), models.create("kept")
        disk.fill()
        until(lambda: "nothing is written but deletions" in server.log.read_text())
        gone.metrics.log("loss", 1.0, step=0)
        models.delete(gone.id)
        with pytest.raises(errors.ResourceExhausted, match="disk full"):
            kept.metrics.clear()


def test_read_only_disk_is_one_line_at_start(disk: SmallDisk, tmp_path: Path) -> None:
    disk.remount("ro")
    data = {"XPSTORE_DATA_DIR": str(disk.folder / "data"), "XPSTORE_LISTEN": "127.0.0.1:0"}
    assert_one_line(run("serve", folder=tmp_path, inside=disk.inside, **data), "Read-only file system")


def test_disk_at_a_path_with_a_space_is_known_by_its_kind(tmp_path: Path) -> None:
    """SQLite is refused on network file systems."""
    code = (
        "import pathlib, sys; from xpstore_server.store.engines import file_system; "
        "print(file_system(pathlib.Path(sys.argv[1]) / 'below'))"
    )
    with SmallDisk(tmp_path / "a disk", "size=1m") as disk:
        command = [*disk.inside, sys.executable, "-c", code, str(disk.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "tmpfs\n", done.stderr


class Measure:
    """A disk of the test's making."""

    def __init__(self, total_bytes: int, free_bytes: int) -> None:
        self.found = Measured(total_bytes, free_bytes)

    def __call__(self, _folder: Path) -> Measured:
        return self.found


@pytest.mark.parametrize(
    ("total", "setting", "kept"),
    [(40 * MIB, None, 5 * MIB), (1 << 40, None, 64 * MIB), (1 << 40, 1000, 1000 * MIB), (40 * MIB, 0, 0)],
)
def test_what_stays_free_is_a_share_of_a_small_disk(total: int, setting: int | None, kept: int, tmp_path: Path) -> None:
    measure = Measure(total, kept)
    disk = Disk("it", tmp_path, setting, measure)
    assert disk.kept_bytes == kept and disk.has_room() and not disk.has_room(1)
    measure.found = Measured(total, kept - 1)
    assert not disk.has_room() or kept == 0


def test_packs_that_are_written_together_do_not_share_the_same_room(tmp_path: Path) -> None:
    disk = Disk("it", tmp_path, 1, Measure(100 * MIB, 20 * MIB))
    with disk.taken(10 * MIB):
        with (
            pytest.raises(StoreFull, match=r"it has 20\.0 MiB left, and 1\.0 MiB stay free"),
            disk.taken(10 * MIB),
        ):
            pass
        with disk.taken(9 * MIB):
            pass
    with disk.taken(19 * MIB):
        pass


def test_reserve_is_given_up_once_and_taken_again_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(bytes(6 * MIB))
    measure = Measure(1 << 30, 500 * MIB)
    reserve = Reserve(tmp_path / "db", Disk("it", tmp_path, None, measure))
    assert not reserve.give_up()
    reserve.take()
    assert reserve.held_bytes == 6 * MIB, "as much as the database has"
    assert reserve.give_up() and not reserve.give_up()
    measure.found = Measured(1 << 30, 69 * MIB)
    reserve.take()
    assert reserve.held_bytes == 0, "what it takes must not take what stays free"
    measure.found = Measured(1 << 30, 70 * MIB)
    reserve.take()
    assert reserve.held_bytes == 6 * MIB


def test_room_of_a_database_is_looked_at_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    room, measure = Room(tmp_path / "db", 10), Measure(100 * MIB, 50 * MIB)
    room.disks[0]._measure = measure
    for free, full in ((50, False), (9, True), (8, True), (11, False), (9, True)):
        measure.found = Measured(100 * MIB, free * MIB)
        room.look()
        assert bool(room.full) == full
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "nothing is written but deletions: disk full: the database's disk has 9.0 MiB left, and 10.0 MiB stay free "
        "for deletions.",
        "the database's disk has room again",
        "nothing is written but deletions: disk full: the database's disk has 9.0 MiB left, and 10.0 MiB stay free "
        "for deletions.",
    ]


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (errno.ENOSPC, StoreFull, "disk full"),
        (errno.EDQUOT, StoreFull, "disk full"),
        (errno.EROFS, StoreRefused, "EROFS"),
        (errno.EACCES, StoreRefused, "EACCES"),
        (errno.EMFILE, StoreUnavailable, "Too many open files"),
        (errno.EIO, StoreUnavailable, "Input/output error"),
    ],
)
def test_refusals_of_the_system_are_told_apart(number: int, kind: type[Exception], text: str) -> None:
    error = translated(OSError(number, os.strerror(number)), "The blob folder cannot be written")
    assert type(error) is kind and text in str(error)


def test_full_folder_refuses_packs_and_gives_them_back(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path, kept_mib=1 << 40)
    with pytest.raises(StoreFull, match="disk full: the bucket's disk"):
        blobs.put("packs/1", [b"x"])
    assert not any(tmp_path.iterdir())
    blobs.delete("packs/1")


@pytest.mark.parametrize("name", ["Ingest", "CreateModel", "UploadFile", "CommitArtifact", "SetArtifactAlias", "Other"])
def test_calls_that_add_need_room(name: str) -> None:
    assert not interceptor.NEEDS_NO_ROOM.match(f"/xpstore.v1.SomeService/{name}")


@pytest.mark.parametrize(
    "name", ["GetModel", "DeleteArtifactVersion", "UndeleteProject", "ReadChunks", "ClearMetrics", "FinishRun"]
)
def test_calls_that_read_or_take_away_need_none(name: str) -> None:
    assert interceptor.NEEDS_NO_ROOM.match(f"/xpstore.v1.SomeService/{name}")
