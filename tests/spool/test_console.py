"""What a process prints while runs are open: recorded once, in order, bounded, and never in the way of the program."""

import io
import logging
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from support.homes import without_settings
from support.logged import values
from support.services import Server
from xpstore import Client
from xpstore._console import printout, reading, streams
from xpstore._console.printout import collapsed
from xpstore._offline.sync import sync
from xpstore.errors import InvalidArgument
from xpstore.model import Model
from xpstore.project import Project

pytestmark = pytest.mark.client


@pytest.fixture(autouse=True)
def alone() -> None:
    """Tests before these, in the same process, may have left runs open, which listen too."""
    for listener in streams._listeners:
        streams.unlisten(listener)


def new_stdout(patch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard output of a test, set in it: pytest has one for each part of it."""
    stream = io.StringIO()
    patch.setattr(sys, "stdout", stream)
    return stream


def test_what_is_printed_is_recorded_in_order_and_the_streams_are_given_back(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = new_stdout(monkeypatch)
    handler, log = logging.StreamHandler(sys.stdout), logging.getLogger("of a program")
    log.addHandler(handler)  # holds the stream before the run begins
    print("before")
    with model.run() as run:
        print("one", 2)
        sys.stderr.write("to stderr\n")
        log.warning("logged")
        assert sys.stdout.write("three\n") == 6
        out.writelines(["four\n", "five\n"])
    print("after")
    log.removeHandler(handler)
    assert run.console() == "one 2\nto stderr\nlogged\nthree\nfour\nfive\n"
    assert run.console(tail_bytes=10) == "four\nfive\n"
    monkeypatch.setattr(reading, "ANSWER_BYTES", 1)  # as for more than the server gives in one answer
    assert run.console(tail_bytes=7) == "r\nfive\n" and run.console(1_000) == run.console()
    assert out.getvalue() == "before\none 2\nlogged\nthree\nfour\nfive\nafter\n"
    assert "write" not in vars(out) and "write" not in vars(sys.stderr)
    with pytest.raises(InvalidArgument, match="tail_bytes = 0: must be positive"):
        run.console(0)


def test_each_open_run_has_what_was_printed_while_it_was_open(project: Project) -> None:
    one, two = (project.experiment("e").model(name) for name in "ab")
    with one.run() as first:
        print("1")
        with two.run() as second:
            print("2")
        print("3")
    assert (first.console(), second.console()) == ("1\n2\n3\n", "2\n")


def test_states_of_a_progress_bar_but_the_last_are_left_out() -> None:
    assert collapsed("a\n\r 1%\r 2%\r 3%\nb") == "a\n\r 3%\nb"
    assert collapsed(" 1%\r 2%\r") == "\r 2%\r"
    assert collapsed("windows\r\nends\r\n") == "windows\r\nends\r\n"
    assert collapsed("\r 1%") == "\r 1%"


def test_secrets_and_the_key_are_masked(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "abc-123-of-service")
    with model.run() as run:
        print("key", model._client.api_key, "token", "abc-123-of-service", "loss: 0.5")
        print("https://me:sesame@host/x", {"password": "sesame"}, "hf_abcdEFGH12345678")
    assert run.console() == "key *** token *** loss: 0.5\nhttps://me:***@host/x {'password': '***'} ***\n"


def test_threads_that_print_at_once_lose_no_line(model: Model) -> None:
    def work(name: int) -> None:
        for number in range(300):
            sys.stdout.write(f"{name} {number}\n")

    with model.run() as run:
        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = run.console().splitlines()
    assert len(lines) == 1_800
    for name in range(6):
        assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {number}" for number in range(300)]


def test_of_too_much_the_newest_whole_lines_are_kept(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    new_stdout(monkeypatch)
    monkeypatch.setattr(printout, "WAITING", 20_000)
    with model.run() as run:
        for number in range(60_000):
            print(f"line {number:06}")
        sys.stdout.write("ü" * 30_000 + "\nthe end\n")
    text = run.console()
    assert text.endswith(" bytes were left out ...\nthe end\n")
    lines = text.splitlines()
    gaps = [int(line.split()[1].replace(",", "")) for line in lines if line.startswith("... ")]
    kept = [line for line in lines if not line.startswith("... ")]
    assert all(len(line) == len("line 000000") for line in kept[:-1]) and kept == sorted({*kept[:-1]}) + kept[-1:]
    # What is left out and what is there is all that was printed, but for line ends that stand before a gap.
    told = sum(len(line) + 1 for line in kept) + sum(gaps)
    assert gaps and 0 <= told - (60_000 * 12 + 60_001 + 8) <= len(gaps)


class _Reluctant(io.StringIO):
    def write(self, text: str) -> int:
        if "fail" in text:
            raise OSError("no room")
        return super().write(text)


class _Tee:
    """Writes to two streams, as programs make them."""

    def __init__(self, one: Any, other: Any) -> None:
        self._streams = one, other

    def write(self, text: str) -> None:
        for stream in self._streams:
            stream.write(text)

    def flush(self) -> None: ...


class _Slotted:
    __slots__ = ()

    def write(self, text: str) -> int:
        return len(text)


def test_odd_streams_stay_as_they_are(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    closed = io.StringIO()
    closed.close()
    told = list[str]()
    expected = ["error\n", "error\n", "error\n", "error\nout\n", "error\nout\n"]
    for stream in (None, _Slotted(), closed, _Reluctant(), _Tee(errors, io.StringIO())):
        monkeypatch.setattr(sys, "stdout", stream)
        with model.run() as run:
            sys.stderr.write("error\n")
            if isinstance(stream, _Reluctant):
                with pytest.raises(OSError, match="no room"):
                    print("fail")
            if stream is closed:
                with pytest.raises(ValueError, match="closed file"):
                    print("closed")
            else:
                print("out")
            with pytest.raises(TypeError):
                errors.write(b"bytes")  # type: ignore[arg-type]
        told.append(run.console())
    assert told == expected
    assert "write" not in vars(errors)


def test_program_goes_on_when_nothing_can_be_recorded(
    model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handler = logging.StreamHandler(sys.stdout)  # the warning is printed too, and recorded as little
    logging.getLogger("xpstore").addHandler(handler)

    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch, model.run() as run:
        patch.setattr(model._client.recorder, "console", fail)
        for _ in range(3):
            print("lost")
            run_of(run).printout._record_waiting(1)
        patch.undo()
        sys.stdout.write("again\n")
    logging.getLogger("xpstore").removeHandler(handler)
    assert [record.message for record in caplog.records].count(
        "What a run prints is not recorded, or not all of it: broken"
    ) == 1
    assert run.console().startswith("... ") and run.console().endswith("again\n")


def run_of(run: Any) -> Any:
    """The attempt of a run under way."""
    (attempt,) = (action.__self__ for action in run._client.recorder.before_end if hasattr(action.__self__, "printout"))
    return attempt


def test_older_server_gets_nothing_of_it_and_all_the_rest(
    client: Client, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "xpstore")
    client.limits.max_console_bytes = 0  # as one of contract 1.0 says, which would refuse the batch
    with model.run() as run:
        for number in range(3):
            print("not sent")
            model.metrics.log("loss", number)
            client.flush()
    model.metrics.log("loss", 3)
    assert values(model, "loss") == [0, 1, 2, 3] and client.dropped_count == 0
    assert sum("keeps nothing of what runs print" in record.message for record in caplog.records) == 1
    assert run.console() == "" and run.status == "finished"


def test_settings_turn_it_off(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    out = new_stdout(monkeypatch)
    for name in ("XPSTORE_RECORD_CONSOLE", "XPSTORE_RECORD"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "0")
            with model.run() as run:
                print("unheard")
                assert "write" not in vars(out)
            assert run.console() == ""
    monkeypatch.setenv("XPSTORE_RECORD_CONSOLE", "off")
    with pytest.raises(InvalidArgument, match="XPSTORE_RECORD_CONSOLE = 'off'"), model.run():
        pass
    assert model._client.recorder.before_end == set()


def test_what_is_printed_offline_is_sent_by_sync(offline: Project, online: Client) -> None:
    with offline.experiment("e").model("h").run():
        print("offline")
    offline._client.close()
    assert sync(online).dropped == 0
    (run,) = Project(offline.id, client=online).experiment("e").model("h").runs
    assert (run.console(), run.status) == ("offline\n", "finished")


KILLED = r"""
import os, signal, sys, time, xpstore
xpstore.init()
model = xpstore.Project(os.environ["PROJECT"]).open().experiment("e").model("h")
with model.run():
    print("name of a file: \udcff", "\0")
    sys.stdout.buffer.write(b"\xff\xfe past it\n")
    sys.stdout.flush()
    if not os.fork():
        print("of the child", "write" in vars(sys.stdout))
        sys.exit()
    os.wait()
    print("ü of the parent")
    time.sleep(1.2)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_program_in_the_c_locale_has_all_but_the_last_moment_and_nothing_of_its_children(
    server: Server, project: Project, model: Model
) -> None:
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "PROJECT": project.id}
    environment = {**without_settings(), **access, "LC_ALL": "C", "PYTHONIOENCODING": "ascii:backslashreplace"}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert b"of the child False" in done.stdout
    project._client.flush()  # adopts what it left
    (run,) = model.runs
    assert run.console() == "name of a file: \\udcff \0\nü of the parent\n"
