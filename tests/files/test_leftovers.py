"""What downloads leave behind: recognised, never saved as content, gone on with or removed; locks are not relied on."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.folders import lay, read
from support.hostility.hostile import HostileServer, count_asked
from support.raw import MIB
from xpstore import errors
from xpstore._files.leftovers import KEPT_SECONDS, partial_path
from xpstore._files.scan import scan
from xpstore._machine import locks
from xpstore.v1 import artifact_pb2 as pb

LARGE = os.urandom(12 * MIB)
OLD = time.time() - 2 * KEPT_SECONDS


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """A server that breaks off when and where a test says."""
    with HostileServer() as server:
        yield server.hold({"large": LARGE, "small": b"small"})


def left_behind(server: HostileServer, folder: Path, pieces: int = 8) -> Path:
    """Has a download of the large file break off after some pieces; returns its draft."""
    sound, given = server.read_chunks, 0

    def some(request: pb.ReadChunksRequest) -> Iterator[Any]:
        nonlocal given
        for message in sound(request):
            given += 1
            yield message if given <= pieces else b"\xff"

    with pytest.MonkeyPatch.context() as patch:
        # One window for each piece, so that those before the broken one are written.
        patch.setattr("xpstore._files.download.WINDOW_BYTES", MIB)
        server.read_chunks = some
        with pytest.raises(errors.DataLoss):
            server.artifact().download(folder, "large")
    server.read_chunks = sound
    (draft,) = folder.glob(".*.part")
    assert 0 < draft.stat().st_size < len(LARGE)
    return draft


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_broken_download_goes_on(server: HostileServer, tmp_path: Path) -> None:
    draft = left_behind(server, tmp_path)
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600, "nobody else writes to what is not verified yet"
    arrived = draft.stat().st_size // MIB
    asked = count_asked(server)
    server.artifact().download(tmp_path)
    assert len(asked) == 12 - arrived + 1
    assert read(tmp_path) == server.files
    umask = os.umask(0o022)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "large").stat().st_mode) == 0o666 & ~umask


def test_drafts_are_not_content(server: HostileServer, tmp_path: Path) -> None:
    draft = left_behind(server, tmp_path)
    server.artifact().download(tmp_path, "small")
    assert [source.path for source in scan(tmp_path)] == ["small"]
    with pytest.raises(errors.InvalidArgument, match="download"):
        scan(draft)
    kept = lay(tmp_path / "mine", {".part": b"1", ".0123.part": b"2", "0" * 32 + ".part": b"3", "x.part": b"4"})
    assert len(scan(kept)) == 4, "names that only look a little like ours are the user's"


def test_drafts_of_another_content_of_a_file_are_removed(server: HostileServer, tmp_path: Path) -> None:
    left_behind(server, tmp_path)
    server.hold({"large": os.urandom(9 * MIB)})
    server.artifact().download(tmp_path)
    assert names(tmp_path) == ["large"]


def test_drafts_of_a_file_that_is_there_are_removed(server: HostileServer, tmp_path: Path) -> None:
    left_behind(server, tmp_path)
    (tmp_path / "large").write_bytes(LARGE)
    for name in ("small", "large"):
        Path(partial_path(tmp_path / name)).write_bytes(b"killed in the middle")
    server.artifact().download(tmp_path)
    assert names(tmp_path) == ["large", "small"]


def test_drafts_of_other_files_stay_for_a_week(server: HostileServer, tmp_path: Path) -> None:
    fresh, old = (Path(partial_path(tmp_path / name)) for name in ("other", "old"))
    for path in (fresh, old):
        path.write_bytes(b"x")
    os.utime(old, (OLD, OLD))
    server.artifact().download(tmp_path)
    assert fresh.exists() and not old.exists()


def test_damaged_draft_costs_time_and_no_bytes(server: HostileServer, tmp_path: Path) -> None:
    draft = left_behind(server, tmp_path)
    with draft.open("r+b") as file:
        file.seek(MIB + 5)
        file.write(b"torn")
        file.truncate(20 * MIB)  # and longer than the file shall be
    server.artifact().download(tmp_path)
    assert read(tmp_path) == server.files


def shared_with_everybody(draft: Path) -> None:
    draft.chmod(0o666)


def of_another_user(draft: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(draft, 12345, 12345)


def with_a_second_name(draft: Path) -> None:
    os.link(draft, draft.with_name("second"))


def a_link(draft: Path) -> None:
    draft.rename(draft.with_name("second"))
    draft.symlink_to("second")


def a_pipe(draft: Path) -> None:
    draft.unlink()
    os.mkfifo(draft)


def a_folder(draft: Path) -> None:
    draft.unlink()
    draft.mkdir()


@pytest.mark.parametrize(
    "spoil", [shared_with_everybody, of_another_user, with_a_second_name, a_link, a_pipe, a_folder]
)
def test_draft_of_somebody_else_is_left_alone(
    spoil: Callable[[Path], None], server: HostileServer, tmp_path: Path
) -> None:
    draft = left_behind(server, tmp_path)
    spoil(draft)
    second = draft.with_name("second")
    before = second.read_bytes() if second.exists() else None
    server.artifact().download(tmp_path)
    assert (tmp_path / "large").read_bytes() == LARGE
    assert os.path.lexists(draft) and not os.path.samefile(tmp_path / "large", draft)
    assert (second.read_bytes() if second.exists() else None) == before
    assert (tmp_path / "large").lstat().st_nlink == 1 and (tmp_path / "large").lstat().st_uid == os.getuid()


DOWNLOAD = """
import sys, pathlib, time
WITHOUT_LOCKS
import support.hostility.hostile
import xpstore
from xpstore._files.partial import PartialFile
from xpstore._files import download
from xpstore.artifact import DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb
address, version, folder, paused_after = sys.argv[1:]
write, count = PartialFile.write, 0
download.WINDOW_BYTES = 1 << 20

