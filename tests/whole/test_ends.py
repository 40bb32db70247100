"""The end of programs: what was promised is there, or the program says so; Ctrl-C ends everything soon."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xpstore
from support.homes import without_settings
from support.services import Server
from xpstore import run
from xpstore.artifact import Artifact

HEAD = """
import atexit, multiprocessing, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import xpstore
from xpstore.artifact import DirectoryArtifact
client = xpstore.init()
project = client.project(os.environ["ENDS_PROJECT"]).open()
xpstore.set_project(project)
UNKNOWN = "11111111-1111-4111-8111-111111111111"  # of no version, which only the server knows
def save(name, mib=5, **more):
    return DirectoryArtifact.save(os.urandom(mib << 20), name, wait=False, **more)
def save_too(name):
    save(name)
"""
# With Ctrl-C nothing waits for a server; the rest is the end of an interpreter on a busy machine.
INTERRUPTED_SECONDS = 6
pytestmark = pytest.mark.client


def start(server: Server, project: xpstore.Project, *command: str) -> "subprocess.Popen[str]":
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "ENDS_PROJECT": project.id}
    environment = {**without_settings(), **access, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *command], env=environment, stdout=pipe, stderr=pipe, text=True)


def end(server: Server, project: xpstore.Project, code: str) -> tuple[int, str, str]:
    program = start(server, project, "-c", HEAD + code)
    output, error = program.communicate(timeout=100)
    return program.returncode, output, error


def names(project: xpstore.Project) -> set[str]:
    return {version.name for version in Artifact.load_all(project=project)}


GOOD_ENDS = {
    "save('a')": 0,
    "save('a', 40)": 0,
    "save('a'); sys.exit(0)": 0,
    "save('a'); sys.exit(3)": 3,
    "save('a'); raise ValueError": 1,
    "threading.Timer(0.3, save, ['a']).start()": 0,
    "ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.3), save('a')))": 0,
    "save('a'); client.close()": 0,
    "save('a')\nif not os.fork(): save('b'); sys.exit(0)\nsys.exit(os.wait()[1])": 0,
    "save('a', 1).add_done_callback(lambda done: save('b'))": 0,
    "save('a', 1).add_done_callback(lambda _: save('b', 1).add_done_callback(lambda _: save('c')))": 0,
    "atexit.register(save, 'a')": 0,
    "atexit.register(DirectoryArtifact.save, os.urandom(5 << 20), 'a')": 0,
    "import asyncio; asyncio.run(asyncio.to_thread(save, 'a'))": 0,
    "import asyncio\nasync def f(): asyncio.get_event_loop().run_in_executor(None, save, 'a')\nasyncio.run(f())": 0,
    "pool = ThreadPoolExecutor(2)\nfor name in ('a', 'b', 'c'): pool.submit(save, name)": 0,
    "thread = threading.Thread(target=save, args=['a'], daemon=True); thread.start(); thread.join()": 0,
    "threading.Thread(target=lambda: threading.Timer(0.3, save, ['a']).start()).start()": 0,
    "save('a', 20); xpstore.init()": 0,
    "def work(): save('a', project=xpstore.Client().project(project.id))\nwork()": 0,
    "pool = multiprocessing.get_context('fork').Pool(2); pool.map(save_too, ('a', 'b')); pool.close(); pool.join()": 0,
}


@pytest.mark.parametrize("code", GOOD_ENDS)
def test_what_is_saved_in_the_background_is_there_at_the_end(
    code: str, server: Server, project: xpstore.Project
) -> None:
    status, _, error = end(server, project, code)
    assert status == GOOD_ENDS[code], error
    assert names(project) == {name for name in "abc" if f"'{name}'" in code}
    assert "not saved" not in error


def test_saves_and_downloads_of_threads_work_after_the_main_thread(server: Server, project: xpstore.Project) -> None:
    code = """
def work():
    time.sleep(0.3)
    DirectoryArtifact.save(os.urandom(20 << 20), "a")
    folder = DirectoryArtifact.get_by_name("a").download(os.environ["XPSTORE_CACHE"] + "/ends")
    print("downloaded")
threading.Thread(target=work).start()
"""
    assert end(server, project, code)[:2] == (0, "downloaded\n")


@pytest.mark.parametrize(("handle", "is_named"), [("", True), ("kept = ", True), ("heard = ", False)])
def test_an_error_that_nobody_asked_for_is_one_line_and_the_status(
    handle: str, is_named: bool, server: Server, project: xpstore.Project
) -> None:
    code = f"{handle}save('bad', 1, used=[UNKNOWN])\nsave('good')"
    if handle == "heard = ":
        code += "\nassert heard.exception() is not None"
    status, _, error = end(server, project, code)
    assert names(project) == {"good"}
    assert status == (120 if is_named else 0)
    lines = error.splitlines()
    assert len(lines) == is_named
    assert not is_named or lines[0].startswith(f"xpstore: The artifact 'bad' of project {project.id!r} is not saved: ")


def test_what_is_saved_when_python_is_taken_down_is_named(server: Server, project: xpstore.Project) -> None:
    """By then no thread runs and nothing can be imported: the thread that saved before would never do it."""
    code = """
class Last:
    def __del__(self, save=save): save("last")
