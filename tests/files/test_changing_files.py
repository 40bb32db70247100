"""Files that change while they are saved, and paths that mean another folder by then."""

import itertools
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import xpstore
from support.homes import Home
from xpstore._artifacts import contents as module
from xpstore._files import download
from xpstore._files.index import FileIndex
from xpstore._files.scan import Source
from xpstore._files.upload import Uploader
from xpstore._machine.settings import cache_folder, home_folder, spool_folder
from xpstore.artifact import DirectoryArtifact, stage
from xpstore.errors import InvalidArgument
from xpstore.format.tree import Cut

pytestmark = pytest.mark.client

LARGE = 17 << 20  # more than one window


def contents(artifact: DirectoryArtifact) -> dict[str, bytes]:
    return {file.path: artifact.open(file.path).read() for file in artifact.files()}


@pytest.fixture(params=["save", "stage", "commit later"])
def save(request: pytest.FixtureRequest, project: xpstore.Project) -> Callable[[Path], DirectoryArtifact]:
    ways: dict[str, Callable[[Path], DirectoryArtifact]] = {
        "save": lambda path: DirectoryArtifact.save(path, "files"),
        "stage": lambda path: DirectoryArtifact.commit([stage(path)], "files"),
        "commit later": lambda path: DirectoryArtifact.save(path, "files", wait=False).result(60),
    }
    return ways[request.param]


@contextmanager
def after_reading(monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[int], object]) -> Iterator[list[str]]:
    """Has something happen each time that a file was read; yields what was read."""
    read, add = list[str](), Uploader.add

    def changing(self: Uploader, source: Source) -> Cut:
        cut = add(self, source)
        read.append(source.path)
        if source.path == name:
            change(read.count(name))
        return cut

    with monkeypatch.context() as patch:
        patch.setattr(Uploader, "add", changing)
        yield read


