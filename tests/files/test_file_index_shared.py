"""The index of files among users and processes: private, passed over where it cannot be, shared by many."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.file_index import SETTLED_SECONDS, cut_of, lay, recall, remember
from support.services import NOBODY
from xpstore._files.index import FileIndex
from xpstore.format.tree import Cut


def as_nobody(function: Callable[[], None]) -> int:
    """Runs a function in a child that is not root, for whom no mode is an obstacle; returns its exit status."""
    child = os.fork()
    if not child:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can write to: those of tests let nobody but their owner in."""
    folder = Path(tempfile.mkdtemp(prefix="xpindex-", dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def test_read_only_folder_is_passed_over(open_folder: Path) -> None:
    file = lay(open_folder / "file", b"first")

    def use() -> None:
        for folder in (open_folder / "sealed", open_folder / "sealed" / "below"):
            remember(folder, file)
            assert recall(folder, file) is None

    (open_folder / "sealed").mkdir(mode=0o500)
    if os.geteuid() == 0:
        os.chown(open_folder / "sealed", NOBODY, NOBODY)
    assert as_nobody(use) == 0
    assert list((open_folder / "sealed").iterdir()) == []


def test_index_that_became_read_only_still_answers_or_says_nothing(open_folder: Path) -> None:
    file = lay(open_folder / "file", b"first")
    folder = open_folder / "cache"

    def use() -> None:
        remember(folder, file)
        assert recall(folder, file) == cut_of(file)
        folder.chmod(0o500)
        (folder / "files.db").chmod(0o400)
        try:
            remember(folder, file)
            assert recall(folder, file) in (None, cut_of(file))
        finally:
            folder.chmod(0o700)

    assert as_nobody(use) == 0


def test_place_that_cannot_be_is_passed_over(file: Path, tmp_path: Path) -> None:
    (tmp_path / "files.db").mkdir()
    for folder in (file, file / "below", Path("/proc/nothing"), tmp_path):
        remember(folder, file)
        assert recall(folder, file) is None


def test_user_without_a_home_has_no_index(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    index = FileIndex.open_default()
    index.put([(file, file.stat(), cut_of(file))])
    assert index.get([(file, file.stat())]) == [None]


def test_index_is_private(folder: Path, file: Path) -> None:
    umask = os.umask(0)
    try:
        remember(folder, file)
    finally:
        os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "files.db").stat().st_mode & 0o777 == 0o600


def test_index_that_others_can_write_to_is_not_used(folder: Path, file: Path) -> None:
    remember(folder, file)
    for path, mode in ((folder, 0o777), (folder / "files.db", 0o620)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert recall(folder, file) is None
        remember(folder, file)
        path.chmod(before)
        assert recall(folder, file) == cut_of(file)


PROGRAM = """
import sys
from pathlib import Path
from support.file_index import cut_of, recall, remember
folder, *paths = map(Path, sys.argv[1:])
for _ in range(20):
    for path in paths:
        remember(folder, path)
        assert recall(folder, path) in (None, cut_of(path)), path  # on a busy disk it may know nothing for once
"""


def test_two_processes_share_it(folder: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}" for number in range(20)]
    for path in paths:
        path.write_bytes(path.name.encode())
    time.sleep(SETTLED_SECONDS)
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    halves = (paths[:12], paths[8:])
    programs = [subprocess.Popen([*command, *map(str, half)], env=environment) for half in halves]
    assert [program.wait(60) for program in programs] == [0, 0]
    assert FileIndex(folder).get([(path, path.stat()) for path in paths]) == [cut_of(path) for path in paths]


def test_threads_share_it(folder: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}" for number in range(40)]
    for path in paths:
        path.write_bytes(path.name.encode())
    time.sleep(SETTLED_SECONDS)
    index = FileIndex(folder)

    def use(path: Path) -> list[Cut | None]:
        index.put([(path, path.stat(), cut_of(path))])
        return index.get([(path, path.stat())])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, paths)) == [[cut_of(path)] for path in paths]


def test_child_of_a_fork_uses_it_too(folder: Path, file: Path, tmp_path: Path) -> None:
    """Forked while other threads are in the middle of it."""
    other, end = lay(tmp_path / "other", b"other"), threading.Event()
    index = FileIndex(folder)

    def use() -> None:
        while not end.is_set():
            index.put([(file, file.stat(), cut_of(file))])

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if not child:
                status = 1
                try:
                    for _ in range(20):  # what cannot be written for a while is left out
                        index.put([(other, other.stat(), cut_of(other))])
                        if index.get([(other, other.stat())]) == [cut_of(other)]:
                            status = 0
                            break
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert recall(folder, file) == cut_of(file)
    assert recall(folder, other) == cut_of(other)
