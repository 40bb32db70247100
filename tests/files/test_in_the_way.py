"""What is in the way of a download on this machine: replaced, or refused by an error that names it and the cure."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from support.folders import lay, read
from support.hostility.hostile import KEY, HostileServer, count_asked
from support.raw import MIB
from xpstore import errors
from xpstore._files.folder import Folder, Habits, fault_on_windows


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server.hold({"x": b"file", "y/z": b"deep"})


def test_next_version_with_a_folder_where_a_file_was(server: HostileServer, tmp_path: Path) -> None:
    server.hold({"x": b"1", "keep": b"1"}).artifact().download(tmp_path)
    server.hold({"x/y": b"2", "x/z": None}).artifact().download(tmp_path)
    assert read(tmp_path) == {"x/y": b"2", "x/z": None, "keep": b"1"}


def test_next_version_with_a_file_where_a_folder_was(server: HostileServer, tmp_path: Path) -> None:
    server.hold({"x/y": b"1"}).artifact().download(tmp_path)
    server.hold({"x": b"2"})
    with pytest.raises(errors.InvalidArgument, match=r"x' is a folder with something in it.*remove it"):
        server.artifact().download(tmp_path)
    assert read(tmp_path) == {"x/y": b"1"}, "what is in a folder may be somebody's"
    (tmp_path / "x" / "y").unlink()
    server.artifact().download(tmp_path)
    assert read(tmp_path) == {"x": b"2"}


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def link_to_a_file(path: Path) -> None:
    path.with_name("theirs").write_bytes(b"theirs")
    path.symlink_to("theirs")


def file_that_nobody_may_write(path: Path) -> None:
    path.write_bytes(b"mine")
    path.chmod(0o400)


@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("spoil", [link_to_nothing, link_to_itself, link_to_a_file, file_that_nobody_may_write])
def test_files_and_links_are_replaced(
    spoil: Callable[[Path], None], name: str, server: HostileServer, tmp_path: Path
) -> None:
    spoil(tmp_path / name)
    server.artifact().download(tmp_path)
    assert {path: data for path, data in read(tmp_path).items() if path != "theirs"} == server.files
    assert not (tmp_path / name).is_symlink()
    if (tmp_path / "theirs").exists():
        assert (tmp_path / "theirs").read_bytes() == b"theirs"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.fspath(path))


@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("spoil", [pipe, listening])
def test_what_is_no_file_is_refused_by_name(
    spoil: Callable[[Path], None], name: str, server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    spoil(Path(name))
    with pytest.raises(errors.InvalidArgument, match=f"{name}' is a pipe, a socket or a device"):
        server.artifact().download(tmp_path)
    assert os.path.lexists(name)


@pytest.mark.parametrize("make", [link_to_nothing, link_to_itself, pipe, lambda path: path.write_bytes(b"")])
def test_folder_that_is_none_is_refused(make: Callable[[Path], None], server: HostileServer, tmp_path: Path) -> None:
    make(tmp_path / "target")
    with pytest.raises(errors.InvalidArgument, match="target"):
        server.artifact().download(tmp_path / "target")
    with pytest.raises(errors.InvalidArgument, match="target"):
        server.artifact().download(tmp_path / "target" / "below")


@pytest.mark.parametrize("path", ["n" * 300, "d" * 300 + "/x", "/".join(["d" * 250] * 16) + "/" + "x" * 79], ids=len)
def test_name_that_is_too_long_is_refused_before_it_is_fetched(
    path: str, server: HostileServer, tmp_path: Path
) -> None:
    asked = count_asked(server.hold({path: b"x" * MIB}))
    with pytest.raises(errors.InvalidArgument, match=r"too long.*choose a folder"):
        server.artifact().download(tmp_path)
    assert not asked and not list(tmp_path.rglob(".*"))


def test_folder_without_the_right_to_write(server: HostileServer, tmp_path: Path) -> None:
    target = lay(tmp_path / "target", {})
    target.chmod(0o500)
    if os.getuid() == 0:
        target = Path("/proc/self")  # where nobody writes
    with pytest.raises(errors.InvalidArgument, match=r"cannot be written.*folder"):
        server.artifact().download(target)


def test_files_that_are_there_need_no_right_to_write(server: HostileServer, tmp_path: Path) -> None:
    server.artifact().download(tmp_path)
    (tmp_path / "y").chmod(0o500)
    tmp_path.chmod(0o500)
    try:
        server.artifact().download(tmp_path)
    finally:
        tmp_path.chmod(0o700)


DOWNLOAD = """
import sys, os, support.hostility.hostile, xpstore
from pathlib import Path
from xpstore.artifact import DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb
client = xpstore.Client(support.hostility.hostile.KEY, sys.argv[1], timeout_seconds=30)
artifact = DirectoryArtifact._from_wire(pb.ArtifactVersion.FromString(bytes.fromhex(sys.argv[2])), client)
try:
    artifact.download(sys.argv[3])
except xpstore.errors.ResourceExhausted as error:
    print(error)
print(sorted(os.listdir(sys.argv[3])))
"""


def environment(**more: str) -> dict[str, str]:
    """That of a program which imports what tests share, wherever it is started."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