@pytest.mark.parametrize("size", [100, LARGE])
@pytest.mark.parametrize("how", ["replaced", "appended", "truncated", "in place", "made executable"])
def test_a_file_that_changed_is_read_again(
    how: str, size: int, save: Callable[[Path], DirectoryArtifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, before, after = tmp_path / "f", os.urandom(size), os.urandom(size)
    file.write_bytes(before)

    def change(count: int) -> None:
        if count > 1:
            return
        if how == "replaced":
            (tmp_path / "new").write_bytes(after)
            (tmp_path / "new").replace(file)
        elif how == "made executable":
            file.chmod(0o755)
        elif how == "truncated":
            os.truncate(file, size // 2)
        else:
            with open(file, "ab" if how == "appended" else "r+b") as opened:
                opened.write(after)

    with after_reading(monkeypatch, "f", change) as read:
        saved = save(file)
    assert (contents(saved), saved.files()[0].executable) == ({"f": file.read_bytes()}, how == "made executable")
    assert read == ["f", "f"]


def test_files_of_a_folder_are_of_one_moment(
    save: Callable[[Path], DirectoryArtifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was read, then a writer writes both: not the old one beside the new one."""
    names = ("1", "2", "3")

    def write(text: bytes) -> None:
        for name in names:
            (tmp_path / name).write_bytes(text)

    write(b"old")
    with after_reading(monkeypatch, "1", lambda count: write(b"new") if count == 1 else None):
        assert contents(save(tmp_path)) == dict.fromkeys(names, b"new")


def test_a_file_that_is_known_may_change_too(
    tmp_path: Path, project: xpstore.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read at all, as the index knows how it was cut; its change shows all the same."""
    for name in "ab":
        (tmp_path / name).write_bytes(b"old")
    threading.Event().wait(0.2)  # from then on a change leaves a trace
    assert contents(DirectoryArtifact.save(tmp_path, "files")) == {"a": b"old", "b": b"old"}
    (tmp_path / "b").write_bytes(b"new")
    with after_reading(monkeypatch, "b", lambda count: (tmp_path / "a").write_bytes(b"new")) as read:
        assert contents(DirectoryArtifact.save(tmp_path, "files")) == {"a": b"new", "b": b"new"}
    assert read == ["b", "a"]
    assert all(FileIndex.open_default().get([(tmp_path / name, (tmp_path / name).stat())]) for name in "ab")


def test_a_file_that_changes_each_time_is_refused_by_name(
    save: Callable[[Path], DirectoryArtifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(b"0")
    (tmp_path / "other").write_bytes(b"other")
    with (
        after_reading(monkeypatch, "log.txt", lambda count: file.write_bytes(b"%d" % count)) as read,
        pytest.raises(InvalidArgument, match=r"log\.txt': changes while it is read; save a copy"),
    ):
        save(tmp_path)
    assert read == ["log.txt", "other", "log.txt", "log.txt"]
    with pytest.raises(xpstore.errors.NotFound):
        DirectoryArtifact.get_by_name("files")


def test_a_file_that_is_written_again_and_again_with_the_same_bytes_is_saved(
    save: Callable[[Path], DirectoryArtifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"data")
    with after_reading(monkeypatch, "f", lambda _: file.write_bytes(b"data")) as read:
        assert contents(save(tmp_path)) == {"f": b"data"}
    assert read == ["f", "f"]


def test_a_file_that_goes_away_is_refused_by_name(
    save: Callable[[Path], DirectoryArtifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"data")
    with after_reading(monkeypatch, "b", lambda _: (tmp_path / "a").unlink()), pytest.raises(InvalidArgument) as caught:
        save(tmp_path)
    assert f"{str(tmp_path / 'a')!r}: cannot be read (No such file or directory)" in str(caught.value)


def test_a_writer_that_never_rests_leaves_no_mixture(project: xpstore.Project, tmp_path: Path) -> None:
    """It writes a file in place, from its first byte to its last, as fast as it can: all of one kind, or refused."""
    file, is_done, saved = tmp_path / "f", threading.Event(), 0
    file.write_bytes(bytes(300_000))

    def write() -> None:
        with open(file, "r+b", buffering=0) as opened:
            for letter in itertools.cycle(range(256)):
                if is_done.is_set():
                    return
                opened.seek(0)
                for _ in range(30):
                    opened.write(bytes([letter]) * 10_000)
                if letter % 4 == 0:
                    is_done.wait(0.05)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(write)
        try:
            for _ in range(30):
                try:
                    data = DirectoryArtifact.save(file, "files").open().read()
                except InvalidArgument as error:
                    assert "changes while it is read" in str(error)
                else:
                    saved += 1
                    assert len(set(data)) == 1
        finally:
            is_done.set()
    assert saved


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "f").write_text(folder.name)
    monkeypatch.chdir(here)
    return here, there


def test_relative_paths_are_of_the_folder_of_the_call(
    project: xpstore.Project, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved in the background; the program goes on in a folder that has other files of the same names, and none."""
    saves = [
        DirectoryArtifact.save(path, f"{number}", wait=False)
        for number, path in enumerate(("data", Path("data/f"), Path("data/../data"), ".", Path()))
        for _ in range(3)
    ]
    monkeypatch.chdir(folders[1])
    found = [contents(each.result(60)) for each in saves]
    assert found == [{"f": b"here"}] * 9 + [{"data/f": b"here"}] * 6


def test_a_folder_that_is_gone_is_refused(
    project: xpstore.Project, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        with pytest.raises(InvalidArgument, match="source = 'data': cannot be read"):
            DirectoryArtifact.save("data", "files")
    finally:
        os.chdir(tmp_path)


def test_downloads_go_to_the_folder_of_the_call(
    project: xpstore.Project, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = DirectoryArtifact.save("data", "files")
    read = download.read_manifest

    def reading(*arguments: object) -> object:
        os.chdir(folders[1])
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_manifest", reading)
    assert saved.download("out") == Path("out")
    assert (folders[0] / "out" / "f").read_text() == "here" and not (folders[1] / "out").exists()


def test_options_are_those_of_the_call(project: xpstore.Project, tmp_path: Path) -> None:
    """What is changed or used up afterwards changes nothing."""
    file = tmp_path / "f"
    file.write_bytes(os.urandom(100_000))
    first = DirectoryArtifact.save(b"first", "first")
    metadata, aliases, used = {"deep": {"n": [1]}}, ["one"], [first]
    saves = [
        DirectoryArtifact.save(
            file, f"of {number}", wait=False, metadata=metadata, aliases=given, used=used, description="then"
        )
        for number, given in enumerate((aliases, (alias for alias in ("one",)), {"one": 1}, iter(aliases)))
    ]
    metadata["deep"]["n"].append(2)
    aliases.append("two")
    used.clear()
    with xpstore.Project(f"other {secrets.token_hex(6)}"):
        for each in saves:
            saved = each.result(60)
            assert (saved.metadata, saved.aliases, saved.used) == ({"deep": {"n": [1]}}, ["one"], [first])
            assert (saved.project, saved.description) == (project, "then")


PROGRAM = """
import os, sys
import xpstore
from xpstore._machine.settings import cache_folder, spool_folder
from xpstore._service.embedded import home
from xpstore.artifact import DirectoryArtifact

os.chdir(sys.argv[1])
xpstore.init()
with xpstore.Project("p") as project:
    os.chdir("/")
    project.experiment("e").model("m").metrics.log("loss", 1.0)
    DirectoryArtifact.save(b"data", "a")
os.chdir(sys.argv[1])
print(cache_folder(), spool_folder(), home(), sep="\\n")
print(os.listdir("."), os.environ["XPSTORE_HOME"] == str(home()))
"""


@pytest.mark.parametrize("name", ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"])
def test_relative_folders_of_xdg_do_not_count(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As their specification says. They would be others after the next `chdir`."""
    for setting in ("XPSTORE_HOME", "XPSTORE_CACHE", "XPSTORE_SPOOL"):
        monkeypatch.delenv(setting, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = {"XDG_DATA_HOME": home_folder, "XDG_STATE_HOME": spool_folder, "XDG_CACHE_HOME": cache_folder}[name]
    default = {"XDG_DATA_HOME": ".local/share/xpstore", "XDG_STATE_HOME": ".local/state/xpstore/spool"}
    for value in ("relative", "./relative", ""):
        monkeypatch.setenv(name, value)
        assert found() == tmp_path / default.get(name, ".cache/xpstore")
    monkeypatch.setenv(name, "~/there")
    assert str(found()).startswith(f"{tmp_path}/there/xpstore")
    monkeypatch.setenv("HOME", ".")
    monkeypatch.delenv(name)
    if name == "XDG_CACHE_HOME":
        assert found() is None
    else:
        with pytest.raises(InvalidArgument, match="has no home folder: set XPSTORE_"):
            found()


def test_relative_folders_of_the_environment_are_of_where_the_program_started(tmp_path: Path) -> None:
    start, other = tmp_path / "start", tmp_path / "other"
    start.mkdir()
    other.mkdir()
    with Home(start / "home") as home:
        environment = {**home.environment, "PYTHONPATH": ":".join(filter(None, sys.path))}
        environment |= {"XPSTORE_HOME": "home", "XPSTORE_CACHE": "cache", "XPSTORE_SPOOL": "./spool"}
        command = [sys.executable, "-c", PROGRAM, str(other)]
        done = subprocess.run(command, cwd=start, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [*(str(start / name) for name in ("cache", "spool", "home")), "[] True"], (
        done.stderr
    )
