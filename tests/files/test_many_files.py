"""Many small files: what a client has of each in memory, in which order they are found, and how they travel."""

import gc
import itertools
import os
import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import xpstore
from xpstore._files import download, partial, upload
from xpstore._files import scan as module
from xpstore._files.publish import publish
from xpstore._files.scan import Source, scan
from xpstore._files.upload import Uploader
from xpstore._machine.file_status import Status
from xpstore.artifact import DirectoryArtifact
from xpstore.format.tree import Cut
from xpstore.v1 import artifact_pb2 as pb

pytestmark = pytest.mark.client

# What the client imports when it first needs it is here before anything is measured.
assert sqlite3 and zstandard

FEW, MANY = 400, 800


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way at a time reaches its bound with a few hundred files."""
    for name, value in {"WINDOW_BYTES": 4 << 10, "MESSAGE_BYTES": 4 << 10, "BATCH_BYTES": 64 << 10}.items():
        monkeypatch.setattr(upload, name, value)
    monkeypatch.setattr(upload, "REMEMBERED", 100)
    monkeypatch.setattr(download, "WINDOW_CHUNKS", 50)
    monkeypatch.setattr(partial, "READ_BYTES", 4 << 10)
    monkeypatch.setattr("xpstore.format.tree.PAGE_BYTES", 8 << 10)
    for name in ("index", "publish"):
        monkeypatch.setattr(f"xpstore._files.{name}.BATCH_ROWS", 100)


def lay_out(folder: Path, count: int) -> Path:
    """Each file has other bytes, and every second one a folder of its own."""
    for number in range(count):
        path = folder / (f"{number:05}/file" if number % 2 else f"{number:05}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%20d" % number)
    return folder


def peak_bytes(act: Callable[[], object]) -> int:
    """The most that Python had in memory at a time while something was done, beyond what it had before."""
    gc.collect()
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small_windows")
def test_a_file_of_many_takes_some_hundred_bytes_of_memory(project: xpstore.Project, tmp_path: Path) -> None:
    """Of a million files that is less than 1 GiB. The paths here have about ten characters."""
    numbers, peaks = itertools.count(), dict[int, dict[str, int]]()
    acts: dict[str, Callable[[], object]] = {
        "save": lambda: DirectoryArtifact.save(tmp_path / "source", "files", reread=True),
        "save again": lambda: DirectoryArtifact.save(tmp_path / "source", "files"),
        "files": lambda: DirectoryArtifact.get_by_name("files").files(),
        "download": lambda: DirectoryArtifact.get_by_name("files").download(tmp_path / f"{next(numbers)}"),
    }
    for count in (FEW, MANY):
        lay_out(tmp_path / "source", count)
        # The less of two: meanwhile Python's table of names may have grown, which is not the client's.
        peaks[count] = {what: min(peak_bytes(act), peak_bytes(act)) for what, act in acts.items()}
    each = {what: (peaks[MANY][what] - peaks[FEW][what]) / (MANY - FEW) for what in peaks[FEW]}
    bounds = {"save": 400, "save again": 400, "files": 450, "download": 40}
    assert all(each[what] < bound for what, bound in bounds.items()), each


def save_while_all_change(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> DirectoryArtifact:
    """When the last file is read for the first time, each gets other bytes of the same size."""
    files, add = scan(folder), Uploader.add
    is_last = itertools.count(1)

    def changing(self: Uploader, source: Source) -> Cut:
        cut = add(self, source)
        if next(is_last) == len(files):
            for path in files.paths:
                (folder / path).write_bytes((folder / path).read_bytes()[::-1])
        return cut

    with monkeypatch.context() as patch:
        patch.setattr(Uploader, "add", changing)
        return DirectoryArtifact.save(folder, name)


@pytest.mark.parametrize("inode_bits", [32, 128])
def test_all_files_may_change_while_they_are_read(
    inode_bits: int, project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inodes of 128 bits do not fit into what is packed: ReFS has them."""
    kept = module._kept

    def widened(status: os.stat_result) -> Status:
        return kept(status)._replace(st_ino=1 << 100)

    if inode_bits == 128:
        monkeypatch.setattr(module, "_kept", widened)
    folder = lay_out(tmp_path / "source", 20)
    (folder / "00003" / "file").chmod(0o755)
    saved = save_while_all_change(folder, "files", monkeypatch)
    saved.download(tmp_path / "target")
    for number in range(20):
        path = f"{number:05}/file" if number % 2 else f"{number:05}"
        assert (tmp_path / "target" / path).read_bytes() == (b"%20d" % number)[::-1]
    assert [file.path for file in saved.files() if file.executable] == ["00003/file"]


def test_what_is_found_is_in_the_order_of_its_paths(tmp_path: Path) -> None:
    """A folder is where the paths in it are, an empty one where its own is: not the same place among its neighbours."""
    letters = ["a", "-", ".", "0", "~", "\u00e9", "\U0001f600"]
    names = [*letters, *(f"a{letter}" for letter in letters), *(f"a-{letter}" for letter in letters)]
    expected = []
    for number, name in enumerate(names):
        if name == ".":
            continue
        path = tmp_path / name
        if number % 3 == 0:
            path.write_bytes(b"")
        elif number % 3 == 1:
            path.mkdir()
        else:
            (path / "a").mkdir(parents=True)
            (path / "a-").write_bytes(b"")
            (path / "a" / "x").write_bytes(b"")
    for path in tmp_path.rglob("*"):
        if path.is_file() or not any(path.iterdir()):
            expected.append(path.relative_to(tmp_path).as_posix())
    assert scan(tmp_path).paths == sorted(expected, key=str.encode)
    assert len(expected) > 25


def test_messages_of_tiny_files_are_no_larger_than_others(
    project: xpstore.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What names a chunk takes more than its three bytes: 120,000 of them were a message that no server takes."""
    stream, sizes = Uploader._stream, list[int]()

    def noting(self: Uploader, messages: list[bytes]) -> None:
        sizes.extend(map(len, messages))
        stream(self, messages)

    monkeypatch.setattr(Uploader, "_stream", noting)
    monkeypatch.setattr(upload, "MESSAGE_BYTES", 64 << 10)
    monkeypatch.setattr("xpstore.format.tree.PAGE_BYTES", 8 << 10)
    count = 3_000
    sources = [Source(f"{number:05}", number.to_bytes(3, "big"), 3) for number in range(count)]
    draft = pb.ArtifactDraft(name="tiny", type="directory")
    version, entries = publish(project._client, project.uid, draft, sources)
    assert version.file_count == len(list(entries)) == count
    # What comes before all of them is the project's id.
    assert max(sizes) < upload.MESSAGE_BYTES + 200 and sum(sizes) > count * 48
