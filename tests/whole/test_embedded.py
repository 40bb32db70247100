"""The embedded service: found or started by any number of processes, one for each home, gone when idle."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from blake3 import blake3

import xpstore
from support.homes import Home
from support.raw import Raw
from xpstore._service import embedded
from xpstore.errors import Unauthenticated, Unavailable
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.settings import socket_path

CONNECT = """
import json, pathlib, os, xpstore
client = xpstore.init()
print(json.loads(pathlib.Path(os.environ["XPSTORE_HOME"], "server.json").read_text())["pid"])
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    for name in ("XPSTORE_API_KEY", "XPSTORE_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with Home(tmp_path / "home") as home:
        monkeypatch.setenv("XPSTORE_HOME", str(home.folder))
        yield home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_client_starts_a_server_that_the_next_one_finds(home: Home) -> None:
    first = xpstore.Client()
    first.project("kept").open()
    pid = home.pid
    second = xpstore.Client()
    assert home.pid == pid
    assert [project.id for project in xpstore.get_all_projects(client=second)] == ["kept"]
    assert (first.api_url, second.api_url) == (f"unix:{socket_path(home.folder)}",) * 2


def test_home_belongs_to_its_owner_alone(home: Home) -> None:
    xpstore.Client()
    assert mode(home.folder) == 0o700
    assert mode(home.folder / "admin.key") == 0o600
    assert mode(socket_path(home.folder)) == 0o600
    assert mode(home.folder / "server.log") == 0o600
    assert (home.folder / "admin.key").read_text().strip() not in home.log


def test_many_processes_at_once_end_with_one_server(home: Home) -> None:
    programs = [home.run(CONNECT) for _ in range(8)]
    outputs = [program.communicate(timeout=60) for program in programs]
    assert {output for output, _ in outputs} == {f"{home.pid}\n"}, outputs
    assert [process.pid for process in home.servers()] == [home.pid]


def test_server_outlives_the_process_that_started_it(home: Home) -> None:
    program = home.run(CONNECT)
    program.communicate(timeout=60)
    assert os.getsid(home.pid) not in (os.getsid(0), program.pid)
    assert psutil.Process(home.pid).cwd() == str(home.folder)
    assert xpstore.Client().project("x").open().uid


def test_settings_of_another_server_do_not_reach_this_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("XPSTORE_DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    monkeypatch.setenv("XPSTORE_TLS_CERT", "/nope")
    assert xpstore.Client().api_url.startswith("unix:")


def test_killed_server_is_replaced(home: Home) -> None:
    client = xpstore.Client()
    before = home.pid
    os.kill(before, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(before)] if psutil.pid_exists(before) else [], timeout=10)
    assert home.announced is not None  # stale
    xpstore.Client()
    assert home.pid != before
    assert client.project("x").open().uid  # the older client goes on too


def test_client_starts_a_server_again_that_left_when_idle(home: Home) -> None:
    with home.serving(XPSTORE_IDLE_EXIT_SECONDS="2") as process:
        client = xpstore.Client()
        uid = client.project("kept").open().uid
        assert process.wait(timeout=20) == 0
    assert home.announced is None
    assert not (home.folder / "server.sock").exists()
    assert xpstore.Project.get_by_id("kept", client=client).uid == uid
    assert home.pid != process.pid


def test_server_does_not_leave_while_it_is_called(home: Home) -> None:
    with home.serving(XPSTORE_IDLE_EXIT_SECONDS="1") as process:
        client = xpstore.Client()
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            xpstore.get_all_projects(client=client)
            time.sleep(0.2)
        assert process.poll() is None


def test_sigterm_ends_a_server_cleanly(home: Home) -> None:
    with home.serving() as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert {path.name for path in home.folder.iterdir()}.isdisjoint({"server.json", "server.sock", "xpstore.db-wal"})


def test_sigterm_waits_for_calls_under_way(home: Home) -> None:
    with home.serving() as process:
        client = xpstore.Client()
        project_uid = client.project("x").open().uid
        one, two = (chunk_of(data) for data in (b"1", b"2"))
        is_draining = threading.Event()

        def stream() -> Iterator[pb.UploadChunksRequest]:
            yield pb.UploadChunksRequest(project_uid=project_uid, chunks=[one])
            is_draining.wait(100)
            yield pb.UploadChunksRequest(chunks=[two])

        call = client.stubs.artifacts.UploadChunks.future(stream(), metadata=client.metadata)
        deadline = time.monotonic() + 60
        while Raw(client, project_uid).missing(one.digest):  # an idle stream's chunk becomes durable by itself
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        while home.announced is not None:
            time.sleep(0.02)
        is_draining.set()
        assert call.result(timeout=10).stored_chunks == 2
        assert process.wait(timeout=20) == 0


def chunk_of(data: bytes) -> pb.Chunk:
    return pb.Chunk(digest=blake3(data).digest(), codec=pb.CODEC_NONE, raw_size_bytes=len(data), data=data)


def test_second_server_on_a_home_leaves_with_one_line(home: Home) -> None:
    with home.serving():
        command = [sys.executable, "-m", "xpstore_server", "serve", "--home", str(home.folder)]
        second = subprocess.run(command, env=home.environment, capture_output=True, text=True, timeout=30)
        assert second.returncode == embedded.HOME_IN_USE
        assert second.stderr == f"xpstore-server: Another server is running on {home.folder}.\n"
        assert xpstore.Client().limits.server_version


def test_server_that_cannot_start_shows_the_end_of_its_log(home: Home) -> None:
    home.folder.mkdir(mode=0o700)
    (home.folder / "admin.key").write_text("short")
    with pytest.raises(Unavailable, match=r"did not start .*\n.*holds no API key") as caught:
        xpstore.Client()
    assert str(home.folder / "server.log") in str(caught.value)


def test_start_without_the_server_extra_says_the_cure(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SERVER_NEEDS", ("typer", "no_such_module"))
    with pytest.raises(Unavailable, match=r"no no_such_module\): pip install 'xpstore\[server\]'"):
        xpstore.Client()
    assert not home.folder.exists()


def test_python_that_cannot_be_run_is_an_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(Unavailable, match=r"cannot be started: .*/no/such/python"):
        xpstore.Client()


def test_home_that_others_can_write_to_is_refused(home: Home) -> None:
    home.folder.mkdir()
    home.folder.chmod(0o777)
    with pytest.raises(Unavailable, match="chmod 700"):
        xpstore.Client()


@pytest.fixture
def stranger(home: Home) -> Iterator[socket.socket]:
    """Somebody else's server, which `server.json` of the home names as if it were this process."""
    home.folder.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (home.folder / "server.json").write_text(f'{{"address": "http://127.0.0.1:{port}", "pid": {os.getpid()}}}')
        (home.folder / "admin.key").write_text("somebody-elses-key")
        yield listening


def home_of_all(folder: Path) -> None:
    folder.chmod(0o777)


def home_of_a_group(folder: Path) -> None:
    folder.chmod(0o770)


def home_of_another(folder: Path) -> None:
    os.chown(folder, 12345, 12345)


def announcement_of_all(folder: Path) -> None:
    (folder / "server.json").chmod(0o666)


def announcement_of_another(folder: Path) -> None:
    os.chown(folder / "server.json", 12345, 12345)


def announcement_that_leads_to_one_of_another(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    (folder / "server.json").rename(elsewhere)
    os.chown(elsewhere, 12345, 12345)
    (folder / "server.json").symlink_to(elsewhere)


def key_of_another(folder: Path) -> None:
    os.chown(folder / "admin.key", 12345, 12345)


def log_of_another(folder: Path) -> None:
    (folder / "server.log").symlink_to("/dev/null")
    os.chown(folder / "server.log", 12345, 12345, follow_symlinks=False)


@pytest.mark.parametrize(
    "spoil",
    [
        home_of_all,
        home_of_a_group,
        home_of_another,
        announcement_of_all,
        announcement_of_another,
        announcement_that_leads_to_one_of_another,
        key_of_another,
        log_of_another,
    ],
)
def test_nothing_in_a_home_of_others_is_believed(
    spoil: Callable[[Path], None], stranger: socket.socket, home: Home
) -> None:
    if "another" in spoil.__name__ and os.getuid() != 0:
        pytest.skip("only root gives files away")
    spoil(home.folder)
    with pytest.raises(Unavailable, match=f"{home.folder}, the embedded service's home, .* (yours alone|made or can)"):
        embedded.ensure(home.folder)
    stranger.setblocking(False)
    with pytest.raises(BlockingIOError):  # nobody even connected
        stranger.accept()


def test_home_may_have_its_blobs_on_another_disk(home: Home, tmp_path: Path) -> None:
    home.folder.mkdir(mode=0o700)
    (tmp_path / "disk").mkdir(mode=0o700)
    (home.folder / "blobs").symlink_to(tmp_path / "disk")
    assert xpstore.Client().limits.server_version
    assert xpstore.Client().limits.server_version, "of the one that runs"


def test_home_that_is_no_folder_is_refused(home: Home) -> None:
    home.folder.write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        xpstore.Client()


@pytest.fixture
def deep_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home whose own socket's path would be too long; short folders are in `TMPDIR`."""
    with tempfile.TemporaryDirectory(prefix="xpt-", dir="/tmp") as short:  # a test's own folder is too deep for sockets
        monkeypatch.setenv("TMPDIR", short)
        monkeypatch.setattr("tempfile.tempdir", None)
        with Home(tmp_path / ("deep" * 30)) as home:
            monkeypatch.setenv("XPSTORE_HOME", str(home.folder))
            yield home


def test_deep_home_has_its_socket_in_a_short_private_folder(deep_home: Home) -> None:
    path = Path(xpstore.Client().api_url.removeprefix("unix:"))
    assert path.parent.parent == Path(os.environ["TMPDIR"])
    assert mode(path.parent) == 0o700
    assert mode(path) == 0o600


@pytest.mark.parametrize("how", ["writable", "link"])
def test_short_folder_that_somebody_else_made_is_refused(deep_home: Home, how: str) -> None:
    client = xpstore.Client()
    folder = Path(client.api_url.removeprefix("unix:")).parent
    server = psutil.Process(deep_home.pid)
    server.terminate()
    server.wait(20)
    folder.rmdir()
    if how == "link":
        folder.symlink_to(deep_home.folder)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(Unavailable, match="must be a folder that only you can write to"):
        xpstore.Client()


def test_key_is_not_sent_to_a_socket_in_a_folder_that_others_can_write_to(deep_home: Home) -> None:
    xpstore.Client()
    path = Path(deep_home.address.removeprefix("unix:"))
    path.parent.chmod(0o777)
    assert embedded._running(deep_home.folder) is None


def test_home_listens_on_loopback_when_asked(home: Home) -> None:
    with home.serving("--listen", "127.0.0.1:0"):
        client = xpstore.Client()
        assert client.api_url == home.address
        assert client.api_url.startswith("http://127.0.0.1:")
    with home.serving(XPSTORE_LISTEN="127.0.0.1:0"):
        assert xpstore.Client().api_url.startswith("http://127.0.0.1:")


def test_port_that_a_stranger_took_over_gets_no_key(home: Home) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    home.folder.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        announcement = {"address": f"http://127.0.0.1:{stranger.getsockname()[1]}", "pid": gone.pid}
        (home.folder / "server.json").write_text(str(announcement).replace("'", '"'))
        assert xpstore.Client().api_url.startswith("unix:")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"address": 7, "pid": "x"}', '{"address": "http://[", "pid": 1}']
)
def test_damaged_announcement_counts_as_none(home: Home, text: str) -> None:
    home.folder.mkdir(mode=0o700)
    (home.folder / "server.json").write_text(text)
    assert xpstore.Client().limits.server_version


def test_long_log_is_rotated_at_the_next_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES", 1000)
    home.folder.mkdir(mode=0o700)
    (home.folder / "server.log").write_text("old\n" * 1000)
    xpstore.Client()
    assert "old" not in home.log
    assert (home.folder / "server.log.1").read_text().startswith("old")


def test_default_home_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XPSTORE_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert embedded.home() == tmp_path / "xpstore"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert embedded.home() == tmp_path / ".local" / "share" / "xpstore"


def test_wrong_key_is_not_mistaken_for_the_embedded_service(home: Home) -> None:
    with home.serving("--listen", "127.0.0.1:0"), pytest.raises(Unauthenticated):
        xpstore.Client("xps_wrong-wrong-wrong", home.address)