def test_full_disk_is_told_and_left_as_it_was(server: HostileServer, tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=20m none "$0" && exec "$@"'
    inside = ["unshare", "-rm", "sh", "-c", mounted, str(tmp_path)]
    if subprocess.run([*inside, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    server.hold({"one": os.urandom(12 * MIB), "two": os.urandom(12 * MIB)})
    version = server.version.SerializeToString().hex()
    program = [sys.executable, "-c", DOWNLOAD, server.address, version, str(tmp_path)]
    done = subprocess.run([*inside, *program], env=environment(), capture_output=True, text=True, timeout=60)
    told, there = done.stdout.splitlines()
    assert f"'{tmp_path}/two': No space left on device" in told and "make room" in told, done.stderr
    assert "the file has 12,582,912" in told
    assert there == "['one']"


def folder_with_something(path: Path) -> None:
    lay(path, {"theirs": b"theirs"})


@pytest.mark.parametrize("is_whole", [False, True], ids=["a file", "all files"])
@pytest.mark.parametrize(
    ("spoil", "kind", "told"),
    [
        (pipe, FileExistsError, "not replaced"),
        (listening, FileExistsError, "not replaced"),
        (folder_with_something, IsADirectoryError, "s a directory"),
    ],
)
def test_fsspec_names_what_is_in_its_way(
    spoil: Callable[[Path], None],
    kind: type[OSError],
    told: str,
    is_whole: bool,
    server: HostileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fs = fsspec.filesystem("xpstore", api_key=KEY, api_url=server.address, skip_instance_cache=True)
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    spoil(Path("x"))
    before = Path("x").lstat().st_mode
    with pytest.raises(kind) as caught:
        if is_whole:
            fs.get("p/hostile/", "./", recursive=True)
        else:
            fs.get_file("p/hostile/x", "x")
    assert told in str(caught.value) and ".part" not in str(caught.value)
    assert caught.value.filename == str(tmp_path / "x")
    assert Path("x").lstat().st_mode == before and not [*tmp_path.glob(".*.part")]


def test_fsspec_names_the_file_that_a_full_disk_does_not_take(server: HostileServer, tmp_path: Path) -> None:
    mounted = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    inside = ["unshare", "-rm", "sh", "-c", mounted, str(tmp_path)]
    if subprocess.run([*inside, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    server.hold({"large": os.urandom(3 * MIB)})
    code = "import fsspec, os, sys; fs = fsspec.filesystem('xpstore', api_key='any', api_url=sys.argv[1])\n"
    code += "try: fs.get('p/hostile/large', sys.argv[2] + '/large')\n"
    code += "except OSError as error: print(error.errno, error.filename, os.listdir(sys.argv[2]))"
    program = [sys.executable, "-c", code, server.address, str(tmp_path)]
    done = subprocess.run([*inside, *program], env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{errno.ENOSPC} {tmp_path}/large []\n", done.stderr


LOAD = """
import sys, support.hostility.hostile, xpstore
from xpstore.artifact import DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb
client = xpstore.Client(support.hostility.hostile.KEY, sys.argv[1], timeout_seconds=30)
artifact = DirectoryArtifact._from_wire(pb.ArtifactVersion.FromString(bytes.fromhex(sys.argv[2])), client)
for path in ("small.json", "large.json"):
    try:
        print(len(artifact.load(path)))
    except xpstore.errors.ResourceExhausted as error:
        print(error)
"""


@pytest.mark.parametrize("size", ["4m", "64k"])
def test_full_disk_of_copies_is_told(size: str, server: HostileServer, tmp_path: Path) -> None:
    """In the middle of a file, and where not even a folder can be made."""
    mounted = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    inside = ["unshare", "-rm", "sh", "-c", mounted, str(tmp_path)]
    if subprocess.run([*inside, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    server.hold({"small.json": b"[1]", "large.json": b"[1%s]" % (b", 1" * (2 << 20))})
    program = [sys.executable, "-c", LOAD, server.address, server.version.SerializeToString().hex()]
    cached = environment(XPSTORE_CACHE=str(tmp_path / "cache"))
    done = subprocess.run([*inside, *program], env=cached, capture_output=True, text=True, timeout=60)
    small, large = done.stdout.splitlines()
    assert small == "1", done.stderr
    assert "No space left on device" in large and "make room" in large


@pytest.mark.parametrize(
    ("one", "other"),
    [("a/Read.me", "a/READ.ME"), ("Dir/x", "dir/y"), ("straße", "STRASSE"), ("\u00e9", "e\u0301"), ("K", "\u212a")],
)
def test_names_that_fall_together_are_refused_where_case_is_nothing(
    one: str, other: str, server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.hold({one: b"1", other: b"2"})
    server.artifact().download(tmp_path / "here")
    assert read(tmp_path / "here") == server.files
    monkeypatch.setattr(Folder, "habits", Habits(is_case_blind=True, file_mode=0o644))
    with pytest.raises(errors.InvalidArgument, match=r"are the same name.*path="):
        server.artifact().download(tmp_path / "there")
    server.artifact().download(tmp_path / "alone", other)
    assert read(tmp_path / "alone") == {other: b"2"}


def test_what_a_file_system_makes_of_names_and_permissions(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    before = os.umask(0o027)
    try:
        assert Folder(tmp_path).habits == Habits((tmp_path / "PROBE").exists(), file_mode=0o640)
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["probe"]


@pytest.mark.parametrize(
    "path",
    [
        "CON",
        "a/nul.txt",
        "com1",
        "LPT9.tar.gz",
        "aa:b",
        ".. /x",
        "x./y",
        "a\n\x1b[31mb",
        "what?",
        "a|b",
        "con .x",
        "COM\xb9",
    ],
)
def test_names_that_windows_does_not_take(path: str) -> None:
    assert fault_on_windows(path)


@pytest.mark.parametrize("path", ["CONS", "a/null", "com", "com10", "x.con", " x", "é文", "-", "a b/c.d"])
def test_names_that_windows_takes(path: str) -> None:
    assert fault_on_windows(path) is None


def test_windows_refuses_them_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpstore._files.folder.sys.platform", "win32")
    with pytest.raises(errors.InvalidArgument, match=r"aux\.txt.*Windows"):
        Folder(tmp_path).target("aux.txt")