save("first", 1).result()
last = Last()
"""
    _, _, error = end(server, project, code)
    assert names(project) == {"first"}
    assert error.startswith(f"xpstore: The artifact 'last' of project {project.id!r} is not saved: "), error


def test_what_a_test_saves_last_is_there(server: Server, project: xpstore.Project, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(f"{HEAD}\ndef test_it(): save('a')\n")
    program = start(server, project, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_it.py"))
    output, error = program.communicate(timeout=100)
    assert program.returncode == 0, output + error
    assert names(project) == {"a"}


@pytest.mark.parametrize("is_bad", [False, True])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_keep_or_name_what_they_promise(
    method: str, is_bad: bool, server: Server, project: xpstore.Project, tmp_path: Path
) -> None:
    code = f"""
def work():
    save("a", 1, {"used=[UNKNOWN]" if is_bad else ""})
if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
    print(child.exitcode)
"""
    (tmp_path / "program.py").write_text(HEAD + code)
    output, error = start(server, project, str(tmp_path / "program.py")).communicate(timeout=100)
    assert (output != "0\n", "'a' of" in error, names(project)) == (is_bad, is_bad, set() if is_bad else {"a"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_names_what_is_under_way(number: signal.Signals, server: Server, project: xpstore.Project) -> None:
    code = f"save('a', 100); os.kill(os.getpid(), {int(number)}); time.sleep(20)"
    status, _, error = end(server, project, code)
    assert status == -number
    assert error.splitlines()[-1].startswith("xpstore: The artifact 'a' of")


def test_what_is_logged_last_is_sent(server: Server, project: xpstore.Project) -> None:
    code = """
model = project.experiment("e").model("h")
class Last:
    def __del__(self, model=model):
        model.metrics.log("loss", 2.0); model.metrics.log("text", "x"); model.step = 7
def steps():
    with model.run():
        try:
            yield
        finally:
            model.metrics.log("loss", 3.0)
last, suspended = Last(), steps()
next(suspended)
atexit.register(model.metrics.log, "loss", 1.0)
"""
    assert end(server, project, code) == (0, "", "")
    model = project.experiment("e").model("h")
    assert sorted(point.value for point in model.metrics.list("loss")) == [1.0, 2.0, 3.0]
    assert (model.step, [one.value for one in model.metrics.list("text")]) == (7, ["x"])
    assert [one.status for one in model.runs] == ["finished"]


@pytest.mark.parametrize(
    ("last", "expected"),
    [("", ("finished", "")), ("raise ValueError('the end')", ("failed", "ValueError: the end"))],
)
def test_open_runs_end_with_the_program(
    last: str, expected: tuple[str, str], server: Server, project: xpstore.Project
) -> None:
    end(server, project, f"kept = project.experiment('e').model('h').run(); kept.__enter__()\n{last}")
    (attempt,) = project.experiment("e").model("h").runs
    assert (attempt.status, attempt.error.strip().splitlines()[-1:]) == (
        expected[0],
        [expected[1]] if expected[1] else [],
    )


def test_a_run_in_a_daemon_thread_fails_and_keeps_its_points(server: Server, project: xpstore.Project) -> None:
    code = """
model, began = project.experiment("e").model("h"), threading.Event()
def work():
    with model.run():
        began.set()
        while True:
            model.metrics.log("loss", 1.0); time.sleep(0.001)
threading.Thread(target=work, daemon=True).start()
atexit.register(time.sleep, 0.1)
began.wait()
"""
    assert end(server, project, code)[::2] == (0, "")
    (attempt,) = project.experiment("e").model("h").runs
    assert (attempt.status, attempt.error) == ("failed", "The program ended while a daemon thread was in this run.")


def test_a_heartbeat_that_fails_says_so_once(
    server: Server, project: xpstore.Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(run, "HEARTBEAT_TIMEOUT_SECONDS", 0.05)
    model = project.experiment("e").model("h")
    with model.run():
        server.kill()
        time.sleep(1)
        server.start()
    assert sum("The heartbeat of run" in record.message for record in caplog.records) == 1


INTERRUPTED = {
    "save": "ready(); DirectoryArtifact.save(data, 'a')",
    "result": "ready(); DirectoryArtifact.save(data, 'a', wait=False).result()",
    "the end": "ready(); DirectoryArtifact.save(data, 'a', wait=False)",
    "download": "ready(); there.download(os.environ['XPSTORE_CACHE'] + '/stopped')",
    "flush": "ready(); model.metrics.log('a', 1.0); client.flush()",
    "cached call": "ready(); computed(2)",
    "storing a result": "computed(3)",
    "run": "with model.run():\n    ready(); model.metrics.log('a', 1.0); time.sleep(20)",
    "close": "try:\n    ready(); model.metrics.log('a', 1.0); time.sleep(20)\nfinally:\n    client.close()",
}


@pytest.mark.parametrize("what", INTERRUPTED)
def test_ctrl_c_waits_for_no_server(what: str, server: Server, project: xpstore.Project) -> None:
    code = """
model, data = project.experiment("e").model("h"), os.urandom(40 << 20)
there = DirectoryArtifact.save(os.urandom(20 << 20), "there")
def ready():
    print("ready", flush=True); time.sleep(0.3)
@xpstore.cached(name="computed")
def computed(x):
    if x == 3: ready()
    return os.urandom(20 << 20) if x else 0
computed(0)
"""
    program = start(server, project, "-c", HEAD + code + INTERRUPTED[what])
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    os.kill(server.pid, signal.SIGSTOP)
    try:
        time.sleep(1)
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        _, error = program.communicate(timeout=60)
        assert time.monotonic() - began < INTERRUPTED_SECONDS
    finally:
        os.kill(server.pid, signal.SIGCONT)
        program.kill()
    assert program.returncode != 0
    assert ("The artifact 'a' of" in error) == (what in ("result", "the end"))
