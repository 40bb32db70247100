"""Files of one chunk: on their way down whole under their names or not there, whoever is in between; up, sent early."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import xpstore
from support.folders import lay, read
from support.services import Server
from xpstore import DirectoryArtifact, errors
from xpstore._files import upload
from xpstore._files.leftovers import is_partial
from xpstore._files.scan import Source
from xpstore._files.upload import Uploader
from xpstore.format.tree import Cut

pytestmark = pytest.mark.client

FILES: dict[str, bytes | None] = {
    **{f"{number // 100}/{number:04}": b"%9d" % number * 200 for number in range(400)},
    "empty": b"",
    "run.sh": b"#!/bin/sh\n",
}


@pytest.fixture
def saved(project: xpstore.Project, tmp_path: Path) -> DirectoryArtifact:
    folder = lay(tmp_path / "source", FILES)
    (folder / "run.sh").chmod(0o755)
    return DirectoryArtifact.save(folder, "small")


def partials(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if is_partial(path.name)]


DOWNLOAD = """
import os, signal, sys, xpstore
from xpstore.artifact import Artifact

xpstore.init(sys.argv[1], sys.argv[2])
left, act = int(sys.argv[5]), getattr(os, sys.argv[6])

def act_or_die(path, to):
    global left
    left -= path.endswith(".part")
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    act(path, to)

setattr(os, sys.argv[6], act_or_die)
Artifact.get_by_id(sys.argv[3]).download(sys.argv[4])
"""


@pytest.mark.parametrize(("umask", "act"), [(0o022, "replace"), (0o002, "chmod")])
def test_what_a_killed_download_leaves_is_whole_or_goes_with_the_next(
    umask: int, act: str, saved: DirectoryArtifact, server: Server, tmp_path: Path
) -> None:
    """It dies between the last byte of a file and its name, or the permissions of a group."""
    out, laid = tmp_path / "out", 150
    program = [sys.executable, "-c", DOWNLOAD, server.api_key, server.address, saved.id, str(out), str(laid), act]
    assert subprocess.run(program, timeout=60, umask=umask).returncode == -signal.SIGKILL
    assert len(partials(out)) == 1
    there = {path: data for path, data in read(out).items() if data is not None and not is_partial(Path(path).name)}
    assert len(there) == laid and all(FILES[path] == data for path, data in there.items())
    saved.download(out)
    assert read(out) == FILES


def test_what_is_taken_away_on_its_way_is_written_again(saved: DirectoryArtifact, tmp_path: Path) -> None:
    """Somebody removes each file of a name like that of partial ones as soon as it is seen."""
    out, is_done = tmp_path / "out", threading.Event()
    out.mkdir()

    def sweep() -> None:
        while not is_done.is_set():
            for path in partials(out):
                path.unlink(missing_ok=True)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        saved.download(out)
    finally:
        is_done.set()
        sweeper.join()
    assert read(out) == FILES


def test_folder_that_is_gone_meanwhile_is_named(
    saved: DirectoryArtifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, opened = tmp_path / "out", os.open

    def move(path: str, *more: int) -> int:
        if str(path).startswith(str(out / "1")) and is_partial(os.path.basename(path)):
            (out / "1").rename(out / "elsewhere")
        return opened(path, *more)

    monkeypatch.setattr(os, "open", move)
    with pytest.raises(errors.InvalidArgument, match=r"1/0100' cannot be written.*removed meanwhile: try again"):
        saved.download(out)
    assert not partials(out)


@pytest.mark.parametrize(("umask", "plain", "executable"), [(0o027, 0o640, 0o750), (0o113, 0o664, 0o775)])
def test_permissions_are_those_of_new_files(
    umask: int, plain: int, executable: int, saved: DirectoryArtifact, tmp_path: Path
) -> None:
    """Who may read a program may run it, whatever new files are."""
    before = os.umask(umask)
    try:
        (tmp_path / "out").mkdir(0o755)
        for number in range(4):
            (tmp_path / "out" / f"{number}").mkdir()
            (tmp_path / "out" / f"{number}").chmod(0o755)
        saved.download(tmp_path / "out")
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) for name in ("0/0001", "empty", "run.sh")}
    assert modes == {"0/0001": plain, "empty": plain, "run.sh": executable}


def test_full_disk_leaves_whole_files_alone(saved: DirectoryArtifact, server: Server, tmp_path: Path) -> None:
    code = "import os, sys, xpstore\nfrom xpstore.artifact import Artifact\nxpstore.init(*sys.argv[1:3])\n"
    code += "try: Artifact.get_by_id(sys.argv[3]).download(sys.argv[4])\n"
    code += "except xpstore.errors.ResourceExhausted as error: print(error)\n"
    code += (
        "for at, _, names in os.walk(sys.argv[4]):\n  for name in names: print(name, os.path.getsize(f'{at}/{name}'))"
    )
    (tmp_path / "small").mkdir()
    mounted = 'mount -t tmpfs -o size=512k none "$0" && exec "$@"'
    inside = ["unshare", "-rm", "sh", "-c", mounted, str(tmp_path / "small")]
    if subprocess.run([*inside, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    program = [sys.executable, "-c", code, server.api_key, server.address, saved.id, str(tmp_path / "small")]
    done = subprocess.run([*inside, *program], capture_output=True, text=True, timeout=60)
    told, *there = done.stdout.splitlines()
    assert "No space left on device" in told and "make room" in told, done.stderr
    assert 50 < len(there) < 300 and all(line.endswith((" 1800", "empty 0")) for line in there)


def test_bytes_are_sent_before_all_are_read(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of what there is goes out in a batch of its own."""
    monkeypatch.setattr(upload, "WINDOW_BYTES", 64 << 10)
    monkeypatch.setattr(upload, "BATCH_BYTES", 256 << 10)
    monkeypatch.setattr(upload, "MESSAGE_BYTES", 16 << 10)
    folder = lay(tmp_path / "source", {f"{number:03}": os.urandom(4 << 10) for number in range(64)})
    told, add, send = list[str](), Uploader.add, Uploader._send_batch

    def noting_add(self: Uploader, source: Source) -> Cut:
        told.append("read")
        return add(self, source)

    def noting_send(self: Uploader) -> None:
        told.append("sent")
        send(self)

    monkeypatch.setattr(Uploader, "add", noting_add)
    monkeypatch.setattr(Uploader, "_send_batch", noting_send)
    saved = DirectoryArtifact.save(folder, "early")
    assert told.count("read") == 64 and told.index("sent") < 64
    assert read(saved.download(tmp_path / "out")) == read(folder)
