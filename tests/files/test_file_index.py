"""The index of files that were saved: it knows what is unchanged, never what may have changed, and fails in silence."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from support.file_index import SETTLED_SECONDS, cut_of, lay, recall, remember, rows
from xpstore._files import index as file_index
from xpstore._files.index import FileIndex
from xpstore._machine import file_status
from xpstore.format.tree import Cut


def test_unchanged_file_is_known(folder: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, empty = lay(tmp_path / os.fsdecode(b"\xff \n'"), b"other"), lay(tmp_path / "empty", b"")
    big = Cut(os.urandom(32), [(os.urandom(32), (1 << 20) - number) for number in range(4096)])
    assert recall(folder, file) is None
    assert not folder.exists()  # who only asks leaves nothing
    remember(folder, file, empty)
    FileIndex(folder).put([(other, other.stat(), big)])
    stats = [(path, path.stat()) for path in (other, tmp_path / "x", file, empty, file) if path.exists()]
    assert FileIndex(folder).get(stats) == [big, cut_of(file), Cut(blake3().digest(), []), cut_of(file)]
    monkeypatch.chdir(tmp_path)
    assert recall(Path("cache"), Path("file")) == cut_of(file)
    assert FileIndex(folder).get([]) == []


def test_changed_file_is_not_known(folder: Path, file: Path) -> None:
    remember(folder, file)
    file.write_bytes(b"other")
    assert recall(folder, file) is None
    time.sleep(SETTLED_SECONDS)
    remember(folder, file)
    assert recall(folder, file) == cut_of(file)
    assert rows(folder) == 1


def test_file_that_changed_just_now_is_not_remembered(folder: Path, file: Path) -> None:
    for data in (b"1st", b"2nd"):
        file.write_bytes(data)
        remember(folder, file)
    assert recall(folder, file) is None
    # However long the reading takes: what counts is that it began too soon.
    file.write_bytes(b"3rd")
    index, status, cut = FileIndex(folder), file.stat(), cut_of(file)
    time.sleep(SETTLED_SECONDS)
    index.put([(file, status, cut)])
    assert recall(folder, file) is None
    remember(folder, file)
    assert recall(folder, file) == cut


def test_file_with_whole_seconds_is_trusted_later(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(file, ns=(0, int(time.time() - 1_000) * 1_000_000_000))
    time.sleep(SETTLED_SECONDS)
    remember(folder, file)
    assert recall(folder, file) is None
    monkeypatch.setattr(file_status, "COARSE_TICK_NS", file_status.TICK_NS)
    remember(folder, file)
    assert recall(folder, file) == cut_of(file)


def test_file_from_the_future_is_not_remembered(folder: Path, file: Path) -> None:
    os.utime(file, ns=(0, time.time_ns() + 3_600_000_000_001))
    time.sleep(SETTLED_SECONDS)
    remember(folder, file)
    assert recall(folder, file) is None


def test_restored_time_does_not_hide_a_change(folder: Path, file: Path) -> None:
    remember(folder, file)
    status = file.stat()
    file.write_bytes(b"other")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_mtime_ns, file.stat().st_size) == (status.st_mtime_ns, status.st_size)
    assert recall(folder, file) is None


def test_replaced_file_is_not_known(folder: Path, file: Path, tmp_path: Path) -> None:
    remember(folder, file)
    status = file.stat()
    other = tmp_path / "other"
    other.write_bytes(b"other")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(file)
    assert recall(folder, file) is None


@pytest.mark.parametrize(
    "field", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"], ids=lambda field: field[3:]
)
def test_every_field_of_the_stat_counts(field: str, folder: Path, file: Path) -> None:
    remember(folder, file)
    fields = ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"]
    status = file.stat()

    class Stat:
        """As `os.stat_result`, one of whose fields is another."""

    changed = Stat()
    for name in fields:
        setattr(changed, name, getattr(status, name) + (name == field))
    assert FileIndex(folder).get([(file, changed)]) == [None]  # type: ignore[list-item]


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zeros_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5_000:9_000] = bytes(4_000)
    path.write_bytes(data)


def nothing(path: Path) -> None:
    os.truncate(path, 0)


def other_table(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE file (a); PRAGMA user_version = 1")
    connection.close()


def older_version(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE file (a); PRAGMA user_version = 1000")
    connection.close()


@pytest.mark.parametrize("spoil", [garbage, half, zeros_in_the_middle, nothing, other_table, older_version])
def test_damaged_index_is_begun_anew(spoil: Callable[[Path], None], folder: Path, file: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"file {number}" for number in range(500)]
    for path in files:
        path.write_bytes(path.name.encode())
    time.sleep(SETTLED_SECONDS)
    remember(folder, *files)
    spoil(folder / "files.db")
    known = FileIndex(folder).get([(path, path.stat()) for path in files])
    assert all(cut in (None, cut_of(path)) for path, cut in zip(files, known, strict=True))
    for _ in range(2):  # damage may be noticed only by the second
        remember(folder, file)
    assert recall(folder, file) == cut_of(file)


def test_damaged_entry_is_not_believed(folder: Path, file: Path) -> None:
    for change in ("digest = zeroblob(32)", "chunks = zeroblob(36)", "chunks = x''", "seal = x''"):
        remember(folder, file)
        connection = sqlite3.connect(folder / "files.db")
        connection.execute(f"UPDATE file SET {change}")
        connection.commit()
        connection.close()
        assert recall(folder, file) is None


def test_locked_index_is_passed_over(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(file_index, "USE_SECONDS", -1)
    remember(folder, file)
    connection = sqlite3.connect(folder / "files.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    remember(folder, file)
    assert recall(folder, file) == cut_of(file)  # a reader does not wait
    assert time.monotonic() - started < 2
    connection.close()


def test_folder_is_the_first_of_three(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"HOME": tmp_path / "home", "XDG_CACHE_HOME": tmp_path / "xdg", "XPSTORE_CACHE": tmp_path / "own"}
    folders = [tmp_path / "home" / ".cache" / "xpstore", tmp_path / "xdg" / "xpstore", tmp_path / "own"]
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    for (name, value), folder in zip(variables.items(), folders, strict=True):
        monkeypatch.setenv(name, str(value))
        index = FileIndex.open_default()
        index.put([(file, file.stat(), cut_of(file))])
        assert [path.name for path in folder.iterdir()] == ["files.db"]


def fill(folder: Path, file: Path, count: int, chunks: int = 1) -> None:
    """Remembers files that need not be there."""
    status, digest = file.stat(), bytes(32)
    FileIndex(folder).put(
        (Path(f"/made/up/{os.urandom(8).hex()}"), status, Cut(digest, [(digest, 1)] * chunks)) for _ in range(count)
    )


def test_rows_are_bounded_and_the_longest_unused_go(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "MAX_ROWS", 1_000)
    monkeypatch.setattr(file_index, "BATCH_ROWS", 100)
    monkeypatch.setattr(file_index, "USE_SECONDS", -1)
    remember(folder, file)
    for _ in range(20):
        fill(folder, file, 100)
        connection = sqlite3.connect(folder / "files.db")
        connection.execute("UPDATE file SET used_at = used_at - 1")  # as if time went by
        connection.commit()
        connection.close()
        assert recall(folder, file) == cut_of(file)
        assert rows(folder) <= 1_000
    fill(folder, file, 5_000)
    assert 800 <= rows(folder) <= 1_000


def test_bytes_are_bounded(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "MAX_BYTES", 4 << 20)
    for _ in range(10):
        fill(folder, file, 2_000)
        fill(folder, file, 10, chunks=2_000)
        assert sum(path.stat().st_size for path in folder.iterdir()) < 8 << 20
    assert rows(folder) > 2_000
    fill(folder, file, 1, chunks=100_000)  # alone it is most of the bound
    assert rows(folder) > 2_000


def test_use_is_noted_once_a_day(folder: Path, file: Path) -> None:
    remember(folder, file)
    connection = sqlite3.connect(folder / "files.db", isolation_level=None)

    def used_at() -> int:
        return int(connection.execute("SELECT used_at FROM file").fetchone()[0])

    now = used_at()
    for age, is_noted in ((10, False), (80_000, False), (90_000, True)):
        connection.execute("UPDATE file SET used_at = ?", [now - age])
        assert recall(folder, file) == cut_of(file)
        assert (used_at() >= now) == is_noted
    connection.close()


def test_twenty_thousand_files_are_quick(folder: Path, file: Path) -> None:
    status, digest = file.stat(), bytes(32)
    entries = [(Path(f"/made/up/file-{number}"), status, Cut(digest, [(digest, 1)])) for number in range(20_000)]
    started = time.process_time()  # not the clock on the wall: other programs may be running
    FileIndex(folder).put(entries)
    stored = time.process_time()
    known = FileIndex(folder).get([(path, status) for path, _, _ in entries])
    found = time.process_time()
    assert known == [cut for _, _, cut in entries]
    # Several times what a quiet machine needs.
    assert stored - started < 1.0 and found - stored < 1.0