def write_and_pause(self, data):
    global count
    write(self, data)
    count += 1
    if count == int(paused_after):
        print("paused", flush=True)
        sys.stdin.readline()

PartialFile.write = write_and_pause
client = xpstore.Client(support.hostility.hostile.KEY, address, timeout_seconds=30)
wire = pb.ArtifactVersion.FromString(bytes.fromhex(version))
DirectoryArtifact._from_wire(wire, client).download(folder)
print("done", flush=True)
"""
# A file system where every lock is granted to everybody, as some shared ones are.
WITHOUT_LOCKS = "import fcntl; fcntl.flock = lambda *_: None"


class Program:
    """A download in a process of its own, which pauses after some chunks until it is told to go on."""

    def __init__(self, server: HostileServer, folder: Path, paused_after: int, without_locks: bool = True) -> None:
        code = DOWNLOAD.replace("WITHOUT_LOCKS", WITHOUT_LOCKS if without_locks else "")
        arguments = [server.address, server.version.SerializeToString().hex(), str(folder), str(paused_after)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # `support` is in the tests
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_paused(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "paused\n", self.process.communicate()[1]

    def go_on(self) -> None:
        output, error = self.process.communicate("\n", timeout=60)
        assert (output, self.process.returncode) == ("done\n", 0), error

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def test_killed_download_leaves_what_the_next_one_uses(server: HostileServer, tmp_path: Path) -> None:
    program = Program(server, tmp_path, 9, without_locks=False)
    program.wait_paused()
    program.kill()
    assert len(list(tmp_path.glob(".*.part"))) == 1
    asked = count_asked(server)
    server.artifact().download(tmp_path)
    assert len(asked) == 12 - 9 + 1
    assert read(tmp_path) == server.files


def test_draft_that_is_being_written_is_not_taken(server: HostileServer, tmp_path: Path) -> None:
    program = Program(server, tmp_path, 5, without_locks=False)
    program.wait_paused()
    server.artifact().download(tmp_path)
    assert (tmp_path / "large").read_bytes() == LARGE
    program.go_on()
    assert read(tmp_path) == server.files


@pytest.mark.parametrize("is_edited", [False, True], ids=["untouched", "edited meanwhile"])
def test_without_locks_two_downloads_lose_no_bytes(is_edited: bool, server: HostileServer, tmp_path: Path) -> None:
    """The second takes the first one's draft for a leftover, finishes, and the first goes on."""
    first = Program(server, tmp_path, 5)
    first.wait_paused()
    second = Program(server, tmp_path, 3)
    second.wait_paused()
    second.go_on()
    assert read(tmp_path) == server.files
    if is_edited:  # the second has returned: the file is its user's, who writes to it in place
        with (tmp_path / "large").open("r+b") as file:
            file.seek(10 * MIB)
            file.write(b"edited")
            file.flush()
            first.go_on()
            file.seek(10 * MIB)
            assert file.read(6) == b"edited", "the first wrote to a file that is not its own"
    else:
        first.go_on()
    assert read(tmp_path) == server.files


@pytest.mark.parametrize("paused_after", [1, 5, 11])
def test_without_locks_a_download_that_dies_takes_no_bytes_along(
    paused_after: int, server: HostileServer, tmp_path: Path
) -> None:
    """The second takes the first one's draft, and is killed with it in its hands."""
    first = Program(server, tmp_path, paused_after)
    first.wait_paused()
    second = Program(server, tmp_path, 1)
    second.wait_paused()
    second.kill()
    first.go_on()
    assert (tmp_path / "large").read_bytes() == LARGE
    server.artifact().download(tmp_path)
    assert read(tmp_path) == server.files


def test_without_locks_a_draft_that_another_version_removes_is_made_again(
    server: HostileServer, tmp_path: Path
) -> None:
    first = Program(server, tmp_path, 5)
    first.wait_paused()
    other = os.urandom(9 * MIB)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "take", lambda _: True)
        files = dict(server.files)
        server.hold({"large": other}).artifact().download(tmp_path)
    assert read(tmp_path) == {"large": other}
    server.hold(files)
    first.go_on()
    assert read(tmp_path) == files


def test_draft_that_somebody_else_spoils_is_not_put_in_place(server: HostileServer, tmp_path: Path) -> None:
    """Not even what a download goes on with from its own draft is believed unseen."""
    program = Program(server, tmp_path, 5)
    program.wait_paused()
    (draft,) = tmp_path.glob(".*.part")
    draft.write_bytes(bytes(len(LARGE)))
    draft.rename(tmp_path / "taken")
    _, error = program.process.communicate("\n", timeout=60)
    assert program.process.returncode == 1 and "Conflict" in error
    assert not (tmp_path / "large").exists()
